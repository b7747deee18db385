//! Signs the ledger with the newest version of its signing key.
//!
//! The rotation itself was signed by the old version. Until another instance has folded it, that one signs with the old version, which
//! a verifier accepts.

use std::{sync::Arc, time::Duration};

use keyledger_domain::{Event, LEDGER_SIGNING_KEY, Name, Record, key};

use super::{effect::Effect, ground::Ground};
use crate::signing::SignerError;

/// See the module.
pub(super) struct NewestSigner(pub(super) Ground);

impl Effect for NewestSigner {
    /// The key that signs the ledger.
    type Task = Name;
    type Error = SignerError;

    const NAME: &'static str = "sign with the newest version";
    const SWEEP: Duration = Duration::from_secs(600);

    fn wakes(record: &Record) -> Option<Name> {
        let Event::Key(key::Event::Rotated(_)) = &record.event else {
            return None;
        };
        let name = &record.history.name;
        (name.as_str() == LEDGER_SIGNING_KEY).then(|| name.clone())
    }

    /// Nothing: an instance starts with the newest version, and a rotation that failed here is tried again.
    async fn pending(&self) -> Result<Vec<Name>, SignerError> {
        Ok(Vec::new())
    }

    async fn run(&self, name: &Name) -> Result<(), SignerError> {
        let shared = &self.0.shared;
        let signer = shared.signers.signer(name).await?;
        shared.ledger_signer.replace(Arc::new(signer));
        Ok(())
    }
}
