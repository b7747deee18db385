//! `principal.register`.

use crate::{
    address::EmailAddress,
    command::body,
    event::Event,
    ledger::{Deciding, Decision},
    name::Name,
    principal::{self, Description, Kind, Registered},
    rejection::Rejection,
    senders::Senders,
    text::{Labels, Title},
    verb::{Nothing, Urgency, Verb},
};

body! { Principal "register", optional reason;
    /// Register a person, service, workstation or unit
    Register {
        /// What it is.
        kind: Kind,
        /// What people call it.
        title: Title,
        /// Where to write to.
        email: Option<EmailAddress>,
        /// The unit it belongs to: a principal of kind `unit`.
        unit: Option<Name>,
        /// The person who answers for it; required of a service.
        responsible: Option<Name>,
        /// Labels, by name; at most 32.
        labels: Option<Labels>,
    }
}

impl Verb for Register {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        on.check_belongs(self.unit.as_ref(), self.responsible.as_ref())?;
        on.check_new()?;
        if self.kind == Kind::Service && self.responsible.is_none() {
            let fault = "a service needs a person who answers for it".to_owned();
            return Err(Rejection::BadValue {
                field: "responsible",
                fault,
            });
        }
        let description = Description {
            title: Some(self.title.clone()),
            email: self.email.clone().map(Title::from),
            unit: self.unit.clone(),
            responsible: self.responsible.clone(),
            labels: self.labels.clone(),
        };
        Ok(on.writes([principal::Event::Registered(Registered {
            kind: self.kind,
            description,
        })]))
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Principal(principal::Event::Registered(_)))
    }
}
