//! Subkeys as a token's reports carry them: `SubjectPublicKeyInfo` in DER, with the time that the fingerprint needs.

use data_encoding::BASE64;
use keyledger_domain::{
    Algorithm, Timestamp,
    token::{OpenpgpKeyMade, OpenpgpRole},
};
use spki::{
    AlgorithmIdentifierRef, ObjectIdentifier, SubjectPublicKeyInfoRef,
    der::{Decode as _, Encode as _, asn1::BitStringRef},
};

use super::subkey::{NotASubkey, PublicSubkey, SubkeyAlgorithm, SubkeyRole};

/// RFC 8410 §3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
/// RFC 5480 §2.1.1.
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

impl PublicSubkey {
    /// A subkey for `role`, made at `created`, of its `SubjectPublicKeyInfo` in DER: Ed25519, X25519 or P-256.
    ///
    /// # Errors
    ///
    /// [`NotASubkey::Spki`] if it is no `SubjectPublicKeyInfo`, or of another algorithm; otherwise as [`new`](Self::new).
    pub fn from_spki(role: SubkeyRole, created: Timestamp, der: &[u8]) -> Result<Self, NotASubkey> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| NotASubkey::Spki)?;
        let algorithm = match (info.algorithm.oid, info.algorithm.parameters) {
            (ED25519, None) => SubkeyAlgorithm::Ed25519,
            (X25519, None) => SubkeyAlgorithm::Cv25519,
            (EC, Some(_)) if info.algorithm.parameters_oid() == Ok(P256) => {
                SubkeyAlgorithm::Nistp256
            }
            _ => return Err(NotASubkey::Spki),
        };
        let point = info.subject_public_key.as_bytes();
        Self::new(role, algorithm, created, point.ok_or(NotASubkey::Spki)?)
    }

    /// Its `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub fn to_spki(&self) -> Vec<u8> {
        let (oid, curve) = match self.algorithm() {
            SubkeyAlgorithm::Ed25519 => (ED25519, None),
            SubkeyAlgorithm::Cv25519 => (X25519, None),
            SubkeyAlgorithm::Nistp256 => (EC, Some(&P256)),
        };
        let point = self.point();
        let info = SubjectPublicKeyInfoRef {
            algorithm: AlgorithmIdentifierRef {
                oid,
                parameters: curve.map(Into::into),
            },
            subject_public_key: BitStringRef::from_bytes(&point).expect("65 bytes at most"),
        };
        info.to_der().expect("it is far shorter than DER allows")
    }
}

/// Reads a subkey from a token's report. Its fingerprint must be the one that the other fields give.
impl TryFrom<&OpenpgpKeyMade> for PublicSubkey {
    type Error = NotASubkey;

    fn try_from(made: &OpenpgpKeyMade) -> Result<Self, NotASubkey> {
        let der = BASE64
            .decode(made.public_key.as_bytes())
            .map_err(|_| NotASubkey::Spki)?;
        let created = Timestamp::from_seconds(made.created_at);
        let subkey = Self::from_spki(made.role.into(), created, &der)?;
        let algorithm = domain_algorithm(subkey.algorithm());
        let claimed = made.fingerprint.parse();
        if claimed != Ok(subkey.fingerprint()) || made.algorithm != algorithm {
            return Err(NotASubkey::OtherFingerprint {
                found: subkey.fingerprint(),
            });
        }
        Ok(subkey)
    }
}

impl From<&PublicSubkey> for OpenpgpKeyMade {
    fn from(subkey: &PublicSubkey) -> Self {
        Self {
            role: subkey.role().into(),
            algorithm: domain_algorithm(subkey.algorithm()),
            public_key: BASE64.encode(&subkey.to_spki()).into(),
            created_at: subkey.created().seconds(),
            fingerprint: subkey.fingerprint().to_string().into(),
            bind: None,
        }
    }
}

const fn domain_algorithm(algorithm: SubkeyAlgorithm) -> Algorithm {
    match algorithm {
        SubkeyAlgorithm::Ed25519 => Algorithm::Ed25519,
        SubkeyAlgorithm::Cv25519 => Algorithm::X25519,
        SubkeyAlgorithm::Nistp256 => Algorithm::P256,
    }
}

impl From<OpenpgpRole> for SubkeyRole {
    fn from(role: OpenpgpRole) -> Self {
        match role {
            OpenpgpRole::Sign => Self::Sign,
            OpenpgpRole::Encrypt => Self::Encrypt,
            OpenpgpRole::Authenticate => Self::Authenticate,
        }
    }
}

impl From<SubkeyRole> for OpenpgpRole {
    fn from(role: SubkeyRole) -> Self {
        match role {
            SubkeyRole::Sign => Self::Sign,
            SubkeyRole::Encrypt => Self::Encrypt,
            SubkeyRole::Authenticate => Self::Authenticate,
        }
    }
}
