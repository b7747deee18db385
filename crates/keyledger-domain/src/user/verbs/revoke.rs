//! `user.revoke`.

use crate::{
    command::body,
    event::Event,
    ledger::{Deciding, Decision, Ledger},
    name::Name,
    rejection::Rejection,
    senders::Senders,
    user::{self, Revoked},
    verb::{Nothing, Urgency, Verb},
};

body! { User "revoke", required reason;
    /// Revoke a NATS user: its connections are cut and it cannot connect again
    Revoke {}
}

impl Verb for Revoke {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::TakesTrustAway;
    const CHANGES_ACCOUNT_JWTS: bool = true;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        let user = on.user()?;
        if user.revoked_at.is_some() {
            return Ok(Decision::default()); // already so: nothing to record
        }
        let mut decision = on.writes([user::Event::Revoked(Revoked {
            nkey: user.nkey.clone(),
            revoked_at: on.now,
        })]);
        let (ledger, users) = (&on.ledger, [on.name()]);
        ledger.check_dispensable(&users, on.now)?;
        ledger.add_revocations(&users, on.now, &mut decision)?;
        ledger.cancel_tasks_of(&users, on.now, &mut decision);
        Ok(decision)
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::User(user::Event::Revoked(_)))
    }

    fn remarks(&self, ledger: &Ledger, on: &Name, changed: bool) -> Vec<String> {
        let before = (!changed).then(|| ledger.revoked_before(on)).flatten();
        before.into_iter().collect()
    }
}
