//! What a token keeps when it has no power.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::key::PrivateKey;
use super::management::{ManagementAlgorithm, ManagementKey};
use crate::token::apdu::StatusWord;
use crate::token::device::Device;
use crate::token::hex;

/// The slot of the attestation key, which leaves the factory with the token.
pub(crate) const ATTESTATION_SLOT: u8 = 0xf9;

/// Where that key's certificate lies.
pub(crate) const ATTESTATION_CERTIFICATE: u32 = 0x005f_ff01;

/// Everything of PIV that survives a removal.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) pin: Reference,
    pub(crate) puk: Reference,
    pub(crate) management: ManagementKey,
    pub(crate) slots: BTreeMap<u8, Slot>,
    pub(crate) objects: BTreeMap<u32, Object>,
}

impl State {
    pub(crate) const FACTORY_PIN: &[u8] = b"123456";
    pub(crate) const FACTORY_PUK: &[u8] = b"12345678";

    /// A token as it leaves the factory, with its attestation key and that key's certificate.
    pub(crate) fn factory(device: &Device, attestation: Slot, certificate: Vec<u8>) -> Self {
        Self {
            pin: Reference::new(Self::FACTORY_PIN, 3),
            puk: Reference::new(Self::FACTORY_PUK, 3),
            management: ManagementKey::factory(device),
            slots: BTreeMap::from([(ATTESTATION_SLOT, attestation)]),
            objects: BTreeMap::from([(ATTESTATION_CERTIFICATE, Object::certificate(&certificate))]),
        }
    }

    /// Everything as it was, but for what belongs to the attestation key.
    pub(crate) fn reset(&mut self, device: &Device) {
        self.pin = Reference::new(Self::FACTORY_PIN, 3);
        self.puk = Reference::new(Self::FACTORY_PUK, 3);
        self.management = ManagementKey::factory(device);
        self.slots.retain(|slot, _| *slot == ATTESTATION_SLOT);
        self.objects.retain(|id, _| *id == ATTESTATION_CERTIFICATE);
    }

    pub(crate) fn management_is_factory(&self) -> bool {
        self.management.value() == ManagementKey::FACTORY
    }

    pub(crate) fn management_algorithm(&self) -> ManagementAlgorithm {
        self.management.algorithm
    }

    /// All slots but the attestation key's.
    pub(crate) fn user_slots(&self) -> impl Iterator<Item = (u8, &Slot)> {
        self.slots
            .iter()
            .map(|(number, slot)| (*number, slot))
            .filter(|(number, _)| *number != ATTESTATION_SLOT)
    }

    /// All data objects but the attestation key's certificate.
    pub(crate) fn user_objects(&self) -> impl Iterator<Item = u32> {
        self.objects
            .keys()
            .copied()
            .filter(|id| *id != ATTESTATION_CERTIFICATE)
    }
}

/// PIN or PUK, with its tries.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Reference {
    #[serde(with = "hex")]
    padded: Zeroizing<Vec<u8>>,
    pub(crate) tries: u8,
    pub(crate) tries_left: u8,
}

impl Reference {
    /// How many bytes travel, whatever the length: `0xff` fills them.
    pub(crate) const LENGTH: usize = 8;
    const SHORTEST: usize = 6;

    /// `value` has at most eight bytes.
    pub(crate) fn new(value: &[u8], tries: u8) -> Self {
        Self {
            padded: pad(value),
            tries,
            tries_left: tries,
        }
    }

    /// Compares, counting: a right value gives all tries back, a wrong one costs one.
    pub(crate) fn verify(&mut self, padded: &[u8]) -> Result<(), StatusWord> {
        if self.tries_left == 0 {
            return Err(StatusWord::BLOCKED);
        }
        if *padded != **self.padded {
            self.tries_left -= 1;
            return Err(StatusWord::tries_left(self.tries_left));
        }
        self.tries_left = self.tries;
        Ok(())
    }

    /// Sets another value, with all tries.
    pub(crate) fn set(&mut self, padded: &[u8]) -> Result<(), StatusWord> {
        let length = padded.iter().take_while(|byte| **byte != 0xff).count();
        let filled = padded[length..].iter().all(|byte| *byte == 0xff);
        if padded.len() != Self::LENGTH || length < Self::SHORTEST || !filled {
            return Err(StatusWord::WRONG_DATA);
        }
        self.padded.zeroize();
        self.padded = Zeroizing::new(padded.to_vec());
        self.tries_left = self.tries;
        Ok(())
    }

    /// Whether this is the value as it travels.
    pub(crate) fn is_padded(&self, padded: &[u8]) -> bool {
        *padded == **self.padded
    }

    /// Whether this is the value; costs no try, and no command of the card reaches it.
    pub(crate) fn is(&self, value: &[u8]) -> bool {
        value.len() <= Self::LENGTH && pad(value) == self.padded
    }
}

fn pad(value: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut padded = Zeroizing::new(vec![0xff; Reference::LENGTH]);
    padded[..value.len()].copy_from_slice(value);
    padded
}

/// A key in its slot, with what is fixed when it comes there.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Slot {
    pub(crate) key: PrivateKey,
    pub(crate) pin_policy: PinPolicy,
    pub(crate) touch_policy: TouchPolicy,
    pub(crate) generated: bool,
}

/// When a key wants the PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinPolicy {
    /// Never.
    Never,
    /// Once in a session.
    Once,
    /// Before every use.
    Always,
}

impl PinPolicy {
    /// The policy with this number, where 0 is the slot's default.
    pub(crate) fn of(id: u8, slot: u8) -> Result<Self, StatusWord> {
        match (id, slot) {
            (0, 0x9c) | (3, _) => Ok(Self::Always),
            (0, 0x9e) | (1, _) => Ok(Self::Never),
            (0 | 2, _) => Ok(Self::Once),
            _ => Err(StatusWord::WRONG_DATA),
        }
    }

    pub(crate) fn id(self) -> u8 {
        match self {
            Self::Never => 1,
            Self::Once => 2,
            Self::Always => 3,
        }
    }
}

/// When a key wants to be touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TouchPolicy {
    /// Never.
    Never,
    /// For every use.
    Always,
    /// Unless it was touched in the last 15 seconds.
    Cached,
}

impl TouchPolicy {
    /// The policy with this number, where 0 is the default.
    pub(crate) fn of(id: u8) -> Result<Self, StatusWord> {
        match id {
            0 | 1 => Ok(Self::Never),
            2 => Ok(Self::Always),
            3 => Ok(Self::Cached),
            _ => Err(StatusWord::WRONG_DATA),
        }
    }

    pub(crate) fn id(self) -> u8 {
        match self {
            Self::Never => 1,
            Self::Always => 2,
            Self::Cached => 3,
        }
    }
}

/// A data object. May hold a secret: clients keep a PIN-protected management key in one.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Object(#[serde(with = "hex")] pub(crate) Zeroizing<Vec<u8>>);

impl Object {
    pub(crate) fn certificate(der: &[u8]) -> Self {
        use crate::token::tlv;
        let mut out = tlv::object(0x70, der);
        tlv::put(&mut out, 0x71, &[0]); // not compressed
        tlv::put(&mut out, 0xfe, &[]);
        Self(Zeroizing::new(out))
    }
}
