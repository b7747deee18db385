//! Decryption keys made in custody, so that encrypted data is not lost with a card.

use std::fmt;

use keyledger_domain::{Name, Purpose, Purposes, Timestamp};
use pgp::{
    crypto::ecdh,
    packet::{PacketTrait as _, SecretSubkey},
    types::{PlainSecretParams, SecretParams},
};
use zeroize::Zeroizing;

use super::{
    bind::ProvenSubkey,
    fingerprint::Fingerprint,
    subkey::{PublicSubkey, SubkeyAlgorithm, SubkeyRole},
};
use crate::{
    Custody, Delivery, DeliveryError, MaterialContext, OpenError, ProviderFailure,
    generate::x25519,
    material::MaterialKind,
    seal_to,
    secret::{Key32, Secret, key32},
};

/// A decryption subkey whose secret half is in custody: ECDH on Curve25519.
///
/// It is bound like the subkey of a card, imported into one card after the other, and kept sealed for the next. Only decryption keys
/// are made in this way: with a second copy of a signing key nobody could know who signed.
pub struct EscrowedKey {
    secret: Key32,
    subkey: PublicSubkey,
}

impl EscrowedKey {
    /// Makes one, created `created` (whole seconds count).
    ///
    /// # Errors
    ///
    /// [`ProviderFailure`], also if OpenPGP cannot write the time.
    pub fn generate(created: Timestamp) -> Result<Self, ProviderFailure> {
        let mut secret = Key32::default();
        aws_lc_rs::rand::fill(&mut *secret)?;
        // Clamped (RFC 7748 §5): cards expect that of an imported scalar.
        secret[0] &= 248;
        secret[31] = secret[31] & 127 | 64;
        Self::from_secret(&*secret, created).ok_or(ProviderFailure)
    }

    pub(super) fn from_secret(secret: &[u8], created: Timestamp) -> Option<Self> {
        let secret = key32(secret)?;
        let point = x25519(&secret).ok()?;
        let (role, algorithm) = (SubkeyRole::Encrypt, SubkeyAlgorithm::Cv25519);
        let subkey = PublicSubkey::new(role, algorithm, created, point.as_ref()).ok()?;
        Some(Self { secret, subkey })
    }

    /// Its fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.subkey.fingerprint()
    }

    /// When it was made.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.subkey.created()
    }

    /// Its public half.
    #[must_use]
    pub const fn public(&self) -> &PublicSubkey {
        &self.subkey
    }

    /// Its public half, ready to be bound.
    #[must_use]
    pub fn to_bind(&self) -> ProvenSubkey {
        ProvenSubkey::unproven(self.subkey.clone())
    }

    /// The secret scalar for the import into a card: 32 bytes, clamped, the lowest first as in RFC 7748. OpenPGP and
    /// OpenPGP cards want them the other way round.
    #[must_use]
    pub fn scalar(&self) -> Secret {
        Secret::copy_of(&*self.secret)
    }

    /// The secret as an OpenPGP secret subkey packet *in clear*, which is what libraries import into a card.
    ///
    /// The library that writes it leaves a copy of the scalar in freed memory. If that matters, use [`scalar`](Self::scalar).
    ///
    /// # Errors
    ///
    /// [`ProviderFailure`] if there is not enough memory.
    pub fn secret_packet(&self) -> Result<Secret, ProviderFailure> {
        let mut reversed = Zeroizing::new(*self.secret);
        reversed.reverse();
        let key = ecdh::Curve25519Legacy::try_from_bytes_rev(&*reversed);
        let key = ecdh::SecretKey::Curve25519Legacy(key.map_err(|_| ProviderFailure)?);
        let params = SecretParams::Plain(PlainSecretParams::ECDH(key));
        let packet =
            SecretSubkey::new(self.subkey.packet().clone(), params).map_err(|_| ProviderFailure)?;
        // With its full size from the start: a buffer that grows leaves copies in memory.
        let mut bytes = Zeroizing::new(Vec::with_capacity(packet.write_len_with_header()));
        packet
            .to_writer_with_header(&mut *bytes)
            .map_err(|_| ProviderFailure)?;
        Ok(Secret::new(std::mem::take(&mut *bytes)))
    }

    /// Seals it to the holder of a curve nkey, who reads it with [`from_delivered`](Self::from_delivered).
    ///
    /// # Errors
    ///
    /// [`DeliveryError`] if the receiver's key is no curve nkey.
    pub fn seal_to(&self, receiver: &str) -> Result<Delivery, DeliveryError> {
        seal_to(receiver, self.with_time().expose())
    }

    /// Reads the opened bytes that [`seal_to`](Self::seal_to) sealed; `None` if they are no such key.
    #[must_use]
    pub fn from_delivered(opened: &Secret) -> Option<Self> {
        let (created, secret) = opened.expose().split_first_chunk()?;
        let created = Timestamp::from_seconds(i64::from_be_bytes(*created));
        Self::from_secret(secret, created)
    }

    /// Seconds since 1970, then the scalar: with another time the key has another fingerprint.
    fn with_time(&self) -> Secret {
        let mut bytes = Zeroizing::new(Vec::with_capacity(8 + self.secret.len()));
        bytes.extend(self.created().seconds().to_be_bytes());
        bytes.extend_from_slice(&*self.secret);
        Secret::new(std::mem::take(&mut *bytes))
    }

    pub(super) fn secret(&self) -> &[u8] {
        &*self.secret
    }
}

impl Custody {
    /// Seals the key that decrypts for `principal`. Returns the bytes to store.
    ///
    /// # Errors
    ///
    /// [`ProviderFailure`].
    pub fn seal_openpgp_key(
        &self,
        principal: &Name,
        key: &EscrowedKey,
    ) -> Result<Vec<u8>, ProviderFailure> {
        self.seal(
            MaterialKind::OpenpgpKey,
            &escrow_context(principal),
            &key.with_time(),
        )
    }

    /// Opens a key that decrypts for `principal`, and for nobody else.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open_openpgp_key(
        &self,
        principal: &Name,
        sealed: &[u8],
    ) -> Result<EscrowedKey, OpenError> {
        let (kind, opened) = self.unseal(sealed, &escrow_context(principal))?;
        if kind != MaterialKind::OpenpgpKey {
            return Err(OpenError::OtherKind {
                expected: MaterialKind::OpenpgpKey.as_str(),
                found: kind.as_str(),
            });
        }
        EscrowedKey::from_delivered(&opened).ok_or(OpenError::NotMaterial)
    }
}

/// What the key that decrypts for `principal` is bound to. A principal may have had several such keys: the public half says which of
/// them it is.
#[must_use]
pub fn escrow_context(principal: &Name) -> MaterialContext {
    MaterialContext {
        key: principal.clone(),
        version: 1,
        purposes: Purposes::of(&[Purpose::Encrypt]),
    }
}

impl fmt::Debug for EscrowedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EscrowedKey({})", self.fingerprint())
    }
}
