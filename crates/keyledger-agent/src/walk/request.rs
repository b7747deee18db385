//! Requests for certificates (PKCS#10, RFC 2986), and the input that a key signs for a message.

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use keyledger_domain::{Algorithm, token::Holder};
use x509_cert::{
    attr::AttributeTypeAndValue,
    der::{
        Any, Decode, Encode, Tag,
        asn1::{BitString, ObjectIdentifier, SetOfVec, Utf8StringRef},
    },
    name::{Name, RdnSequence, RelativeDistinguishedName},
    request::{CertReq, CertReqInfo, Version},
    spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned},
};

use super::Halt;

/// The object identifier of RFC 4519 §2.3.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// The object identifiers of RFC 5758 §3.2, RFC 8410 §3 and RFC 8017 appendix C.
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");

/// A request before it is signed.
pub(super) struct CertificateRequest {
    info: CertReqInfo,
    algorithm: AlgorithmIdentifierOwned,
    to_be_signed: Vec<u8>,
}

/// Why a request for a certificate cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateRequestError {
    #[error("the request for a certificate cannot be written")]
    Encoding(#[from] x509_cert::der::Error),
    #[error("a key of {0} cannot ask for a certificate")]
    Algorithm(Algorithm),
}

impl From<CertificateRequestError> for Halt {
    fn from(error: CertificateRequestError) -> Self {
        Self::misbehaved_by("no certificate can be asked for", error)
    }
}

impl CertificateRequest {
    /// A request for a certificate over a public key (DER `SubjectPublicKeyInfo`), with the holder's title as common name.
    pub(super) fn new(
        holder: &Holder,
        algorithm: Algorithm,
        public_key: &[u8],
    ) -> Result<Self, CertificateRequestError> {
        let title = Utf8StringRef::new(holder.title.as_str())?;
        let common_name = AttributeTypeAndValue {
            oid: COMMON_NAME,
            value: Any::new(Tag::Utf8String, title.as_bytes())?,
        };
        let part = SetOfVec::try_from(vec![common_name])?;
        let name = RdnSequence::from(vec![RelativeDistinguishedName::from(part)]);
        let info = CertReqInfo {
            version: Version::V1,
            // Do not parse the name from text: a title may hold characters that would need escapes.
            subject: Name::from_der(&name.to_der()?)?,
            public_key: SubjectPublicKeyInfoOwned::from_der(public_key)?,
            attributes: SetOfVec::new(),
        };
        let to_be_signed = info.to_der()?;
        let (oid, parameters) = match algorithm {
            Algorithm::P256 => (ECDSA_SHA256, None),
            Algorithm::P384 => (ECDSA_SHA384, None),
            Algorithm::Ed25519 => (ED25519, None),
            Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => {
                (RSA_SHA256, Some(Any::null()))
            }
            Algorithm::X25519 | Algorithm::Aes256 => {
                return Err(CertificateRequestError::Algorithm(algorithm));
            }
        };
        Ok(Self {
            info,
            algorithm: AlgorithmIdentifierOwned { oid, parameters },
            to_be_signed,
        })
    }

    /// The bytes that the key must sign.
    pub(super) fn to_be_signed(&self) -> &[u8] {
        &self.to_be_signed
    }

    /// The whole request, as DER.
    pub(super) fn signed(self, signature: &[u8]) -> Result<Vec<u8>, CertificateRequestError> {
        let signed = CertReq {
            info: self.info,
            algorithm: self.algorithm,
            signature: BitString::from_bytes(signature)?,
        };
        Ok(signed.to_der()?)
    }
}

/// The input that a token's key signs for a message: its hash; for Ed25519 the message itself; for RSA the padded hash (RFC 8017 §9.2).
pub(super) fn to_sign(algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
    match algorithm {
        Algorithm::P256 => digest(&SHA256, message).as_ref().to_vec(),
        Algorithm::P384 => digest(&SHA384, message).as_ref().to_vec(),
        Algorithm::Rsa2048 => padded(digest(&SHA256, message).as_ref(), 256),
        Algorithm::Rsa3072 => padded(digest(&SHA256, message).as_ref(), 384),
        Algorithm::Rsa4096 => padded(digest(&SHA256, message).as_ref(), 512),
        Algorithm::Ed25519 | Algorithm::X25519 | Algorithm::Aes256 => message.to_vec(),
    }
}

/// The DER of `DigestInfo` with SHA-256, up to the hash (RFC 8017 §9.2 note 1).
const SHA256_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// Pads a hash by EMSA-PKCS1-v1_5. The token does the rest of the signature.
fn padded(hash: &[u8], modulus_bytes: usize) -> Vec<u8> {
    let filling = modulus_bytes - 3 - SHA256_INFO.len() - hash.len();
    let mut block = vec![0, 1];
    block.resize(2 + filling, 0xff);
    block.push(0);
    block.extend(SHA256_INFO);
    block.extend(hash);
    block
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::AsDer,
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey},
    };
    use keyledger_domain::{Name, text::Title};

    use super::*;

    #[test]
    fn a_request_names_its_holder_and_verifies_under_its_own_key() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let holder = Holder {
            principal: "ada".parse::<Name>().unwrap(),
            title: Title::new("Ada Lovelace").unwrap(),
            email: None,
            openpgp: None,
        };
        let spki = pair.public_key().as_der().unwrap();
        let request = CertificateRequest::new(&holder, Algorithm::P256, spki.as_ref()).unwrap();
        let signature = pair
            .sign(&SystemRandom::new(), request.to_be_signed())
            .unwrap();
        let der = request.signed(signature.as_ref()).unwrap();

        let read = CertReq::from_der(&der).unwrap();
        assert_eq!(read.info.subject.to_string(), "CN=Ada Lovelace");
        let key = UnparsedPublicKey::new(
            &aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1,
            pair.public_key().as_ref(),
        );
        key.verify(&read.info.to_der().unwrap(), read.signature.raw_bytes())
            .unwrap();
    }

    #[test]
    fn an_rsa_block_fills_the_modulus_and_ends_in_the_hash() {
        for (algorithm, bytes) in [
            (Algorithm::Rsa2048, 256),
            (Algorithm::Rsa3072, 384),
            (Algorithm::Rsa4096, 512),
        ] {
            let block = to_sign(algorithm, b"message");
            assert_eq!(block.len(), bytes);
            assert_eq!(block[..2], [0, 1]);
            assert_eq!(block[bytes - 32 - 19 - 1], 0);
            assert_eq!(&block[bytes - 32..], digest(&SHA256, b"message").as_ref());
        }
    }
}
