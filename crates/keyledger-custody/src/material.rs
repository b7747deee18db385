//! Sealed material: its layout, and what it is bound to.

use keyledger_domain::{Algorithm, Name, Purposes, key::Class};

use crate::{
    ProviderFailure, aead,
    nkey::NkeyKind,
    root::RootId,
    secret::{Key32, Secret, key32},
};

const MAGIC: &[u8; 4] = b"KLSM";
const VERSION: u8 = 1;
const HEADER_LEN: usize = 15;
const DATA_KEY_LEN: usize = 32 + aead::OVERHEAD;

/// The key, version and purposes that material belongs to. The material is bound to them, so that it cannot be used as that of
/// another key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaterialContext {
    /// The key's name.
    pub key: Name,
    /// The version's number.
    pub version: u32,
    /// What the key is for.
    pub purposes: Purposes,
}

/// Why sealed material was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is no sealed material, or a part of it is missing: read the entry again, or restore it from a backup.
    #[error("it is no sealed material")]
    NotMaterial,
    /// A newer Keyledger sealed it: upgrade this one.
    #[error("it is sealed in format {found}, and this version of Keyledger reads up to {VERSION}")]
    NewerFormat {
        /// The format it is sealed in.
        found: u8,
    },
    /// Another root key seals it: open custody with that one.
    #[error("it is sealed under root key {found}, and this is root key {expected}")]
    WrongRoot {
        /// The root key that is open.
        expected: RootId,
        /// The root key that it needs.
        found: RootId,
    },
    /// It belongs to another key, version or purpose, or somebody changed it: do not use it, and find out which.
    #[error("it does not belong to this key, version and purpose, or was changed")]
    Refused,
    /// It is of another kind than was asked for: ask for the kind that it is.
    #[error("it is the material of another kind: {found}, not {expected}")]
    OtherKind {
        /// What was asked for.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// See [`ProviderFailure`].
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
}

/// The kind of material, which says how to read its bytes. The numbers are stored, so they must never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MaterialKind {
    /// PKCS#8 of Ed25519, P-256, P-384, RSA; the raw 32 bytes of X25519 and AES-256.
    Key(Algorithm),
    /// The 32 bytes of an nkey's seed.
    Nkey(NkeyKind),
    /// A token's PUK, management key and the like: text.
    TokenSecrets,
    /// A decryption key of OpenPGP: when it was made (seconds, 8 bytes, big-endian), and the scalar.
    OpenpgpKey,
}

impl MaterialKind {
    const ALL: [Self; 14] = [
        Self::Key(Algorithm::Ed25519),
        Self::Key(Algorithm::X25519),
        Self::Key(Algorithm::P256),
        Self::Key(Algorithm::P384),
        Self::Key(Algorithm::Rsa3072),
        Self::Key(Algorithm::Aes256),
        Self::Key(Algorithm::Rsa2048),
        Self::Key(Algorithm::Rsa4096),
        Self::Nkey(NkeyKind::Operator),
        Self::Nkey(NkeyKind::Account),
        Self::Nkey(NkeyKind::User),
        Self::Nkey(NkeyKind::Curve),
        Self::TokenSecrets,
        Self::OpenpgpKey,
    ];

    const fn code(self) -> u8 {
        match self {
            Self::Key(Algorithm::Ed25519) => 1,
            Self::Key(Algorithm::X25519) => 2,
            Self::Key(Algorithm::P256) => 3,
            Self::Key(Algorithm::P384) => 4,
            Self::Key(Algorithm::Rsa3072) => 5,
            Self::Key(Algorithm::Aes256) => 6,
            Self::Key(Algorithm::Rsa2048) => 7,
            Self::Key(Algorithm::Rsa4096) => 8,
            Self::Nkey(NkeyKind::Operator) => 16,
            Self::Nkey(NkeyKind::Account) => 17,
            Self::Nkey(NkeyKind::User) => 18,
            Self::Nkey(NkeyKind::Curve) => 19,
            Self::TokenSecrets => 32,
            Self::OpenpgpKey => 33,
        }
    }

    pub(crate) const fn algorithm(self) -> Algorithm {
        match self {
            Self::Key(algorithm) => algorithm,
            Self::Nkey(kind) => kind.algorithm(),
            // Such secrets open a token, as a wrapping key opens what it wraps.
            Self::TokenSecrets => Algorithm::Aes256,
            Self::OpenpgpKey => Algorithm::X25519,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Key(algorithm) => algorithm.as_str(),
            Self::Nkey(kind) => kind.as_str(),
            Self::TokenSecrets => "a token's secrets",
            Self::OpenpgpKey => "an OpenPGP key",
        }
    }
}

/// The first bytes of sealed material, which say how to open the rest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) class: Class,
    pub(crate) kind: MaterialKind,
    pub(crate) root: RootId,
}

const CLASSES: [Class; 3] = [Class::Certificate, Class::Data, Class::Other];

const fn class_code(class: Class) -> u8 {
    match class {
        Class::Certificate => 1,
        Class::Data => 2,
        Class::Other => 3,
    }
}

impl Header {
    fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4..7].copy_from_slice(&[VERSION, class_code(self.class), self.kind.code()]);
        bytes[7..].copy_from_slice(&self.root.0);
        bytes
    }

    fn read(bytes: &[u8; HEADER_LEN]) -> Result<Self, OpenError> {
        let [m0, m1, m2, m3, version, class, kind, root @ ..] = *bytes;
        if [m0, m1, m2, m3] != *MAGIC || version == 0 {
            return Err(OpenError::NotMaterial);
        }
        if version > VERSION {
            return Err(OpenError::NewerFormat { found: version });
        }
        let class = CLASSES.into_iter().find(|c| class_code(*c) == class);
        let kind = MaterialKind::ALL.into_iter().find(|k| k.code() == kind);
        match (class, kind) {
            (Some(class), Some(kind)) => Ok(Self {
                class,
                kind,
                root: RootId(root),
            }),
            _ => Err(OpenError::NotMaterial),
        }
    }

    /// The data that the material is bound to. The root key is not among it, because rewrapping leaves the material as it is.
    fn associated(self, context: &MaterialContext) -> Vec<u8> {
        let name = context.key.as_str().as_bytes();
        let purposes = context
            .purposes
            .iter()
            .fold(0, |bits, p| bits | 1 << p as u8);
        let mut bytes = Vec::with_capacity(32 + name.len());
        bytes.extend_from_slice(b"keyledger-material-v1");
        bytes.extend_from_slice(&[class_code(self.class), self.kind.code(), purposes]);
        bytes.extend_from_slice(&context.version.to_be_bytes());
        bytes.extend_from_slice(name); // last, so that no length is needed
        bytes
    }
}

/// The parts of sealed material.
pub(crate) struct Parts<'a> {
    pub(crate) header: Header,
    header_bytes: &'a [u8; HEADER_LEN],
    data_key: &'a [u8; DATA_KEY_LEN],
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(crate) fn read(sealed: &'a [u8]) -> Result<Self, OpenError> {
        let (header_bytes, rest) = sealed.split_first_chunk().ok_or(OpenError::NotMaterial)?;
        let header = Header::read(header_bytes)?;
        let (data_key, body) = rest.split_first_chunk().ok_or(OpenError::NotMaterial)?;
        Ok(Self {
            header,
            header_bytes,
            data_key,
            body,
        })
    }

    fn data_key(&self, kek: &Key32) -> Result<Key32, OpenError> {
        let key = aead::open(kek, self.header_bytes, self.data_key);
        let key = key.map_err(|_| OpenError::Refused)?;
        key32(key.expose()).ok_or(OpenError::NotMaterial)
    }

    pub(crate) fn open(&self, kek: &Key32, context: &MaterialContext) -> Result<Secret, OpenError> {
        let data_key = self.data_key(kek)?;
        aead::open(&data_key, &self.header.associated(context), self.body)
            .map_err(|_| OpenError::Refused)
    }

    /// The same material with its data key wrapped under another root key's class key.
    pub(crate) fn rewrap(
        &self,
        kek: &Key32,
        root: RootId,
        new_kek: &Key32,
    ) -> Result<Vec<u8>, OpenError> {
        let data_key = self.data_key(kek)?;
        let header = Header {
            root,
            ..self.header
        };
        Ok(join(header, new_kek, &data_key, self.body)?)
    }
}

/// Seals `material` under a data key of its own.
pub(crate) fn seal(
    header: Header,
    kek: &Key32,
    context: &MaterialContext,
    material: &Secret,
) -> Result<Vec<u8>, ProviderFailure> {
    let mut data_key = Key32::default();
    aws_lc_rs::rand::fill(&mut *data_key)?;
    let body = aead::seal(&data_key, &header.associated(context), material.expose())?;
    join(header, kek, &data_key, &body)
}

fn join(
    header: Header,
    kek: &Key32,
    data_key: &Key32,
    body: &[u8],
) -> Result<Vec<u8>, ProviderFailure> {
    let head = header.to_bytes();
    let wrapped = aead::seal(kek, &head, &**data_key)?;
    Ok([head.as_slice(), &wrapped, body].concat())
}

/// The root key that sealed material names. It is proved only when the material is opened.
///
/// # Errors
///
/// [`OpenError::NotMaterial`] or [`OpenError::NewerFormat`] if it cannot be read that far.
pub fn root_of(sealed: &[u8]) -> Result<RootId, OpenError> {
    Parts::read(sealed).map(|parts| parts.header.root)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Material of a kind that is missing in `ALL` could be sealed, and never be opened again.
    #[test]
    fn every_kind_is_found_by_its_code() {
        let keys = Algorithm::ALL.map(MaterialKind::Key);
        let nkeys = NkeyKind::ALL.map(MaterialKind::Nkey);
        let others = [MaterialKind::TokenSecrets, MaterialKind::OpenpgpKey];
        for kind in keys.into_iter().chain(nkeys).chain(others) {
            let mut found = MaterialKind::ALL.to_vec();
            found.retain(|other| other.code() == kind.code());
            assert_eq!(found, [kind], "{}", kind.as_str());
        }
    }

    /// The codes are stored: a new kind gets a new code, and a line in the table of [`crate::Custody`].
    #[test]
    fn codes_never_change() {
        let codes = [1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 18, 19, 32, 33];
        assert_eq!(MaterialKind::ALL.map(MaterialKind::code), codes);
    }
}
