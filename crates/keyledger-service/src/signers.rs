//! Trust keys, opened from their material when they are needed.

use std::{collections::HashMap, sync::Arc};

use keyledger_custody::{Custody, MaterialContext, NkeySigner};
use keyledger_domain::Name;
use parking_lot::Mutex;

use crate::{
    handler::{Live, Signer},
    material::{MaterialError, Materials},
};

/// Why a key cannot sign here.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// It is not in the ledger, not kept here, or custody cannot open it: is it the right root key?
    #[error("key {key} cannot sign: {why}")]
    Unusable {
        /// The key.
        key: Name,
        /// What is wrong.
        why: String,
    },
    /// Its material was not read: the message says what to do.
    #[error(transparent)]
    Unread(#[from] MaterialError),
}

/// Opens signing keys and keeps them open.
pub struct Signers {
    custody: Arc<Custody>,
    materials: Arc<dyn Materials>,
    live: Arc<Live>,
    open: Mutex<HashMap<String, Arc<NkeySigner>>>,
}

impl std::fmt::Debug for Signers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signers").finish_non_exhaustive()
    }
}

impl Signers {
    /// Opens keys of `live` from `materials` with `custody`.
    #[must_use]
    pub fn new(custody: Arc<Custody>, materials: Arc<dyn Materials>, live: Arc<Live>) -> Self {
        Self {
            custody,
            materials,
            live,
            open: Mutex::default(),
        }
    }

    /// The newest version of the key `name`, ready to sign.
    ///
    /// # Errors
    ///
    /// [`SignerError`] if it is not in the ledger, not kept here, or does not open.
    pub async fn signer(&self, name: &Name) -> Result<Arc<NkeySigner>, SignerError> {
        let refuse = |why: String| SignerError::Unusable {
            key: name.clone(),
            why,
        };
        let (entry, context) = {
            let ledger = self.live.ledger.read();
            let key = ledger
                .key(name)
                .ok_or_else(|| refuse("it is not in the ledger".to_owned()))?;
            let version = key
                .state
                .newest()
                .ok_or_else(|| refuse("it has no version".to_owned()))?;
            let entry = version
                .entry
                .clone()
                .ok_or_else(|| refuse("its secret half is not kept here".to_owned()))?;
            let context = MaterialContext {
                key: name.clone(),
                version: version.number,
                purposes: key.state.purposes,
            };
            (entry, context)
        };
        if let Some(signer) = self.open.lock().get(&*entry) {
            return Ok(Arc::clone(signer));
        }
        let sealed = self.materials.read(&entry).await?;
        let sealed = sealed.ok_or_else(|| refuse(format!("entry {entry} is gone")))?;
        let signer = self.custody.open_signer(&sealed, &context);
        let signer = Arc::new(signer.map_err(|e| refuse(e.to_string()))?);
        self.open
            .lock()
            .insert(entry.to_string(), Arc::clone(&signer));
        Ok(signer)
    }
}

/// The ledger's own signing key.
#[derive(Debug)]
pub struct LedgerSigner(pub Arc<NkeySigner>);

impl Signer for LedgerSigner {
    fn nkey(&self) -> &str {
        self.0.public_nkey()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message)
    }
}
