//! Certificates, which everybody may see. Nobody may trust one before it is verified.

use std::{collections::HashSet, io::Cursor};

use keyledger_domain::Timestamp;
use pgp::{
    armor::{self, BlockType},
    composed::{Deserializable as _, SignedPublicKey},
    packet::{PacketHeader, Signature},
    ser::Serialize as _,
    types::PacketLength,
};

use super::{
    certificate_error::CertificateError,
    fingerprint::Fingerprint,
    reason::Revocation,
    subkey::SubkeyRole,
    summary::{Standing, SubkeyView, Summary, UserIdView},
    user_id::UserId,
};

/// A certificate that was read and verified: every signature in it is right, and every part is of a kind that we make.
///
/// It has an Ed25519 primary key that only certifies, user ids, and subkeys with one role each. A certificate with anything else, such
/// as certifications by other people, is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    key: SignedPublicKey,
    summary: Summary,
}

impl Certificate {
    /// The largest certificate that is read, in bytes: room for some 1,000 signatures.
    pub const MAX_BYTES: usize = 256 << 10;
    /// The largest keyring that is read, in bytes: 16 MiB, some 10,000 certificates.
    pub const MAX_KEYRING_BYTES: usize = 16 << 20;

    /// Reads and verifies one certificate, armored or not.
    ///
    /// # Errors
    ///
    /// [`CertificateError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, CertificateError> {
        let mut all = Self::parse_many(bytes, Self::MAX_BYTES)?;
        match (all.pop(), all.pop()) {
            (Some(one), None) => Ok(one),
            (Some(_), Some(_)) => Err(CertificateError::Several),
            (None, _) => Err(CertificateError::Unreadable),
        }
    }

    /// Reads and verifies a keyring of certificates, armored as one block or not at all.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] of the first certificate that is not one of ours.
    pub fn parse_keyring(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        Self::parse_many(bytes, Self::MAX_KEYRING_BYTES)
    }

    fn parse_many(bytes: &[u8], max: usize) -> Result<Vec<Self>, CertificateError> {
        use CertificateError::{OtherKind, Unreadable};
        let bytes = dearmored(bytes, max)?;
        let keys: Vec<SignedPublicKey> = SignedPublicKey::from_bytes_many(&bytes[..])
            .and_then(Iterator::collect)
            .map_err(|_| Unreadable)?;
        if keys.is_empty() {
            return Err(Unreadable);
        }
        let certificates: Vec<_> = keys
            .into_iter()
            .map(Self::verified)
            .collect::<Result<_, _>>()?;
        // The library leaves out what it does not know. We refuse that instead.
        if keyring(&certificates) != bytes {
            let what = "packets of another kind";
            return Err(OtherKind { what });
        }
        Ok(certificates)
    }

    pub(super) fn verified(key: SignedPublicKey) -> Result<Self, CertificateError> {
        let summary = Summary::of(&key)?;
        Ok(Self { key, summary })
    }

    /// As it is stored and sent, without armor.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        keyring(std::slice::from_ref(self))
    }

    /// As text, for people and files: `-----BEGIN PGP PUBLIC KEY BLOCK-----`.
    #[must_use]
    pub fn to_armored(&self) -> String {
        Self::armored(std::slice::from_ref(self))
    }

    /// A keyring of several as text.
    #[must_use]
    pub fn armored(certificates: &[Self]) -> String {
        armored(&keyring(certificates))
    }

    /// The primary key's fingerprint, by which the certificate is known.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.key.primary_key)
    }

    /// When the primary key was made.
    #[must_use]
    pub const fn created(&self) -> Timestamp {
        self.summary.created
    }

    /// When the primary key expires, and with it the whole certificate; `None` if never.
    #[must_use]
    pub const fn expires(&self) -> Option<Timestamp> {
        self.summary.expires
    }

    /// The revocation of the whole certificate, if there is one.
    #[must_use]
    pub const fn revoked(&self) -> Option<&Revocation> {
        self.summary.revoked.as_ref()
    }

    /// How it stands at `now`.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        Standing::of(self.revoked(), self.expires(), now)
    }

    /// The user ids, the primary one first.
    #[must_use]
    pub fn user_ids(&self) -> &[UserIdView] {
        &self.summary.user_ids
    }

    /// The subkeys, in the order in which they were bound.
    #[must_use]
    pub fn subkeys(&self) -> &[SubkeyView] {
        &self.summary.subkeys
    }

    /// The subkey with this fingerprint.
    #[must_use]
    pub fn subkey(&self, fingerprint: Fingerprint) -> Option<&SubkeyView> {
        self.subkeys()
            .iter()
            .find(|subkey| subkey.fingerprint == fingerprint)
    }

    /// The subkeys of a role that may be used at `now`, the newest first; empty if the certificate may not be used.
    pub fn usable(
        &self,
        role: SubkeyRole,
        now: Timestamp,
    ) -> impl Iterator<Item = &SubkeyView> + use<'_> {
        let whole = self.standing(now) == Standing::Valid;
        let mut found: Vec<_> = self
            .subkeys()
            .iter()
            .filter(|s| whole && s.role == role && s.standing(now) == Standing::Valid)
            .collect();
        found.sort_by_key(|subkey| std::cmp::Reverse(subkey.created));
        found.into_iter()
    }

    /// A copy with only one of its user ids, for a directory in which others look it up by that id.
    #[must_use]
    pub fn with_only(&self, id: &UserId) -> Option<Self> {
        let mut key = self.key.clone();
        key.details
            .users
            .retain(|user| user.id.id() == id.as_str().as_bytes());
        Self::verified(key).ok()
    }

    /// True if it contains all signatures of `older`.
    #[must_use]
    pub fn holds(&self, older: &Self) -> bool {
        let mut known = HashSet::new();
        visit(&self.key, |place, signature| {
            known.insert((place.to_vec(), signature.clone()));
        });
        let mut is_there = self.fingerprint() == older.fingerprint();
        visit(&older.key, |place, signature| {
            is_there &= known.contains(&(place.to_vec(), signature.clone()));
        });
        is_there
    }

    pub(super) const fn key(&self) -> &SignedPublicKey {
        &self.key
    }
}

/// Calls `seen` with every signature of a certificate as it is written, and with the packet that it belongs to.
fn visit(key: &SignedPublicKey, mut seen: impl FnMut(&[u8], &Vec<u8>)) {
    let mut all = |place: &[u8], signatures: &[Signature]| {
        for signature in signatures {
            let mut bytes = Vec::new();
            let written = signature.to_writer(&mut bytes);
            written.expect("a vector takes everything");
            seen(place, &bytes);
        }
    };
    all(b"", &key.details.revocation_signatures);
    for user in &key.details.users {
        all(user.id.id(), &user.signatures);
    }
    for subkey in &key.public_subkeys {
        all(Fingerprint::of(&subkey.key).as_bytes(), &subkey.signatures);
    }
}

/// The largest packet that is read, in bytes. Ours have at most some 500, most of them the reason for a revocation.
///
/// The library reads signatures that are embedded in signatures by recursion, without a limit, and the process ends when its stack is
/// full. A packet of this size has at most some 300 levels, for which every stack has room.
const MAX_PACKET_BYTES: usize = 4 << 10;

/// The bytes within the armor, or `bytes` itself if there is no armor: at most `max`, in packets of at most [`MAX_PACKET_BYTES`].
pub(super) fn dearmored(bytes: &[u8], max: usize) -> Result<Vec<u8>, CertificateError> {
    use std::io::Read as _;
    // Base64 and its line breaks need 4/3 and a little.
    if bytes.len() > max / 2 * 3 {
        let bytes = bytes.len();
        return Err(CertificateError::TooLarge { bytes, max });
    }
    // A packet begins with the highest bit set, text never does.
    if bytes.first().is_none_or(|first| first & 0x80 != 0) {
        return fitting(bytes.to_vec(), max);
    }
    let mut reader = armor::Dearmor::new(Cursor::new(bytes));
    let mut inner = Vec::new();
    reader
        .read_to_end(&mut inner)
        .map_err(|_| CertificateError::Unreadable)?;
    match reader.typ {
        Some(BlockType::PublicKey) => fitting(inner, max),
        _ => Err(CertificateError::Unreadable),
    }
}

fn fitting(bytes: Vec<u8>, max: usize) -> Result<Vec<u8>, CertificateError> {
    if bytes.len() > max {
        let bytes = bytes.len();
        return Err(CertificateError::TooLarge { bytes, max });
    }
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let (body, behind) = split_packet(rest).ok_or(CertificateError::Unreadable)?;
        if body.len() > MAX_PACKET_BYTES {
            let what = "a packet of more than 4 KiB";
            return Err(CertificateError::OtherKind { what });
        }
        rest = behind;
    }
    Ok(bytes)
}

/// The first packet's body, and the bytes after it; `None` if the packet is cut off, or has parts of unknown length.
fn split_packet(mut bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let header = PacketHeader::try_from_reader(&mut bytes).ok()?;
    match header.packet_length() {
        PacketLength::Fixed(length) => bytes.split_at_checked(usize::try_from(length).ok()?),
        PacketLength::Indeterminate | PacketLength::Partial(_) => None,
    }
}

/// Many certificates, one after the other.
fn keyring(certificates: &[Certificate]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for certificate in certificates {
        let written = certificate.key.to_writer(&mut bytes);
        written.expect("a vector takes everything, and what was read or made can be written");
    }
    bytes
}

/// Bytes of public packets in armor.
pub(super) fn armored(bytes: &[u8]) -> String {
    struct Raw<'a>(&'a [u8]);
    impl pgp::ser::Serialize for Raw<'_> {
        fn to_writer<W: std::io::Write>(&self, writer: &mut W) -> pgp::errors::Result<()> {
            Ok(writer.write_all(self.0)?)
        }

        fn write_len(&self) -> usize {
            self.0.len()
        }
    }
    let mut text = Vec::new();
    armor::write(&Raw(bytes), BlockType::PublicKey, &mut text, None, true)
        .expect("a vector takes everything");
    String::from_utf8(text).expect("armor is ASCII")
}
