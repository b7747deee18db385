//! Custody itself: an open root key, and what is done with it.

use std::fmt;

use aws_lc_rs::hkdf::Prk;
use keyledger_domain::key::Class;

use crate::{
    ProviderFailure, kdf,
    mac::MacKey,
    material::{self, Header, MaterialContext, MaterialKind, OpenError, Parts},
    root::{ROOT_SALT, RootId, RootKey},
    secret::{Key32, Secret},
};

/// The open safe: generates keys, opens them for signing, rewraps them.
///
/// # Sealed material, format 1
///
/// | offset | bytes | what |
/// |---|---|---|
/// | 0 | 4 | `KLSM` |
/// | 4 | 1 | format, 1 |
/// | 5 | 1 | class of the key: 1 certificate, 2 data, 3 other |
/// | 6 | 1 | kind: 1 Ed25519, 2 X25519, 3 P-256, 4 P-384, 5 RSA-3072, 6 AES-256, 7 RSA-2048, 8 RSA-4096; nkeys: 16 operator, 17 account, 18 user, 19 curve; 32 a token's secrets, 33 an OpenPGP key that decrypts |
/// | 7 | 8 | id of the root key |
/// | 15 | 60 | data key: nonce (12), ciphertext (32), tag (16), under the class's key-encryption key; associated data: bytes 0 to 14 |
/// | 75 | 28 + n | material: nonce (12), ciphertext (n), tag (16), under the data key |
///
/// The material's associated data are `keyledger-material-v1`, class, kind, purposes (a bit each, in the order of
/// [`Purpose::ALL`](keyledger_domain::Purpose::ALL)), the version (4 bytes, big-endian) and the key's name. The material
/// of Ed25519, P-256, P-384 and RSA is PKCS#8; of X25519, AES and nkeys the 32 bytes themselves; of an OpenPGP key when it
/// was made (seconds since 1970, 8 bytes, big-endian), then its 32 bytes. It is stored under the name of its principal.
///
/// # Derived keys
///
/// HKDF-SHA-256 of the root key with the salt `keyledger-custody-root-v1` and as info: `kek:certificate`, `kek:data`,
/// `kek:other` (32 bytes each, AES-256), `root-id` (8 bytes), `mac:` and a label (32 bytes, HMAC-SHA-256), `task:` with `curve:`, `p256.0:` or `x25519:` and a
/// task's id (32 bytes, the secret halves of that task's keys).
///
/// A class key wraps with random nonces, so it is good for 2³² data keys (NIST SP 800-38D §8.3); each data key seals once.
pub struct Custody {
    prk: Prk,
    root: RootId,
}

impl Custody {
    /// Opens custody with its root key, which is wiped.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "the root key ends here")]
    pub fn open(root: RootKey) -> Self {
        Self {
            prk: kdf::extract(ROOT_SALT, root.expose()),
            root: root.id(),
        }
    }

    /// Which root key it was opened with.
    #[must_use]
    pub const fn root(&self) -> RootId {
        self.root
    }

    /// A key that authenticates the service's own files. The same label always gives the same key.
    #[must_use]
    pub fn mac_key(&self, label: &str) -> MacKey {
        MacKey::new(&kdf::expand(&self.prk, &["mac:", label]))
    }

    /// Wraps sealed material again, under the root key of `new`. The material itself is neither decrypted nor checked: damaged
    /// material stays damaged, and is refused when it is opened.
    ///
    /// # Errors
    ///
    /// [`OpenError::WrongRoot`] if this root key does not seal it, [`OpenError::Refused`] if its head was changed,
    /// [`OpenError::NotMaterial`] and [`OpenError::NewerFormat`] if it cannot be read, [`OpenError::Provider`].
    pub fn rewrap(&self, sealed: &[u8], new: &Self) -> Result<Vec<u8>, OpenError> {
        let parts = self.parts(sealed)?;
        let class = parts.header.class;
        parts.rewrap(&self.kek(class), new.root, &new.kek(class))
    }

    /// Seals material again as another version of the same key. This is for material that no event names yet, if its version was taken
    /// in the meantime: making another key may take a second.
    ///
    /// # Errors
    ///
    /// [`OpenError::Refused`] if it does not belong to `context`; otherwise the errors of reading it.
    pub fn renumber(
        &self,
        sealed: &[u8],
        context: &MaterialContext,
        version: u32,
    ) -> Result<Vec<u8>, OpenError> {
        let (kind, material) = self.unseal(sealed, context)?;
        let context = MaterialContext {
            version,
            ..context.clone()
        };
        Ok(self.seal(kind, &context, &material)?)
    }

    pub(crate) fn seal(
        &self,
        kind: MaterialKind,
        context: &MaterialContext,
        material: &Secret,
    ) -> Result<Vec<u8>, ProviderFailure> {
        let class = Class::of(kind.algorithm(), context.purposes);
        let header = Header {
            class,
            kind,
            root: self.root,
        };
        material::seal(header, &self.kek(class), context, material)
    }

    pub(crate) fn unseal(
        &self,
        sealed: &[u8],
        context: &MaterialContext,
    ) -> Result<(MaterialKind, Secret), OpenError> {
        let parts = self.parts(sealed)?;
        let material = parts.open(&self.kek(parts.header.class), context)?;
        Ok((parts.header.kind, material))
    }

    fn parts<'a>(&self, sealed: &'a [u8]) -> Result<Parts<'a>, OpenError> {
        let parts = Parts::read(sealed)?;
        if parts.header.root != self.root {
            return Err(OpenError::WrongRoot {
                expected: self.root,
                found: parts.header.root,
            });
        }
        Ok(parts)
    }

    pub(crate) const fn prk(&self) -> &Prk {
        &self.prk
    }

    fn kek(&self, class: Class) -> Key32 {
        kdf::expand(&self.prk, &["kek:", class.as_str()])
    }
}

impl fmt::Debug for Custody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Custody({})", self.root)
    }
}
