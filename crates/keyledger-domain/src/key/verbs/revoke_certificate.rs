//! `key.revoke-certificate`.

use crate::{
    command::body,
    event::Event,
    key::{self, RevocationReason, Serial},
    ledger::{Deciding, Decision},
    name::Name,
    rejection::Rejection,
    senders::Senders,
    verb::{Nothing, Urgency, Verb},
};

body! { Key "revoke-certificate", required reason;
    /// Revoke one certificate over a key, which goes on: from now on its authority's list names it
    RevokeCertificate {
        /// Its serial number, in hexadecimal.
        serial: Serial,
        /// The authority that signed it; needed only where two have used the number.
        issuer: Option<Name>,
        /// Why, in KMIP's words. A compromise is the key's: revoke that.
        revocation_reason: RevocationReason,
    }
}

impl Verb for RevokeCertificate {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        on.check_not_the_ledgers()?;
        on.check_not_behind_trust()?;
        on.revoke_certificate(self)
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Key(key::Event::CertificateRevoked(_)))
    }
}
