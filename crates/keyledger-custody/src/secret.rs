//! Bytes that cannot be printed, copied or serialised, and that wipe themselves.

use zeroize::{Zeroize, Zeroizing};

use crate::ProviderFailure;

/// Secret bytes.
///
/// They are wiped when dropped. There is no way to print, clone or serialise them by accident:
///
/// ```
/// let secret = keyledger_custody::Secret::new(b"hunter2hunter2".to_vec());
/// assert_eq!(secret.expose().len(), 14);
/// ```
/// ```compile_fail,E0277
/// let secret = keyledger_custody::Secret::new(b"hunter2hunter2".to_vec());
/// println!("{secret:?}");
/// ```
/// ```compile_fail,E0277
/// let secret = keyledger_custody::Secret::new(b"hunter2hunter2".to_vec());
/// println!("{secret}");
/// ```
/// ```compile_fail,E0599
/// let secret = keyledger_custody::Secret::new(b"hunter2hunter2".to_vec());
/// let copy = secret.clone();
/// ```
#[expect(
    missing_debug_implementations,
    reason = "a secret is never printed, not even redacted"
)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes `bytes` over: they are wiped when this is dropped.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A copy of `bytes`, whose owner wipes the original.
    pub(crate) fn copy_of(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }

    /// `N` random bytes of the system.
    pub(crate) fn random(length: usize) -> Result<Self, ProviderFailure> {
        let mut bytes = Zeroizing::new(vec![0; length]);
        aws_lc_rs::rand::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The bytes themselves. The caller is responsible for what happens to them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// A key of 32 bytes that is wiped when dropped; not for export.
pub(crate) type Key32 = Zeroizing<[u8; 32]>;

/// `bytes` as a key, if there are 32.
pub(crate) fn key32(bytes: &[u8]) -> Option<Key32> {
    let mut key = Key32::default();
    if bytes.len() != key.len() {
        key.zeroize();
        return None;
    }
    key.copy_from_slice(bytes);
    Some(key)
}
