//! The vault: custody in an instance, sealed or open.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use crate::{custody::Custody, opened::Opened, root::RootId, sign::SigningHalf};

/// Custody in an instance of the service: sealed, or open.
///
/// While it is sealed, nothing secret is in the instance's memory. Sealing drops the root key and wipes every key that was open.
#[derive(Default)]
pub struct Vault(RwLock<Option<Open>>);

/// What an open vault holds.
#[derive(Clone)]
struct Open {
    custody: Arc<Custody>,
    opened: Arc<Mutex<Opened>>,
}

/// The vault of this instance is sealed: open it with `keyledger vault open` on its machine, and ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the vault of this instance is sealed: open it with `keyledger vault open` on its machine")]
pub struct VaultSealed;

impl Vault {
    /// A sealed vault.
    #[must_use]
    pub fn sealed() -> Self {
        Self::default()
    }

    /// A vault that is open with `custody`.
    #[must_use]
    pub fn opened(custody: Custody) -> Self {
        let vault = Self::sealed();
        vault.open(custody);
        vault
    }

    /// Opens it. Keys that were opened under another root key are wiped.
    pub fn open(&self, custody: Custody) {
        let open = Open {
            custody: Arc::new(custody),
            opened: Arc::default(),
        };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(open);
    }

    /// Seals it: the root key and all open keys are wiped, once what is being signed at this moment is signed.
    pub fn seal(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// True while it is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.look().is_ok()
    }

    /// Which root key it is open with; nothing while it is sealed.
    #[must_use]
    pub fn root(&self) -> Option<RootId> {
        Some(self.look().ok()?.custody.root())
    }

    /// Custody, for one piece of work: whoever keeps it keeps the root key in memory.
    ///
    /// # Errors
    ///
    /// [`VaultSealed`].
    pub fn custody(&self) -> Result<Arc<Custody>, VaultSealed> {
        Ok(self.look()?.custody)
    }

    /// How many keys are open.
    #[must_use]
    pub fn open_keys(&self) -> usize {
        let count = |open: Open| lock(&open.opened).len();
        self.look().map_or(0, count)
    }

    /// Takes a key out of custody and keeps it open, in the very vault whose custody gave it: if that is sealed meanwhile, the key goes
    /// with it, and one that is opened then under another root key does not get it.
    pub(crate) fn keep<T, E: From<VaultSealed>>(
        &self,
        place: &str,
        open: impl FnOnce(&Custody) -> Result<(SigningHalf, T), E>,
    ) -> Result<T, E> {
        let vault = self.look()?;
        let (half, found) = open(&vault.custody)?;
        lock(&vault.opened).keep(place, half);
        Ok(found)
    }

    /// Works with the keys that are open.
    pub(crate) fn with_opened<T>(
        &self,
        work: impl FnOnce(&mut Opened) -> T,
    ) -> Result<T, VaultSealed> {
        Ok(work(&mut lock(&self.look()?.opened)))
    }

    fn look(&self) -> Result<Open, VaultSealed> {
        let open = self.0.read().unwrap_or_else(PoisonError::into_inner);
        open.clone().ok_or(VaultSealed)
    }
}

fn lock(opened: &Mutex<Opened>) -> MutexGuard<'_, Opened> {
    opened.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.root() {
            Some(root) => write!(f, "Vault(open, {root})"),
            None => f.write_str("Vault(sealed)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::Ed25519KeyPair;

    use super::*;
    use crate::root::RootKey;

    fn custody() -> Custody {
        Custody::open(RootKey::generate().unwrap())
    }

    #[test]
    fn a_key_of_one_root_is_kept_in_no_vault_of_another() {
        let vault = Vault::opened(custody());
        let kept = vault.keep::<_, VaultSealed>("it", |_| {
            vault.seal();
            vault.open(custody());
            let pair = Ed25519KeyPair::generate().unwrap();
            Ok((SigningHalf::Ed25519(pair), ()))
        });
        kept.unwrap();
        assert_eq!(vault.open_keys(), 0);
    }
}
