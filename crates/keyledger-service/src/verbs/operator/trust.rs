//! `operator.trust`: the authorities whose fingerprints are known.

use keyledger_domain::operator::{AttestationAuthority, Trust};

use crate::{
    refused::Refused,
    tokens,
    verbs::{MakeFor, Making, Ready},
};

impl MakeFor<Trust> for Vec<AttestationAuthority> {
    async fn make<'a>(verb: &'a Trust, on: Making<'a>) -> Result<Ready<Self>, Refused> {
        let ledger = on.shared.live.ledger.read();
        Ok(Ready::of(tokens::to_trust(&ledger, &verb.certificates)?))
    }
}
