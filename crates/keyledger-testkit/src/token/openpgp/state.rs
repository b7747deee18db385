//! What the OpenPGP applet keeps when it has no power.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::attributes::{Attributes, Purpose};
use crate::token::apdu::StatusWord;
use crate::token::hex;
use crate::token::piv::{Object, PrivateKey};

/// Everything of OpenPGP that survives a removal.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct State {
    /// Between TERMINATE and ACTIVATE there is nothing but this.
    pub(crate) terminated: bool,
    pub(crate) user: Password,
    pub(crate) reset_code: Password,
    pub(crate) admin: Password,
    /// Whether the user's PIN is good for more than one signature.
    pub(crate) pin_lasts: bool,
    pub(crate) signatures: u32,
    sign: Place,
    decrypt: Place,
    authenticate: Place,
    pub(crate) objects: BTreeMap<u16, Object>,
}

impl State {
    pub(crate) const FACTORY_PIN: &[u8] = b"123456";
    pub(crate) const FACTORY_ADMIN_PIN: &[u8] = b"12345678";

    pub(crate) fn factory() -> Self {
        Self {
            terminated: false,
            user: Password::new(Self::FACTORY_PIN, 3),
            reset_code: Password::none(3),
            admin: Password::new(Self::FACTORY_ADMIN_PIN, 3),
            pin_lasts: true,
            signatures: 0,
            sign: Place::empty(),
            decrypt: Place::empty(),
            authenticate: Place::empty(),
            objects: BTreeMap::new(),
        }
    }

    pub(crate) fn place(&self, purpose: Purpose) -> &Place {
        match purpose {
            Purpose::Sign => &self.sign,
            Purpose::Decrypt => &self.decrypt,
            Purpose::Authenticate => &self.authenticate,
        }
    }

    pub(crate) fn place_mut(&mut self, purpose: Purpose) -> &mut Place {
        match purpose {
            Purpose::Sign => &mut self.sign,
            Purpose::Decrypt => &mut self.decrypt,
            Purpose::Authenticate => &mut self.authenticate,
        }
    }
}

/// A PIN, admin PIN or reset code, with its tries.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Password {
    /// Empty: there is none.
    #[serde(with = "hex")]
    value: Zeroizing<Vec<u8>>,
    pub(crate) tries: u8,
    tries_left: u8,
}

impl Password {
    /// The longest, in bytes.
    pub(crate) const LONGEST: usize = 127;

    pub(crate) fn new(value: &[u8], tries: u8) -> Self {
        Self {
            value: Zeroizing::new(value.to_vec()),
            tries,
            tries_left: tries,
        }
    }

    pub(crate) fn none(tries: u8) -> Self {
        Self::new(&[], tries)
    }

    /// How long it is; a client puts the new one right behind it.
    pub(crate) fn bytes(&self) -> usize {
        self.value.len()
    }

    /// None are left of what there is not.
    pub(crate) fn tries_left(&self) -> u8 {
        if self.value.is_empty() {
            0
        } else {
            self.tries_left
        }
    }

    /// Compares, counting: a right value gives all tries back, a wrong one costs one.
    pub(crate) fn verify(&mut self, value: &[u8]) -> Result<(), StatusWord> {
        if self.tries_left() == 0 {
            return Err(StatusWord::BLOCKED);
        }
        if *value != **self.value {
            self.tries_left -= 1;
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        self.tries_left = self.tries;
        Ok(())
    }

    /// Sets another value of at least `shortest` bytes, with all tries.
    pub(crate) fn set(&mut self, value: &[u8], shortest: usize) -> Result<(), StatusWord> {
        if !(shortest..=Self::LONGEST).contains(&value.len()) {
            return Err(StatusWord::WRONG_DATA);
        }
        *self = Self::new(value, self.tries);
        Ok(())
    }

    /// Lets it be wrong so often, from now on.
    pub(crate) fn set_tries(&mut self, tries: u8) {
        self.tries = tries;
        self.tries_left = tries;
    }

    /// Whether this is the value; costs no try, and no command of the card reaches it.
    pub(crate) fn is(&self, value: &[u8]) -> bool {
        !value.is_empty() && *value == **self.value
    }
}

/// Where a key of one purpose lies.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) attributes: Attributes,
    pub(crate) key: Option<PrivateKey>,
    pub(crate) generated: bool,
    #[serde(with = "hex")]
    pub(crate) fingerprint: Vec<u8>,
    #[serde(with = "hex")]
    pub(crate) authority: Vec<u8>,
    /// Four bytes, seconds since 1970.
    #[serde(with = "hex")]
    pub(crate) made_at: Vec<u8>,
    pub(crate) touch: TouchFlag,
}

impl Place {
    fn empty() -> Self {
        Self {
            attributes: Attributes::factory(),
            key: None,
            generated: false,
            fingerprint: vec![0; 20],
            authority: vec![0; 20],
            made_at: vec![0; 4],
            touch: TouchFlag::Off,
        }
    }

    /// Another algorithm: the key goes, and what was told of it.
    pub(crate) fn set_attributes(&mut self, attributes: Attributes) {
        if self.attributes != attributes {
            let touch = self.touch;
            *self = Self {
                attributes,
                touch,
                ..Self::empty()
            };
        }
    }

    pub(crate) fn put_key(&mut self, key: PrivateKey, generated: bool) {
        self.key = Some(key);
        self.generated = generated;
    }
}

/// When a key wants to be touched: the "user interaction flag".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TouchFlag {
    /// Never.
    Off,
    /// For every use.
    On,
    /// For every use, until the applet is reset or another key is made.
    Fixed,
    /// Unless it was touched in the last 15 seconds.
    Cached,
    /// Both.
    CachedFixed,
}

impl TouchFlag {
    pub(crate) fn of(id: u8) -> Result<Self, StatusWord> {
        match id {
            0 => Ok(Self::Off),
            1 => Ok(Self::On),
            2 => Ok(Self::Fixed),
            3 => Ok(Self::Cached),
            4 => Ok(Self::CachedFixed),
            _ => Err(StatusWord::WRONG_DATA),
        }
    }

    pub(crate) fn id(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::On => 1,
            Self::Fixed => 2,
            Self::Cached => 3,
            Self::CachedFixed => 4,
        }
    }

    pub(crate) fn is_fixed(self) -> bool {
        matches!(self, Self::Fixed | Self::CachedFixed)
    }

    pub(crate) fn is_cached(self) -> bool {
        matches!(self, Self::Cached | Self::CachedFixed)
    }
}
