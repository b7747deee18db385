//! The certify key: the secret half of the primary key. It exists nowhere else.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use keyledger_domain::Timestamp;
use pgp::{
    composed::{SignedKeyDetails, SignedPublicKey},
    crypto::{ecc_curve::ECCCurve, hash::HashAlgorithm, public_key::PublicKeyAlgorithm},
    packet::{PacketTrait as _, PubKeyInner, PublicKey, SignatureType},
    ser::Serialize as _,
    types::{
        Fingerprint as PgpFingerprint, KeyDetails, KeyId, KeyVersion, Mpi, Password, PublicParams,
        SignatureBytes, SigningKey, Timestamp as PgpTime,
    },
};

use super::{
    certify_error::CertifyError,
    fingerprint::Fingerprint,
    public::{Certificate, armored},
    reason::RevocationReason,
    self_signature::{CERTIFY_HASH, revocation},
    time,
    user_id::UserId,
};
use crate::{
    ProviderFailure,
    secret::{Key32, Secret, key32},
};

/// The certify key of one certificate: Ed25519, certifies and does nothing else.
///
/// It belongs on a machine without a network, sealed in a [`SealedFile`](crate::SealedFile). It changes a [`Certificate`] and returns a
/// new one; see [`bind`](Self::bind), [`renew`](Self::renew), [`revoke`](Self::revoke).
pub struct CertifyKey {
    public: PublicKey,
    pair: Ed25519KeyPair,
    seed: Key32,
}

/// What [`CertifyKey::generate`] made.
pub struct NewCertifyKey {
    /// The secret half.
    pub key: CertifyKey,
    /// The certificate: user ids, no subkeys yet.
    pub certificate: Certificate,
    /// A revocation of the whole certificate, armored. It is made now, while the key is there. Its holder can end the certificate and do
    /// nothing else: seal it apart from the key, for the day when the key is lost.
    pub revocation: Secret,
}

impl CertifyKey {
    /// Makes a certify key and its certificate for `user_ids`, of which the first is the primary one. It is valid from `created` (in
    /// whole seconds) until `expires`.
    ///
    /// # Errors
    ///
    /// [`CertifyError::NoUserId`], [`CertifyError::UserIdTwice`], [`CertifyError::ExpiresBefore`], [`CertifyError::Time`],
    /// [`CertifyError::Provider`].
    pub fn generate(
        user_ids: &[UserId],
        created: Timestamp,
        expires: Timestamp,
    ) -> Result<NewCertifyKey, CertifyError> {
        let mut seed = Key32::default();
        aws_lc_rs::rand::fill(&mut *seed).map_err(ProviderFailure::from)?;
        let key = Self::from_seed(&*seed, time::to_pgp(created)?).ok_or(ProviderFailure)?;
        if user_ids.is_empty() {
            return Err(CertifyError::NoUserId);
        }
        let mut users = Vec::new();
        for (place, id) in user_ids.iter().enumerate() {
            if user_ids[..place].contains(id) {
                return Err(CertifyError::UserIdTwice { id: id.clone() });
            }
            users.push(key.certified(id, place == 0, created, expires)?);
        }
        let certificate = Certificate::verified(SignedPublicKey {
            primary_key: key.public.clone(),
            details: SignedKeyDetails::new(Vec::new(), Vec::new(), users, Vec::new()),
            public_subkeys: Vec::new(),
        })?;
        Ok(NewCertifyKey {
            revocation: key.revocation_at_birth()?,
            certificate,
            key,
        })
    }

    /// The primary key's fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.public)
    }

    /// When it was made.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        time::from_pgp(self.public.created_at())
    }

    pub(super) const fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn seed(&self) -> &[u8] {
        &*self.seed
    }

    /// The key of 32 secret bytes and its creation time. With another time it would be another key.
    pub(super) fn from_seed(seed: &[u8], created: PgpTime) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = public(pair.public_key().as_ref(), created)?;
        Some(Self {
            public,
            pair,
            seed: key32(seed)?,
        })
    }

    fn revocation_at_birth(&self) -> Result<Secret, CertifyError> {
        let reason = RevocationReason::Unspecified;
        let text = "revoked with the certificate made at birth";
        let typ = SignatureType::KeyRevocation;
        let signature = revocation(typ, &self.public, self.public.created_at(), reason, text)
            .sign_key(self, &Password::empty(), &self.public)
            .map_err(|_| ProviderFailure)?;
        let mut bytes = Vec::new();
        let written = signature.to_writer_with_header(&mut bytes);
        written.expect("a vector takes everything");
        Ok(Secret::new(armored(&bytes).into_bytes()))
    }
}

fn public(point: &[u8], created: PgpTime) -> Option<PublicKey> {
    let oid = ECCCurve::Ed25519Legacy.oid();
    let mut body = vec![u8::try_from(oid.len()).ok()?];
    body.extend_from_slice(&oid);
    let point = Mpi::from_slice(&[&[0x40], point].concat());
    point.to_writer(&mut body).ok()?;
    let algorithm = PublicKeyAlgorithm::EdDSALegacy;
    let params = PublicParams::try_from_reader(algorithm, Some(body.len()), &body[..]).ok()?;
    PubKeyInner::new(KeyVersion::V4, algorithm, created, None, params)
        .and_then(PublicKey::from_inner)
        .ok()
}

impl fmt::Debug for CertifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertifyKey({})", self.fingerprint())
    }
}

impl fmt::Debug for NewCertifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewCertifyKey({})", self.key.fingerprint())
    }
}

impl SigningKey for CertifyKey {
    fn sign(
        &self,
        _: &Password,
        _: HashAlgorithm,
        digest: &[u8],
    ) -> pgp::errors::Result<SignatureBytes> {
        let signature = self.pair.sign(digest);
        let (r, s) = signature.as_ref().split_at(32);
        let halves = [r, s].map(Mpi::from_slice);
        Ok(SignatureBytes::Mpis(halves.into()))
    }

    fn hash_alg(&self) -> HashAlgorithm {
        CERTIFY_HASH
    }
}

impl KeyDetails for CertifyKey {
    fn version(&self) -> KeyVersion {
        self.public.version()
    }

    fn legacy_key_id(&self) -> KeyId {
        self.public.legacy_key_id()
    }

    fn fingerprint(&self) -> PgpFingerprint {
        self.public.fingerprint()
    }

    fn algorithm(&self) -> PublicKeyAlgorithm {
        self.public.algorithm()
    }

    fn created_at(&self) -> PgpTime {
        self.public.created_at()
    }

    fn legacy_v3_expiration_days(&self) -> Option<u16> {
        None
    }

    fn public_params(&self) -> &PublicParams {
        self.public.public_params()
    }
}
