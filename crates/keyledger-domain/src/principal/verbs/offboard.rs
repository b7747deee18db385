//! `principal.offboard`.

use crate::{
    command::body,
    event::Event,
    ledger::{Deciding, Decision, Ledger},
    name::Name,
    principal::{self, Offboarded},
    rejection::Rejection,
    senders::Senders,
    verb::{Nothing, Urgency, Verb},
};

body! { Principal "offboard", required reason;
    /// Offboard a principal: its NATS users and its tokens end at once, and what it owned goes to another
    Offboard {
        /// Who gets what it owned; who answers for it, or its unit, if absent.
        to: Option<Name>,
    }
}

impl Verb for Offboard {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::TakesTrustAway;
    const CHANGES_ACCOUNT_JWTS: bool = true;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        let principal = on.principal()?;
        if principal.offboarded_at.is_some() {
            return Ok(Decision::default()); // already so: nothing to record
        }
        on.ledger.check_offboard(on.name(), self, on.now)?;
        let mut decision = on.writes([principal::Event::Offboarded(Offboarded {
            offboarded_at: on.now,
            to: self.to.clone(),
        })]);
        on.ledger
            .leave(on.name(), self.to.as_ref(), on.now, &mut decision)?;
        Ok(decision)
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Principal(principal::Event::Offboarded(_)))
    }

    fn remarks(&self, ledger: &Ledger, on: &Name, _changed: bool) -> Vec<String> {
        ledger.left_by(on)
    }
}
