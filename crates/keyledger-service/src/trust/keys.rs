//! The keys behind trust: all of them opened at the start and now and then, and restored where that can be done.
//!
//! A key that does not open is found out when it is needed, which is when somebody is to be revoked. So it is looked for
//! before; and what the organisation's directory still has of the bootstrap's keys is written back.

use std::{path::PathBuf, sync::Arc, time::Duration};

use keyledger_custody::read_secret_file;
use keyledger_domain::{LEDGER_SIGNING_KEY, Name, text::in_full};

use super::{files::file, health::TrustHealth};
use crate::{
    handler::{Clock, Live},
    material::Materials,
    signers::Signers,
    signing::Unopened,
};

/// How often all trust keys are opened.
const LOOK: Duration = Duration::from_secs(600);

/// Looks after the keys behind trust.
pub(crate) struct TrustKeys {
    pub(crate) live: Arc<Live>,
    pub(crate) signers: Arc<Signers>,
    pub(crate) materials: Arc<dyn Materials>,
    /// The organisation's directory, with the sealed keys of the bootstrap.
    pub(crate) directory: Option<PathBuf>,
    pub(crate) health: TrustHealth,
    pub(crate) clock: Clock,
}

impl TrustKeys {
    /// Opens them now and then, for ever.
    pub(crate) async fn watch(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            self.examine().await;
        }
    }

    /// Opens every trust key from its material, restores what does not open, and notes what still does not.
    pub(crate) async fn examine(&self) {
        let mut faults = self.health.keys();
        let names = self.names();
        faults.retain(|name, _| names.contains(name));
        for name in names {
            match self.look_at(&name).await {
                Ok(()) => {
                    faults.remove(&name);
                }
                // The store does not say: what was known of the key stays.
                Err(Unopened::Unread(error)) => {
                    tracing::warn!(key = %name, %error, "a trust key was not looked at");
                }
                Err(unopened) => {
                    let said = in_full(&unopened);
                    if faults.get(&name) != Some(&said) {
                        tracing::error!(key = %name, %said, "A TRUST KEY DOES NOT OPEN: what it signs cannot be changed");
                    }
                    faults.insert(name, said);
                }
            }
        }
        self.health.set_keys(faults);
    }

    /// The keys that NATS trust or the ledger stands on, and that are kept here.
    fn names(&self) -> Vec<Name> {
        let ledger = self.live.ledger.read();
        let kept = |name: &&Name| {
            let newest = ledger.key(name).and_then(|key| key.state.newest());
            newest.is_some_and(|version| version.material.is_some())
        };
        let signing = ledger.keys().map(|(name, _)| name);
        let signing = signing.filter(|name| name.as_str() == LEDGER_SIGNING_KEY);
        let mut names: Vec<_> = ledger
            .keys_of_trust()
            .chain(signing)
            .filter(kept)
            .cloned()
            .collect();
        names.sort_unstable();
        names
    }

    async fn look_at(&self, name: &Name) -> Result<(), Unopened> {
        let fault = match self.signers.examine(name).await {
            Ok(()) => return Ok(()),
            Err(fault @ Unopened::Unread(_)) => return Err(fault),
            Err(fault) => fault,
        };
        let Some(directory) = &self.directory else {
            return Err(fault);
        };
        let Some(entry) = self.signers.entry(name) else {
            return Err(fault);
        };
        let path = directory.join(file::material(&entry));
        // There is none of a key that was made later.
        let Ok(sealed) = read_secret_file(&path) else {
            return Err(fault);
        };
        let sealed = sealed.expose();
        if let Err(unopened) = self.signers.opens(name, sealed).await {
            let said = in_full(&unopened);
            tracing::error!(key = %name, path = %path.display(), %said, "nor does what the directory has of it");
            return Err(fault);
        }
        let written = self.materials.put(&entry, sealed.to_vec()).await;
        written.map_err(Unopened::Unread)?;
        self.signers.examine(name).await?;
        self.health.add_restored(name, (self.clock)());
        tracing::error!(
            key = %name, fault = %in_full(&fault), path = %path.display(),
            "a trust key did not open, and was restored from the directory: look after the disk of the server that holds the bucket"
        );
        Ok(())
    }
}

impl std::fmt::Debug for TrustKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrustKeys").finish_non_exhaustive()
    }
}
