//! `operator.trust`.

use crate::{
    command::body,
    event::Event,
    ledger::{Deciding, Decision},
    operator::{self, AttestationAuthority},
    rejection::Rejection,
    senders::Senders,
    verb::{Nothing, Urgency, Verb},
};

body! { Operator "trust", optional reason;
    /// Trust further authorities that Yubico published for attestations of tokens, known by their fingerprints
    Trust {
        /// Their certificates, as PEM; at most 64. Those are taken whose fingerprint the service knows.
        certificates: String,
    }
}

impl Verb for Trust {
    type Made = Vec<AttestationAuthority>;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(
        &self,
        on: &Deciding<'_>,
        made: &Vec<AttestationAuthority>,
    ) -> Result<Decision, Rejection> {
        let operator = on.operator()?;
        // Those found in the command, each once.
        let new = made.iter().filter(|new| !operator.trusts(&new.sha256));
        Ok(on.writes(
            new.cloned()
                .map(operator::Event::AttestationAuthorityTrusted),
        ))
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(
            first,
            Event::Operator(operator::Event::AttestationAuthorityTrusted(_))
        )
    }
}
