//! A person with a certify key and a card, for the tests of OpenPGP.

use ed25519_dalek::{Signer as _, SigningKey};
use keyledger_custody::openpgp::{
    Bind, Certificate, CertifyKey, Fingerprint, NewCertifyKey, ProvenSubkey, PublicSubkey,
    SubkeyAlgorithm, SubkeyRole, UserId,
};
use keyledger_domain::Timestamp;
use p256::ecdsa::signature::hazmat::PrehashSigner as _;

/// 2026-11-25 00:00:00Z: when everything begins.
pub(crate) const BIRTH: i64 = 1_795_564_800;

pub(crate) fn day(days: i64) -> Timestamp {
    Timestamp::from_seconds(BIRTH).plus_days(days)
}

/// The key in one slot of a card, played by software.
pub(crate) enum SoftKey {
    Ed25519(SigningKey),
    P256(p256::ecdsa::SigningKey),
    X25519([u8; 32]),
}

impl SoftKey {
    pub(crate) fn ed25519(byte: u8) -> Self {
        Self::Ed25519(SigningKey::from_bytes(&[byte; 32]))
    }

    pub(crate) fn p256(byte: u8) -> Self {
        Self::P256(p256::ecdsa::SigningKey::from_slice(&[byte; 32]).unwrap())
    }

    /// As the public point of `X25519` on the base point: RFC 7748 §5.
    pub(crate) fn x25519(byte: u8) -> Self {
        Self::X25519([byte; 32])
    }

    fn algorithm(&self) -> SubkeyAlgorithm {
        match self {
            Self::Ed25519(_) => SubkeyAlgorithm::Ed25519,
            Self::P256(_) => SubkeyAlgorithm::Nistp256,
            Self::X25519(_) => SubkeyAlgorithm::Cv25519,
        }
    }

    fn point(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.verifying_key().as_bytes().to_vec(),
            Self::P256(key) => {
                let point = key.verifying_key().to_encoded_point(false);
                point.as_bytes().to_vec()
            }
            Self::X25519(secret) => {
                use aws_lc_rs::agreement::{PrivateKey, X25519};
                let key = PrivateKey::from_private_key(&X25519, secret).unwrap();
                key.compute_public_key().unwrap().as_ref().to_vec()
            }
        }
    }

    pub(crate) fn public(&self, role: SubkeyRole, created: Timestamp) -> PublicSubkey {
        PublicSubkey::new(role, self.algorithm(), created, &self.point()).unwrap()
    }

    /// What the card answers.
    pub(crate) fn sign(&self, digest: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.sign(digest).to_bytes().to_vec(),
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash(digest).unwrap();
                signature.to_bytes().to_vec()
            }
            Self::X25519(_) => panic!("it does not sign"),
        }
    }

    /// A subkey of this card, agreed to where that is asked for.
    pub(crate) fn proven(
        &self,
        certificate: &Certificate,
        role: SubkeyRole,
        at: Timestamp,
    ) -> ProvenSubkey {
        let bind = Bind::prepare(certificate, self.public(role, at), at).unwrap();
        let signature = bind.to_sign().map(|asked| self.sign(asked.digest));
        bind.finish(signature.as_deref()).unwrap()
    }
}

pub(crate) fn user_id(text: &str) -> UserId {
    UserId::new(text).unwrap()
}

/// Alice's certify key, made on the first day for ten years.
pub(crate) fn alice() -> NewCertifyKey {
    let ids = [user_id("Alice Archer <alice@example.org>")];
    CertifyKey::generate(&ids, day(0), day(3650)).unwrap()
}

/// Alice, with a card of three Ed25519 or Curve25519 keys bound on the second day: S, E, A for 365, 730, 180 days.
pub(crate) struct Person {
    pub(crate) made: NewCertifyKey,
    pub(crate) certificate: Certificate,
    pub(crate) sign: SoftKey,
}

pub(crate) const ENDS: [(SubkeyRole, i64); 3] = [
    (SubkeyRole::Sign, 365),
    (SubkeyRole::Encrypt, 730),
    (SubkeyRole::Authenticate, 180),
];

pub(crate) fn person() -> Person {
    let made = alice();
    let keys = [SoftKey::ed25519(1), SoftKey::x25519(2), SoftKey::ed25519(3)];
    let subkeys: Vec<_> = ENDS
        .iter()
        .zip(&keys)
        .map(|((role, days), key)| (key.proven(&made.certificate, *role, day(1)), day(*days)))
        .collect();
    let certificate = made.key.bind(&made.certificate, &subkeys, day(1)).unwrap();
    let [sign, ..] = keys;
    Person {
        made,
        certificate,
        sign,
    }
}

/// The fingerprint of the first subkey with a role.
pub(crate) fn first(certificate: &Certificate, role: SubkeyRole) -> Fingerprint {
    let mut found = certificate.subkeys().iter().filter(|s| s.role == role);
    found.next().unwrap().fingerprint
}
