//! Subkeys as cards make them: a role, an algorithm and a point.

use data_encoding::BASE64;
use keyledger_domain::Timestamp;
use pgp::{
    crypto::{ecc_curve::ECCCurve, public_key::PublicKeyAlgorithm},
    packet::{PubKeyInner, PublicSubkey as Packet},
    ser::Serialize as _,
    types::{
        EcdhPublicParams, EcdsaPublicParams, EddsaLegacyPublicParams, KeyDetails as _, KeyVersion,
        Mpi, PublicParams,
    },
};
use serde::{Deserialize, Serialize};

use super::{
    fingerprint::Fingerprint,
    time::{self, OutOfRange},
};

/// The role of a subkey. Each has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubkeyRole {
    /// Signs data: `[S]`.
    Sign,
    /// Decrypts what others encrypt: `[E]`.
    Encrypt,
    /// Authenticates, for example to SSH: `[A]`.
    Authenticate,
}

impl SubkeyRole {
    /// All roles, in the usual order.
    pub const ALL: [Self; 3] = [Self::Sign, Self::Encrypt, Self::Authenticate];

    /// Its name: `sign`, `encrypt`, `authenticate`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sign => "sign",
            Self::Encrypt => "encrypt",
            Self::Authenticate => "authenticate",
        }
    }

    /// The letter GnuPG shows: `S`, `E`, `A`.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Sign => 'S',
            Self::Encrypt => 'E',
            Self::Authenticate => 'A',
        }
    }
}

/// The algorithm of a subkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubkeyAlgorithm {
    /// Ed25519; a point of 32 bytes. Signs and authenticates.
    Ed25519,
    /// ECDH on Curve25519; a point of 32 bytes. Decrypts.
    Cv25519,
    /// P-256; an uncompressed point of 65 bytes. ECDSA or ECDH, by the role.
    Nistp256,
}

impl SubkeyAlgorithm {
    /// Its name, as GnuPG writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Cv25519 => "cv25519",
            Self::Nistp256 => "nistp256",
        }
    }

    const fn curve(self) -> ECCCurve {
        match self {
            Self::Ed25519 => ECCCurve::Ed25519Legacy,
            Self::Cv25519 => ECCCurve::Curve25519Legacy,
            Self::Nistp256 => ECCCurve::P256,
        }
    }
}

/// A subkey's role, public half and creation time. The last two make its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SubkeyForm", into = "SubkeyForm")]
pub struct PublicSubkey {
    role: SubkeyRole,
    packet: Packet,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubkeyForm {
    role: SubkeyRole,
    algorithm: SubkeyAlgorithm,
    created: Timestamp,
    point: String,
}

/// Why something is not a subkey that we bind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotASubkey {
    /// The algorithm does not fit the role: choose another.
    #[error("{} keys do not {}", algorithm.as_str(), role.as_str())]
    Unfit {
        /// The role.
        role: SubkeyRole,
        /// The algorithm.
        algorithm: SubkeyAlgorithm,
    },
    /// The point does not lie on the curve, or has another length: read it from the card again.
    #[error("it is no public key of {}", algorithm.as_str())]
    Point {
        /// The expected algorithm.
        algorithm: SubkeyAlgorithm,
    },
    /// It is no `SubjectPublicKeyInfo` of Ed25519, X25519 or P-256 in DER: read it from the card again.
    #[error("it is no public key of Ed25519, X25519 or P-256 in DER (SubjectPublicKeyInfo)")]
    Spki,
    /// The given fingerprint or algorithm does not match the key, role and time: one of them is wrong.
    #[error(
        "the given fingerprint or algorithm does not match the key, whose fingerprint is {found}"
    )]
    OtherFingerprint {
        /// The fingerprint that key, role and time give.
        found: Fingerprint,
    },
    /// The creation time: see [`OutOfRange`].
    #[error(transparent)]
    Created(#[from] OutOfRange),
}

impl PublicSubkey {
    /// A subkey for `role`, made at `created` (whole seconds count), with its public `point`: 32 bytes, or 65 for P-256.
    ///
    /// The card stores the same creation time; with another time the fingerprint would differ.
    ///
    /// # Errors
    ///
    /// [`NotASubkey`].
    pub fn new(
        role: SubkeyRole,
        algorithm: SubkeyAlgorithm,
        created: Timestamp,
        point: &[u8],
    ) -> Result<Self, NotASubkey> {
        let public_key_algorithm = match (role, algorithm) {
            (SubkeyRole::Encrypt, SubkeyAlgorithm::Cv25519 | SubkeyAlgorithm::Nistp256) => {
                PublicKeyAlgorithm::ECDH
            }
            (SubkeyRole::Sign | SubkeyRole::Authenticate, SubkeyAlgorithm::Ed25519) => {
                PublicKeyAlgorithm::EdDSALegacy
            }
            (SubkeyRole::Sign | SubkeyRole::Authenticate, SubkeyAlgorithm::Nistp256) => {
                PublicKeyAlgorithm::ECDSA
            }
            _ => return Err(NotASubkey::Unfit { role, algorithm }),
        };
        let created = time::to_pgp(created)?;
        let params = params(public_key_algorithm, algorithm, point)
            .ok_or(NotASubkey::Point { algorithm })?;
        let packet = PubKeyInner::new(KeyVersion::V4, public_key_algorithm, created, None, params)
            .and_then(Packet::from_inner)
            .map_err(|_| NotASubkey::Point { algorithm })?;
        Ok(Self { role, packet })
    }

    /// What it is for.
    #[must_use]
    pub const fn role(&self) -> SubkeyRole {
        self.role
    }

    /// Its algorithm.
    #[must_use]
    pub fn algorithm(&self) -> SubkeyAlgorithm {
        known(&self.packet)
            .expect("it was made of a known algorithm")
            .0
    }

    /// Its public point: 32 bytes, or 65 for P-256.
    #[must_use]
    pub fn point(&self) -> Vec<u8> {
        known(&self.packet)
            .expect("it was made of a known algorithm")
            .1
    }

    /// When it was made.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        time::from_pgp(self.packet.created_at())
    }

    /// Its fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.packet)
    }

    pub(super) const fn packet(&self) -> &Packet {
        &self.packet
    }

    /// A subkey of a certificate, if it is of a kind that we make.
    pub(super) fn from_packet(role: SubkeyRole, packet: &Packet) -> Option<Self> {
        let (algorithm, point) = known(packet)?;
        let again = Self::new(role, algorithm, time::from_pgp(packet.created_at()), &point).ok()?;
        // With other parameters of ECDH it would be another key.
        (again.packet.fingerprint() == packet.fingerprint()).then_some(again)
    }
}

/// The algorithm and point of a packet, if we know them.
fn known(packet: &Packet) -> Option<(SubkeyAlgorithm, Vec<u8>)> {
    Some(match packet.public_params() {
        PublicParams::EdDSALegacy(EddsaLegacyPublicParams::Ed25519 { key }) => {
            (SubkeyAlgorithm::Ed25519, key.as_bytes().to_vec())
        }
        PublicParams::ECDSA(EcdsaPublicParams::P256 { key }) => {
            (SubkeyAlgorithm::Nistp256, key.to_sec1_bytes().into())
        }
        PublicParams::ECDH(EcdhPublicParams::P256 { p, .. }) => {
            (SubkeyAlgorithm::Nistp256, p.to_sec1_bytes().into())
        }
        PublicParams::ECDH(EcdhPublicParams::Curve25519Legacy { p, .. }) => {
            (SubkeyAlgorithm::Cv25519, p.as_bytes().to_vec())
        }
        _ => return None,
    })
}

/// Public parameters of a packet (RFC 9580 §5.5.5.4 to §5.5.5.6), read by the library, which checks the point.
fn params(
    public_key_algorithm: PublicKeyAlgorithm,
    algorithm: SubkeyAlgorithm,
    point: &[u8],
) -> Option<PublicParams> {
    /// The first byte of a native point of Curve25519.
    const NATIVE: u8 = 0x40;
    let curve = algorithm.curve();
    let point = match (algorithm, point.len()) {
        (SubkeyAlgorithm::Ed25519 | SubkeyAlgorithm::Cv25519, 32) => [&[NATIVE], point].concat(),
        (SubkeyAlgorithm::Nistp256, 65) if point[0] == 4 => point.to_vec(),
        _ => return None,
    };
    let oid = curve.oid();
    let mut body = vec![u8::try_from(oid.len()).ok()?];
    body.extend_from_slice(&oid);
    Mpi::from_slice(&point).to_writer(&mut body).ok()?;
    if public_key_algorithm == PublicKeyAlgorithm::ECDH {
        let (hash, cipher) = (curve.hash_algo().ok()?, curve.sym_algo().ok()?);
        body.extend_from_slice(&[3, 1, hash.into(), cipher.into()]);
    }
    PublicParams::try_from_reader(public_key_algorithm, Some(body.len()), &body[..]).ok()
}

impl TryFrom<SubkeyForm> for PublicSubkey {
    type Error = NotASubkey;

    fn try_from(form: SubkeyForm) -> Result<Self, NotASubkey> {
        let algorithm = form.algorithm;
        let point = BASE64
            .decode(form.point.as_bytes())
            .map_err(|_| NotASubkey::Point { algorithm })?;
        Self::new(form.role, algorithm, form.created, &point)
    }
}

impl From<PublicSubkey> for SubkeyForm {
    fn from(subkey: PublicSubkey) -> Self {
        Self {
            role: subkey.role,
            algorithm: subkey.algorithm(),
            created: subkey.created(),
            point: BASE64.encode(&subkey.point()),
        }
    }
}
