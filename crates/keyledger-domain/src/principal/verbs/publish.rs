//! `principal.publish`.

use crate::{
    command::body,
    event::Event,
    ledger::{Deciding, Decision},
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

/// What a certificate says, as who can read it found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadCertificate {
    /// What is to be published.
    pub published: OpenpgpPublished,
    /// Base64 of the published certificate whose signatures it was held against; none if none was published.
    pub after: Option<Box<str>>,
}

impl Verb for Publish {
    type Made = Option<Box<ReadCertificate>>;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(
        &self,
        on: &Deciding<'_>,
        made: &Option<Box<ReadCertificate>>,
    ) -> Result<Decision, Rejection> {
        let principal = on.principal_that_acts()?;
        // What the certificate says, and that it goes on from the one before, was found out by who can read it.
        let bad = |fault: &str| Rejection::BadValue {
            field: "openpgp",
            fault: fault.to_owned(),
        };
        let ReadCertificate { published, after } =
            made.as_deref().ok_or_else(|| bad("it could not be read"))?;
        // Else what came meanwhile would be dropped, a revocation as well.
        let before = principal.openpgp.as_ref().map(|it| &it.certificate);
        if before != after.as_ref() {
            return Err(bad(
                "another one was published meanwhile: begin with `keyledger openpgp export`",
            ));
        }
        let is_new = principal.openpgp.as_deref() != Some(published);
        Ok(on.writes(is_new.then(|| principal::Event::OpenpgpPublished(published.clone()))))
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(
            first,
            Event::Principal(principal::Event::OpenpgpPublished(_))
        )
    }
}
