//! The text form of nkeys, with seeds that are wiped.
//!
//! The crate `nkeys` has this too, but leaves copies of a seed in memory that nobody wipes. So seeds are read and written here, and a
//! test checks that both give the same. This is an encoding (base32 and a CRC-16), not cryptography.

use data_encoding::BASE32_NOPAD;
use keyledger_domain::Algorithm;
use zeroize::Zeroizing;

use crate::secret::{Key32, Secret, key32};

/// What an nkey is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NkeyKind {
    /// An operator's, `O…`.
    Operator,
    /// An account's, `A…`.
    Account,
    /// A user's, `U…`.
    User,
    /// A curve key, `X…`, to which secrets are sealed.
    Curve,
}

/// Why a text is not the seed of an nkey. The error does not contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeedError {
    /// It is no seed, or it was mistyped: copy it again, 58 letters and digits that begin with `S`.
    #[error(
        "it is no nkey seed: a seed has 58 letters and digits, begins with `S` and ends in a checksum"
    )]
    NotASeed,
    /// It is the seed of another kind: give the one that was asked for.
    #[error("it is a seed, but not of {expected}")]
    OtherKind {
        /// What was asked for.
        expected: &'static str,
    },
}

/// The prefix of seeds, `S`, in the upper five bits.
const SEED_PREFIX: u8 = 18 << 3;
/// The length of a seed's text: 2 bytes of prefix, 32 of seed and 2 of checksum in base32.
const SEED_CHARS: usize = 58;

impl NkeyKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Operator, Self::Account, Self::User, Self::Curve];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator nkey",
            Self::Account => "account nkey",
            Self::User => "user nkey",
            Self::Curve => "curve nkey",
        }
    }

    /// The algorithm of such nkeys.
    #[must_use]
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Self::Operator | Self::Account | Self::User => Algorithm::Ed25519,
            Self::Curve => Algorithm::X25519,
        }
    }

    const fn prefix(self) -> u8 {
        match self {
            Self::Operator => 14 << 3,
            Self::Account => 0,
            Self::User => 20 << 3,
            Self::Curve => 23 << 3,
        }
    }

    /// The public nkey of a public key.
    pub(crate) fn public(self, key: &[u8; 32]) -> String {
        let mut raw = [0; 35];
        raw[0] = self.prefix();
        raw[1..33].copy_from_slice(key);
        let crc = crc16(&raw[..33]);
        raw[33..].copy_from_slice(&crc);
        BASE32_NOPAD.encode(&raw)
    }

    /// The public key of a public nkey of this kind.
    pub(crate) fn read_public(self, text: &str) -> Option<[u8; 32]> {
        match nkeys::from_public_key(text) {
            Ok((prefix, key)) if prefix == self.prefix() => Some(key),
            _ => None,
        }
    }

    /// The text of a seed.
    pub(crate) fn seed(self, seed: &Key32) -> Secret {
        let mut raw = Zeroizing::new([0; 36]);
        raw[0] = SEED_PREFIX | self.prefix() >> 5;
        raw[1] = (self.prefix() & 31) << 3;
        raw[2..34].copy_from_slice(&**seed);
        let crc = crc16(&raw[..34]);
        raw[34..].copy_from_slice(&crc);
        let mut text = vec![0; SEED_CHARS];
        BASE32_NOPAD.encode_mut(&*raw, &mut text);
        Secret::new(text)
    }

    /// The seed of a text.
    pub(crate) fn read_seed(self, text: &[u8]) -> Result<Key32, SeedError> {
        let mut raw = Zeroizing::new([0; 36]);
        if text.len() != SEED_CHARS || BASE32_NOPAD.decode_mut(text, &mut *raw).is_err() {
            return Err(SeedError::NotASeed);
        }
        if raw[0] & 0xf8 != SEED_PREFIX || raw[34..] != crc16(&raw[..34]) {
            return Err(SeedError::NotASeed);
        }
        if (raw[0] & 7) << 5 | raw[1] >> 3 != self.prefix() {
            return Err(SeedError::OtherKind {
                expected: self.as_str(),
            });
        }
        key32(&raw[2..34]).ok_or(SeedError::NotASeed)
    }
}

/// CRC-16/XMODEM, little-endian: the end of an nkey.
fn crc16(bytes: &[u8]) -> [u8; 2] {
    let crc = bytes.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    });
    crc.to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nkeys::{KeyPair, KeyPairType, XKey};

    #[test]
    fn crate_nkeys_writes_and_reads_the_same() {
        for byte in 0..=255 {
            let bytes = [byte; 32];
            for (kind, theirs) in [
                (NkeyKind::Operator, KeyPairType::Operator),
                (NkeyKind::Account, KeyPairType::Account),
                (NkeyKind::User, KeyPairType::User),
            ] {
                let pair = KeyPair::new_from_raw(theirs, bytes).unwrap();
                let seed = pair.seed().unwrap();
                assert_eq!(kind.seed(&Key32::new(bytes)).expose(), seed.as_bytes());
                assert_eq!(*kind.read_seed(seed.as_bytes()).unwrap(), bytes);
                let public = kind.read_public(&pair.public_key()).unwrap();
                assert_eq!(kind.public(&public), pair.public_key());
            }
            let pair = XKey::new_from_raw(bytes);
            let seed = pair.seed().unwrap();
            assert_eq!(
                NkeyKind::Curve.seed(&Key32::new(bytes)).expose(),
                seed.as_bytes()
            );
            assert_eq!(*NkeyKind::Curve.read_seed(seed.as_bytes()).unwrap(), bytes);
        }
    }

    #[test]
    fn a_seed_with_a_wrong_letter_is_none() {
        let seed = NkeyKind::User.seed(&Key32::new([7; 32]));
        for at in 0..SEED_CHARS {
            let mut text = seed.expose().to_vec();
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            assert!(NkeyKind::User.read_seed(&text).is_err(), "letter {at}");
        }
        assert_eq!(
            NkeyKind::User.read_seed(b"").err(),
            Some(SeedError::NotASeed)
        );
        assert_eq!(
            NkeyKind::Account.read_seed(seed.expose()).err(),
            Some(SeedError::OtherKind {
                expected: "account nkey"
            })
        );
    }
}
