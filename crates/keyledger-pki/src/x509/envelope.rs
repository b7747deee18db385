//! What certificates, requests and CRLs have in common: bytes, an algorithm, a signature over the bytes.

use der::{
    AnyRef, Decode as _, Encode as _, Sequence,
    asn1::{BitString, BitStringRef},
};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::{
    algorithm::SignatureAlgorithm,
    verify::{BadSignature, verify_signature_by},
};

/// A signed thing, taken apart. The signed bytes are kept as they came: what is verified is what was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Envelope {
    /// The signed bytes, in DER.
    pub(super) signed: Vec<u8>,
    /// As the outside names it.
    pub(super) identifier: AlgorithmIdentifierOwned,
    signature: Vec<u8>,
}

#[derive(Sequence)]
struct Parts<'a> {
    signed: AnyRef<'a>,
    identifier: AlgorithmIdentifierOwned,
    signature: BitStringRef<'a>,
}

#[derive(Sequence)]
struct Finished<'a> {
    signed: AnyRef<'a>,
    identifier: AlgorithmIdentifierOwned,
    signature: BitString,
}

impl Envelope {
    /// Takes a whole thing apart: nothing may follow.
    pub(super) fn open(bytes: &[u8]) -> der::Result<Self> {
        let parts = Parts::from_der(bytes)?;
        let signature = parts
            .signature
            .as_bytes()
            .ok_or_else(|| der::Error::from(der::ErrorKind::Failed))?;
        Ok(Self {
            signed: parts.signed.to_der()?,
            identifier: parts.identifier,
            signature: signature.to_vec(),
        })
    }

    /// Puts it together.
    pub(super) fn close(
        signed: &[u8],
        algorithm: SignatureAlgorithm,
        signature: &[u8],
    ) -> der::Result<Vec<u8>> {
        Finished {
            signed: AnyRef::from_der(signed)?,
            identifier: algorithm.identifier(),
            signature: BitString::from_bytes(signature)?,
        }
        .to_der()
    }

    /// Is it signed by this key?
    pub(super) fn verify(&self, spki: &[u8]) -> Result<(), BadSignature> {
        let algorithm = SignatureAlgorithm::named(&self.identifier)
            .ok_or(BadSignature::UnknownAlgorithm(self.identifier.oid))?;
        verify_signature_by(spki, algorithm, &self.signed, &self.signature)
    }
}
