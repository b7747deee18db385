//! The two phases of signing: bytes out, a signature in.

use der::{Decode as _, pem::LineEnding};

use super::{
    algorithm::{PublicKeyKind, SignatureAlgorithm, UnsupportedKey},
    envelope::Envelope,
    verify::{BadSignature, verify_signature_by},
};

/// The bytes of a certificate or CRL that its issuer signs, wherever the issuer's key lives: in custody, on a token, on a
/// machine without a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToBeSigned {
    bytes: Vec<u8>,
    algorithm: SignatureAlgorithm,
    issuer_spki: Vec<u8>,
}

/// Why a signature did not finish it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FinishError {
    /// Not the issuer's signature over these bytes: sign the bytes themselves (not their hash), with the issuer's key, in
    /// [`ToBeSigned::algorithm`]; ECDSA in ASN.1 DER.
    #[error("the signature is not the issuer's over these bytes")]
    Signature(#[from] BadSignature),
    /// It could not be put together: report it.
    #[error("putting bytes and signature together")]
    Encoding(#[from] der::Error),
}

/// Why bytes that come back are not to be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReopenError {
    /// Not what [`ToBeSigned::bytes`] gave: they were changed on the way.
    #[error("not the bytes of a certificate or CRL to be signed")]
    Malformed(#[from] der::Error),
    /// See [`UnsupportedKey`].
    #[error(transparent)]
    Key(#[from] UnsupportedKey),
}

impl ToBeSigned {
    pub(super) const fn new(
        bytes: Vec<u8>,
        algorithm: SignatureAlgorithm,
        issuer_spki: Vec<u8>,
    ) -> Self {
        Self {
            bytes,
            algorithm,
            issuer_spki,
        }
    }

    /// Takes up bytes that were put aside while the signature was fetched. What they say is not looked at: whoever keeps
    /// them makes sure that they are their own.
    ///
    /// # Errors
    ///
    /// [`ReopenError`] if the bytes are no DER SEQUENCE, or the key cannot sign.
    pub fn reopen(bytes: Vec<u8>, issuer_spki: Vec<u8>) -> Result<Self, ReopenError> {
        let sequence = der::AnyRef::from_der(&bytes)?;
        der::Tagged::tag(&sequence).assert_eq(der::Tag::Sequence)?;
        let algorithm = PublicKeyKind::of(&issuer_spki)?.signature_algorithm();
        Ok(Self::new(bytes, algorithm, issuer_spki))
    }

    /// The bytes to sign: the message, not its hash.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How to sign them.
    #[must_use]
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The key that must sign, as SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn issuer_spki(&self) -> &[u8] {
        &self.issuer_spki
    }

    /// Puts the signature on, after checking it: the certificate or CRL in DER.
    ///
    /// # Errors
    ///
    /// [`FinishError::Signature`] if it is not the issuer's signature over these bytes.
    pub fn finish(&self, signature: &[u8]) -> Result<Vec<u8>, FinishError> {
        verify_signature_by(&self.issuer_spki, self.algorithm, &self.bytes, signature)?;
        Ok(Envelope::close(&self.bytes, self.algorithm, signature)?)
    }
}

/// DER as PEM (RFC 7468) under a label: `CERTIFICATE`, `X509 CRL`.
///
/// # Panics
///
/// If it is no label of RFC 7468.
#[must_use]
pub fn pem(label: &'static str, der: &[u8]) -> String {
    der::pem::encode_string(label, LineEnding::LF, der)
        .expect("the labels are valid, and what is encoded fits into memory")
}
