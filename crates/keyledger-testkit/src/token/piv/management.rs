//! The management key, and proving that one knows it (NIST SP 800-73-4 part 2, §3.2.4).

use aes::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key::random;
use crate::token::apdu::{ResponseApdu, StatusWord};
use crate::token::device::Device;
use crate::token::{hex, tlv};

const WITNESS: u16 = 0x80;
const CHALLENGE: u16 = 0x81;
const RESPONSE: u16 = 0x82;
const TEMPLATE: u16 = 0x7c;

/// The ciphers a management key may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "their names say all there is")]
pub enum ManagementAlgorithm {
    TripleDes,
    Aes128,
    Aes192,
    Aes256,
}

impl ManagementAlgorithm {
    /// The algorithm with this number, if the firmware has it.
    pub(crate) fn of(id: u8, device: &Device) -> Result<Self, StatusWord> {
        match id {
            0x00 | 0x03 => Ok(Self::TripleDes),
            0x08 if device.is_at_least(5, 4, 0) => Ok(Self::Aes128),
            0x0a if device.is_at_least(5, 4, 0) => Ok(Self::Aes192),
            0x0c if device.is_at_least(5, 4, 0) => Ok(Self::Aes256),
            _ => Err(StatusWord::WRONG_DATA),
        }
    }

    pub(crate) fn id(self) -> u8 {
        match self {
            Self::TripleDes => 0x03,
            Self::Aes128 => 0x08,
            Self::Aes192 => 0x0a,
            Self::Aes256 => 0x0c,
        }
    }

    fn key_bytes(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::TripleDes | Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }

    fn block_bytes(self) -> usize {
        match self {
            Self::TripleDes => 8,
            _ => 16,
        }
    }
}

/// The key that may change what is on the token.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ManagementKey {
    pub(crate) algorithm: ManagementAlgorithm,
    #[serde(with = "hex")]
    value: Zeroizing<Vec<u8>>,
    pub(crate) wants_touch: bool,
}

impl ManagementKey {
    pub(crate) const FACTORY: [u8; 24] = [
        1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8,
    ];

    pub(crate) fn factory(device: &Device) -> Self {
        let algorithm = if device.is_at_least(5, 7, 0) {
            ManagementAlgorithm::Aes192
        } else {
            ManagementAlgorithm::TripleDes
        };
        Self {
            algorithm,
            value: Zeroizing::new(Self::FACTORY.to_vec()),
            wants_touch: false,
        }
    }

    pub(crate) fn new(
        algorithm: ManagementAlgorithm,
        value: &[u8],
        wants_touch: bool,
    ) -> Result<Self, StatusWord> {
        if value.len() != algorithm.key_bytes() {
            return Err(StatusWord::WRONG_DATA);
        }
        Ok(Self {
            algorithm,
            value: Zeroizing::new(value.to_vec()),
            wants_touch,
        })
    }

    pub(crate) fn value(&self) -> &[u8] {
        &self.value
    }

    fn encrypt(&self, block: &[u8]) -> Vec<u8> {
        match self.algorithm {
            ManagementAlgorithm::TripleDes => encrypt::<des::TdesEde3>(&self.value, block),
            ManagementAlgorithm::Aes128 => encrypt::<aes::Aes128>(&self.value, block),
            ManagementAlgorithm::Aes192 => encrypt::<aes::Aes192>(&self.value, block),
            ManagementAlgorithm::Aes256 => encrypt::<aes::Aes256>(&self.value, block),
        }
    }

    fn decrypt(&self, block: &[u8]) -> Vec<u8> {
        match self.algorithm {
            ManagementAlgorithm::TripleDes => decrypt::<des::TdesEde3>(&self.value, block),
            ManagementAlgorithm::Aes128 => decrypt::<aes::Aes128>(&self.value, block),
            ManagementAlgorithm::Aes192 => decrypt::<aes::Aes192>(&self.value, block),
            ManagementAlgorithm::Aes256 => decrypt::<aes::Aes256>(&self.value, block),
        }
    }
}

/// How far the proof has come; lost with power, and with every step that does not fit.
#[derive(Default)]
pub(crate) enum Proof {
    #[default]
    None,
    /// The card has shown an encrypted witness and waits for it in clear.
    WitnessShown(Zeroizing<Vec<u8>>),
    /// The card has shown a challenge and waits for it encrypted.
    ChallengeShown(Zeroizing<Vec<u8>>),
    Given,
}

impl Proof {
    pub(crate) fn is_given(&self) -> bool {
        matches!(self, Self::Given)
    }

    /// One step of proving, mutual or single, as the objects in the template say.
    pub(crate) fn step(&mut self, key: &ManagementKey, objects: &[(u16, &[u8])]) -> ResponseApdu {
        let value = |tag| tlv::find(objects, tag);
        match (
            std::mem::take(self),
            value(WITNESS),
            value(CHALLENGE),
            value(RESPONSE),
        ) {
            (_, Some([]), None, _) => {
                let witness = Zeroizing::new(block(key.algorithm));
                let shown = key.encrypt(&witness);
                *self = Self::WitnessShown(witness);
                Ok(template(WITNESS, &shown))
            }
            (_, None, Some([]), _) => {
                let challenge = block(key.algorithm);
                let shown = template(CHALLENGE, &challenge);
                *self = Self::ChallengeShown(Zeroizing::new(challenge));
                Ok(shown)
            }
            (Self::WitnessShown(witness), Some(given), Some(challenge), _) => {
                if *given != **witness {
                    return Err(StatusWord::SECURITY_NOT_SATISFIED);
                }
                if challenge.len() != key.algorithm.block_bytes() {
                    return Err(StatusWord::WRONG_DATA);
                }
                *self = Self::Given;
                Ok(template(RESPONSE, &key.encrypt(challenge)))
            }
            (Self::ChallengeShown(challenge), None, None, Some(response)) => {
                if response.len() != key.algorithm.block_bytes()
                    || key.decrypt(response) != **challenge
                {
                    return Err(StatusWord::SECURITY_NOT_SATISFIED);
                }
                *self = Self::Given;
                Ok(Vec::new())
            }
            _ => Err(StatusWord::WRONG_DATA),
        }
    }
}

fn block(algorithm: ManagementAlgorithm) -> Vec<u8> {
    random::<16>()[..algorithm.block_bytes()].to_vec()
}

fn template(tag: u16, value: &[u8]) -> Vec<u8> {
    tlv::object(TEMPLATE, &tlv::object(tag, value))
}

fn encrypt<C: KeyInit + BlockCipherEncrypt>(key: &[u8], block: &[u8]) -> Vec<u8> {
    let mut block = Block::<C>::try_from(block).expect("the caller has checked the length");
    cipher::<C>(key).encrypt_block(&mut block);
    block.to_vec()
}

fn decrypt<C: KeyInit + BlockCipherDecrypt>(key: &[u8], block: &[u8]) -> Vec<u8> {
    let mut block = Block::<C>::try_from(block).expect("the caller has checked the length");
    cipher::<C>(key).decrypt_block(&mut block);
    block.to_vec()
}

fn cipher<C: KeyInit>(key: &[u8]) -> C {
    C::new_from_slice(key).expect("checked when the key was set")
}
