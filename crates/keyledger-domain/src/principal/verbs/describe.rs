//! `principal.describe`.

use crate::{
    address::EmailAddress,
    command::body,
    event::Event,
    ledger::{Deciding, Decision},
    name::Name,
    principal::{self, Description},
    rejection::Rejection,
    senders::Senders,
    text::{Labels, Title},
    verb::{Nothing, Urgency, Verb},
};

body! { Principal "describe", optional reason;
    /// Describe a principal: title, e-mail address, unit, responsible person, labels; what is absent stays as it is
    Describe {
        /// What people call it.
        title: Option<Title>,
        /// Where to write to.
        email: Option<EmailAddress>,
        /// The unit it belongs to.
        unit: Option<Name>,
        /// The person who answers for it.
        responsible: Option<Name>,
        /// Labels, by name; at most 32. They replace all there are.
        labels: Option<Labels>,
    }
}

impl Verb for Describe {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        on.check_belongs(self.unit.as_ref(), self.responsible.as_ref())?;
        let principal = on.principal_that_acts()?;
        let asked = Description {
            title: self.title.clone(),
            email: self.email.clone().map(Title::from),
            unit: self.unit.clone(),
            responsible: self.responsible.clone(),
            labels: self.labels.clone(),
        };
        if asked == Description::default() {
            return Err(Rejection::NothingToChange);
        }
        let event = principal::Event::Described(asked);
        let mut after = principal.clone();
        after.evolve(&event);
        Ok(on.writes((after != *principal).then_some(event)))
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Principal(principal::Event::Described(_)))
    }
}
