//! Sealing under a passphrase: Argon2id 1.3 (RFC 9106) makes the AES-256-GCM key.

use data_encoding::BASE64;

use crate::{
    ProviderFailure, aead,
    argon2id::{KdfCost, KdfError, derive},
    passphrase::Passphrase,
    secret::Secret,
};

/// A sealed secret as it stands in a file, both in base64.
pub(crate) struct Sealed {
    /// 16 bytes, random.
    pub(crate) salt: Box<str>,
    /// Nonce (12), ciphertext, tag (16).
    pub(crate) wrapped: Box<str>,
}

/// Why it was not sealed.
pub(crate) enum SealFault {
    /// Argon2id.
    Kdf(KdfError),
    /// See [`ProviderFailure`].
    Provider(ProviderFailure),
}

/// Why it did not open.
pub(crate) enum OpenFault {
    /// It is not base64 of what it should be.
    Form,
    /// Argon2id.
    Kdf(KdfError),
    /// The passphrase is wrong or something was changed: nobody can tell which.
    WrongPassphrase,
}

/// Seals `secret`, bound to `associated`. Blocks for about a second at the usual cost, as [`open`] does.
pub(crate) fn seal(
    passphrase: &Passphrase,
    cost: &KdfCost,
    associated: &[u8],
    secret: &[u8],
) -> Result<Sealed, SealFault> {
    let mut salt = [0; 16];
    aws_lc_rs::rand::fill(&mut salt).map_err(|e| SealFault::Provider(e.into()))?;
    let kek = derive(passphrase, &salt, cost).map_err(SealFault::Kdf)?;
    let wrapped = aead::seal(&kek, associated, secret).map_err(SealFault::Provider)?;
    Ok(Sealed {
        salt: BASE64.encode(&salt).into(),
        wrapped: BASE64.encode(&wrapped).into(),
    })
}

/// Opens what [`seal`] sealed under the same passphrase, cost and associated data.
pub(crate) fn open(
    passphrase: &Passphrase,
    cost: &KdfCost,
    associated: &[u8],
    (salt, wrapped): (&str, &str),
) -> Result<Secret, OpenFault> {
    let decode = |text: &str| BASE64.decode(text.as_bytes());
    let salt = decode(salt).map_err(|_| OpenFault::Form)?;
    let wrapped = decode(wrapped).map_err(|_| OpenFault::Form)?;
    let salt = salt.as_slice().try_into().map_err(|_| OpenFault::Form)?;
    let kek = derive(passphrase, salt, cost).map_err(OpenFault::Kdf)?;
    aead::open(&kek, associated, &wrapped).map_err(|_| OpenFault::WrongPassphrase)
}
