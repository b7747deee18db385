//! `principal.publish`.

use crate::{
    command::body,
    event::Event,
    ledger::{Deciding, Decision, Ledger, Reads},
    name::Name,
    principal::{self, OpenpgpPublished},
    rejection::Rejection,
    senders::Senders,
    verb::{Nothing, Urgency, Verb},
};

body! { Principal "publish", optional reason;
    /// Publish a principal's OpenPGP certificate, as its certify key signed it
    Publish {
        /// The certificate, in ASCII armor or base64; at most 32,768 bytes. It holds all that an earlier one held.
        openpgp: String,
    }
}

impl Verb for Publish {
    type Made = Option<Box<OpenpgpPublished>>;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(
        &self,
        on: &Deciding<'_>,
        made: &Option<Box<OpenpgpPublished>>,
    ) -> Result<Decision, Rejection> {
        let principal = on.principal_that_acts()?;
        // What the certificate says, and that it goes on from the one before, was found out by who can read it.
        let published = made.as_deref().ok_or_else(|| Rejection::BadValue {
            field: "openpgp",
            fault: "it could not be read".to_owned(),
        })?;
        let is_new = principal.openpgp.as_deref() != Some(published);
        Ok(on.writes(is_new.then(|| principal::Event::OpenpgpPublished(published.clone()))))
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(
            first,
            Event::Principal(principal::Event::OpenpgpPublished(_))
        )
    }

    fn reads(&self, _ledger: &Ledger, _on: &Name) -> Reads {
        Reads::Everything // what a principal owns, where units lead to
    }
}
