//! Keys of the ledger that sign here: found in the ledger, opened from their material when they are needed, and signing through their
//! custodian.

use std::sync::Arc;

use keyledger_claims::Draft;
use keyledger_custody::{Custodian, CustodianError, MaterialContext, SecretHalf};
use keyledger_domain::{
    Name,
    key::{Material, Public, Version},
};

use crate::{
    handler::{Live, Signer},
    material::Materials,
    signing::{SignerError, Unopened},
    store::Pending,
};

/// How often a key is opened again for one signature: the custodian may have closed it to make room for others.
const OPENED_AT_MOST: usize = 3;

/// Has the ledger's keys sign.
pub struct Signers {
    custodian: Arc<dyn Custodian>,
    materials: Arc<dyn Materials>,
    live: Arc<Live>,
}

/// A version of a key, and where its secret half is.
#[derive(Debug, Clone)]
pub(crate) struct KeyPlace {
    /// The entry of the material bucket.
    pub(crate) entry: Box<str>,
    /// What its material is bound to.
    pub(crate) context: MaterialContext,
}

/// A key of the ledger that signs here. It holds no secret: each signature is asked of the key's custodian.
#[derive(Debug, Clone)]
pub struct LedgerKey {
    signers: Arc<Signers>,
    place: KeyPlace,
    nkey: Box<str>,
}

impl std::fmt::Debug for Signers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signers").finish_non_exhaustive()
    }
}

impl Signers {
    /// Has keys of `live` sign, which `custodian` opens from `materials`.
    #[must_use]
    pub fn new(
        custodian: Arc<dyn Custodian>,
        materials: Arc<dyn Materials>,
        live: Arc<Live>,
    ) -> Self {
        Self {
            custodian,
            materials,
            live,
        }
    }

    /// The newest version of the nkey `name`, opened.
    ///
    /// # Errors
    ///
    /// [`SignerError`] if it is not in the ledger, not kept here, or does not open.
    pub async fn signer(self: &Arc<Self>, name: &Name) -> Result<LedgerKey, SignerError> {
        let key = self.unopened(name)?;
        if !self.custodian.is_open(&key.place.entry) {
            let opened = self.open(&key.place).await;
            opened.map_err(|unopened| SignerError::of(name, unopened))?;
        }
        Ok(key)
    }

    /// The newest version of the nkey `name`, whether it opens or not.
    ///
    /// # Errors
    ///
    /// [`SignerError`] if it is not in the ledger, or not kept here.
    pub fn unopened(self: &Arc<Self>, name: &Name) -> Result<LedgerKey, SignerError> {
        let (place, public) = self.find(name).map_err(|e| SignerError::of(name, e))?;
        let no_nkey = Unopened::Elsewhere("it is no nkey");
        let nkey = public.nkey.ok_or_else(|| SignerError::of(name, no_nkey))?;
        Ok(LedgerKey {
            signers: Arc::clone(self),
            place,
            nkey,
        })
    }

    /// Signs `message` with a version of a key, which is opened if it is not.
    pub(crate) async fn sign(
        &self,
        place: &KeyPlace,
        message: &[u8],
    ) -> Result<Vec<u8>, SignerError> {
        let refuse = |unopened| SignerError::of(&place.context.key, unopened);
        for _ in 0..OPENED_AT_MOST {
            match self.custodian.sign(&place.entry, message).await {
                Err(CustodianError::NotOpen { .. }) => self.open(place).await.map_err(refuse)?,
                Err(error) => return Err(refuse(error.into())),
                Ok(signature) => return Ok(signature),
            }
        }
        let signature = self.custodian.sign(&place.entry, message).await;
        signature.map_err(|error| refuse(error.into()))
    }

    /// Opens the newest version of the key `name` from its material, whether it is open already or not.
    pub(crate) async fn examine(&self, name: &Name) -> Result<(), Unopened> {
        let (place, _) = self.find(name)?;
        self.open(&place).await
    }

    /// The entry of the newest version of the key `name`.
    pub(crate) fn entry(&self, name: &Name) -> Option<Box<str>> {
        self.find(name).ok().map(|(place, _)| place.entry)
    }

    /// Holds that `sealed` is the newest version of the key `name`.
    pub(crate) async fn opens(&self, name: &Name, sealed: &[u8]) -> Result<(), Unopened> {
        let (place, _) = self.find(name)?;
        self.unseal(&place, sealed.to_vec()).await
    }

    /// Closes every version of the key `name`, which was destroyed.
    pub(crate) async fn forget(&self, name: &Name) {
        let entries: Vec<Box<str>> = {
            let ledger = self.live.ledger.read();
            let key = ledger.key(name).map(|e| &e.state);
            let entries = key.into_iter().flat_map(|key| key.entries());
            entries.map(Into::into).collect()
        };
        for entry in entries {
            if let Err(error) = self.custodian.destroy(&entry).await {
                tracing::error!(%error, key = %name, "the custodian did not destroy what it has of a destroyed key");
            }
        }
    }

    fn find(&self, name: &Name) -> Result<(KeyPlace, Public), Unopened> {
        let ledger = self.live.ledger.read();
        let key = ledger.key(name);
        let key = key.ok_or(Unopened::Elsewhere("it is not in the ledger"))?;
        let version = key.state.newest();
        let version = version.ok_or(Unopened::Elsewhere("it has no version"))?;
        let entry = match &version.material {
            Some(Material::Entry(entry)) => entry.clone(),
            Some(Material::Handle(_)) => {
                let said = "its custodian keeps it under a handle, and is not here";
                return Err(Unopened::Elsewhere(said));
            }
            None => return Err(Unopened::Elsewhere("its secret half is not kept here")),
        };
        let context = MaterialContext {
            key: name.clone(),
            version: version.number,
            purposes: key.state.purposes,
        };
        Ok((KeyPlace { entry, context }, public_of(version)))
    }

    async fn open(&self, place: &KeyPlace) -> Result<(), Unopened> {
        let sealed = self.materials.read(&place.entry).await;
        let sealed = sealed.map_err(Unopened::Unread)?;
        let sealed = sealed.ok_or_else(|| Unopened::Gone(place.entry.clone()))?;
        self.unseal(place, sealed).await
    }

    /// Opens sealed bytes, and holds that they are the key whose public half the ledger names.
    async fn unseal(&self, place: &KeyPlace, sealed: Vec<u8>) -> Result<(), Unopened> {
        let (entry, context) = (&place.entry, &place.context);
        let secret = SecretHalf::Sealed(sealed);
        let public = self.custodian.open(entry, &secret, context).await?;
        let refusal = {
            let ledger = self.live.ledger.read();
            let key = ledger.key(&context.key).map(|e| &e.state);
            let is_destroyed = key.is_some_and(|key| key.state.is_destroyed());
            let mut versions = key.into_iter().flat_map(|key| &key.versions);
            let version = versions.find(|version| version.number == context.version);
            match version {
                // It was destroyed while it was being opened.
                _ if is_destroyed => Some(Unopened::Elsewhere("it was destroyed")),
                Some(version) if public_of(version) != public => Some(Unopened::OtherKey),
                Some(_) | None => None,
            }
        };
        match refusal {
            Some(refusal) => {
                self.custodian.destroy(entry).await?;
                Err(refusal)
            }
            None => Ok(()),
        }
    }
}

/// The public half of a version, as the ledger has it.
fn public_of(version: &Version) -> Public {
    Public {
        public_key: version.public_key.clone(),
        nkey: version.nkey.clone(),
        check_value: version.check_value.clone(),
    }
}

impl LedgerKey {
    /// The public nkey.
    #[must_use]
    pub fn public_nkey(&self) -> &str {
        &self.nkey
    }

    /// Signs `message` (Ed25519).
    ///
    /// # Errors
    ///
    /// [`SignerError`].
    pub async fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        let signature = self.signers.sign(&self.place, message).await?;
        let not_ed25519 =
            Unopened::Elsewhere("its signatures are no nkey's: they have not 64 bytes");
        let refuse = |_| SignerError::of(&self.place.context.key, not_ed25519);
        signature.try_into().map_err(refuse)
    }

    /// Signs claims: the token.
    ///
    /// # Errors
    ///
    /// [`SignerError`].
    pub async fn sign_claims(&self, draft: Draft) -> Result<String, SignerError> {
        let signature = self.sign(draft.to_be_signed()).await?;
        Ok(draft.finish(&signature))
    }
}

impl Signer for LedgerKey {
    fn nkey(&self) -> &str {
        &self.nkey
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Pending<'a, Result<[u8; 64], SignerError>> {
        Box::pin(self.sign(message))
    }
}
