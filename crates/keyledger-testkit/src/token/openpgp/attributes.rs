//! Which key is meant, and of which algorithm it is to be (OpenPGP card 3.4, §4.4.3.9).

use serde::{Deserialize, Serialize};

use crate::token::apdu::StatusWord;
use crate::token::hex;
use crate::token::piv::Algorithm;

/// The three keys of an OpenPGP card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Sign,
    Decrypt,
    Authenticate,
}

impl Purpose {
    pub(crate) const ALL: [Self; 3] = [Self::Sign, Self::Decrypt, Self::Authenticate];

    /// By the tag of its control reference template.
    pub(crate) fn of_template(tag: u16) -> Result<Self, StatusWord> {
        match tag {
            0xb6 => Ok(Self::Sign),
            0xb8 => Ok(Self::Decrypt),
            0xa4 => Ok(Self::Authenticate),
            _ => Err(StatusWord::WRONG_DATA),
        }
    }

    /// The purpose whose data object this is, of three that follow each other.
    pub(crate) fn of_tag(tag: u16, first: u16) -> Option<Self> {
        let index = usize::from(tag.checked_sub(first)?);
        Self::ALL.get(index).copied()
    }

    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Sign => 1,
            Self::Decrypt => 2,
            Self::Authenticate => 3,
        }
    }
}

/// The algorithm as a client names it: a number, then lengths or a curve.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Attributes(#[serde(with = "hex")] Vec<u8>);

const ECDH: u8 = 0x12;
const ECDSA: u8 = 0x13;
const EDDSA: u8 = 0x16;

const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const ED25519: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
const X25519: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x97, 0x55, 0x01, 0x05, 0x01];

impl Attributes {
    /// RSA with 2048 bits.
    pub(crate) fn factory() -> Self {
        Self::new(Algorithm::Rsa2048, Purpose::Sign).expect("every purpose has it")
    }

    /// What a client wants, if this applet has it for this purpose.
    pub(crate) fn read(bytes: &[u8], purpose: Purpose) -> Result<Self, StatusWord> {
        Self::choices(purpose)
            .find(|choice| match (&choice.0[..], bytes) {
                // Some clients leave the import format out, some ask for another: it is the same key.
                ([1, high, low, ..], [1, wanted_high, wanted_low, ..]) => {
                    (high, low) == (wanted_high, wanted_low)
                }
                // A trailing ff says that public keys come along when one is imported.
                (curve, wanted) => curve == wanted.strip_suffix(&[0xff]).unwrap_or(wanted),
            })
            .ok_or(StatusWord::WRONG_DATA)
    }

    /// All that this purpose may be.
    pub(crate) fn choices(purpose: Purpose) -> impl Iterator<Item = Self> {
        [
            Algorithm::Rsa2048,
            Algorithm::Rsa3072,
            Algorithm::Rsa4096,
            Algorithm::P256,
            Algorithm::P384,
            Algorithm::Ed25519,
            Algorithm::X25519,
        ]
        .into_iter()
        .filter_map(move |algorithm| Self::new(algorithm, purpose))
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match &self.0[..] {
            [1, 0x0c, 0x00, ..] => Algorithm::Rsa3072,
            [1, 0x10, 0x00, ..] => Algorithm::Rsa4096,
            [_, curve @ ..] if curve == P256 => Algorithm::P256,
            [_, curve @ ..] if curve == P384 => Algorithm::P384,
            [_, curve @ ..] if curve == ED25519 => Algorithm::Ed25519,
            [_, curve @ ..] if curve == X25519 => Algorithm::X25519,
            _ => Algorithm::Rsa2048,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn new(algorithm: Algorithm, purpose: Purpose) -> Option<Self> {
        // Modulus and exponent in bits, then the format of imports: exponent and primes.
        let rsa = |bits: u16| {
            let [high, low] = bits.to_be_bytes();
            vec![1, high, low, 0, 17, 0]
        };
        let curve = |number, curve: &[u8]| [&[number], curve].concat();
        let agrees = purpose == Purpose::Decrypt;
        let number = if agrees { ECDH } else { ECDSA };
        Some(Self(match algorithm {
            Algorithm::Rsa2048 => rsa(2048),
            Algorithm::Rsa3072 => rsa(3072),
            Algorithm::Rsa4096 => rsa(4096),
            Algorithm::P256 => curve(number, P256),
            Algorithm::P384 => curve(number, P384),
            Algorithm::Ed25519 if !agrees => curve(EDDSA, ED25519),
            Algorithm::X25519 if agrees => curve(ECDH, X25519),
            _ => return None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Attributes, Purpose};

    #[test]
    fn every_choice_is_read_as_what_it_is() {
        for purpose in Purpose::ALL {
            for choice in Attributes::choices(purpose) {
                let read = Attributes::read(choice.bytes(), purpose).unwrap();
                assert!(read == choice);
            }
        }
        let with_public_key = [0x13, 0x2b, 0x81, 0x04, 0x00, 0x22, 0xff];
        let read = Attributes::read(&with_public_key, Purpose::Sign).unwrap();
        assert_eq!(read.algorithm(), Algorithm::P384);
        assert!(Attributes::read(&with_public_key, Purpose::Decrypt).is_err());
    }
}
