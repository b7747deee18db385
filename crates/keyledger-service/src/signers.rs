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
        let refuse = |why: Unopened| match why {
            Unopened::Unread(error) => SignerError::Unread(error),
            why => SignerError::Unusable {
                key: name.clone(),
                why: why.to_string(),
            },
        };
        let (entry, context) = self.find(name).map_err(refuse)?;
        if let Some(signer) = self.open.lock().get(&*entry) {
            return Ok(Arc::clone(signer));
        }
        let signer = self.open(&entry, &context).await.map_err(refuse)?;
        let signer = Arc::new(signer);
        self.open
            .lock()
            .insert(entry.to_string(), Arc::clone(&signer));
        Ok(signer)
    }

    /// Opens the newest version of the key `name` from its material, whether it is open already or not.
    pub(crate) async fn examine(&self, name: &Name) -> Result<(), Unopened> {
        let (entry, context) = self.find(name)?;
        self.open(&entry, &context).await.map(|_| ())
    }

    /// The entry of the newest version of the key `name`.
    pub(crate) fn entry(&self, name: &Name) -> Option<Box<str>> {
        self.find(name).ok().map(|(entry, _)| entry)
    }

    /// Holds that `sealed` is the newest version of the key `name`.
    pub(crate) fn opens(&self, name: &Name, sealed: &[u8]) -> Result<(), Unopened> {
        let (_, context) = self.find(name)?;
        self.unseal(sealed, &context, name).map(|_| ())
    }

    fn find(&self, name: &Name) -> Result<(Box<str>, MaterialContext), Unopened> {
        let ledger = self.live.ledger.read();
        let key = ledger.key(name);
        let key = key.ok_or(Unopened::Elsewhere("it is not in the ledger"))?;
        let version = key.state.newest();
        let version = version.ok_or(Unopened::Elsewhere("it has no version"))?;
        let entry = version.entry.clone();
        let entry = entry.ok_or(Unopened::Elsewhere("its secret half is not kept here"))?;
        let context = MaterialContext {
            key: name.clone(),
            version: version.number,
            purposes: key.state.purposes,
        };
        Ok((entry, context))
    }

    async fn open(&self, entry: &str, context: &MaterialContext) -> Result<NkeySigner, Unopened> {
        let sealed = self.materials.read(entry).await;
        let sealed = sealed.map_err(Unopened::Unread)?;
        let sealed = sealed.ok_or_else(|| Unopened::Gone(entry.to_owned()))?;
        self.unseal(&sealed, context, &context.key)
    }

    /// Opens sealed bytes, and holds that they are the key whose public half the ledger names.
    fn unseal(
        &self,
        sealed: &[u8],
        context: &MaterialContext,
        name: &Name,
    ) -> Result<NkeySigner, Unopened> {
        let signer = self.custody.open_signer(sealed, context);
        let signer = signer.map_err(|e| Unopened::Damaged(e.to_string()))?;
        let ledger = self.live.ledger.read();
        let newest = ledger.key(name).and_then(|key| key.state.newest());
        let nkey = newest.and_then(|version| version.nkey.as_deref());
        if nkey.is_some_and(|nkey| nkey != signer.public_nkey()) {
            return Err(Unopened::Damaged("it is another key".to_owned()));
        }
        Ok(signer)
    }
}

/// Why a key's secret half is not open.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Unopened {
    /// There is nothing to open here.
    #[error("{0}")]
    Elsewhere(&'static str),
    /// The store does not say.
    #[error("{0}")]
    Unread(MaterialError),
    /// Its entry is not in the bucket.
    #[error("entry {0} is gone from the material bucket")]
    Gone(String),
    /// What the bucket has of it does not open.
    #[error("{0}")]
    Damaged(String),
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
