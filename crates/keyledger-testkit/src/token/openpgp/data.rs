//! Data objects: what the card says of itself, and what a client writes on it.

use zeroize::Zeroizing;

use super::OpenPgp;
use super::attributes::{Attributes, Purpose};
use super::passwords::require;
use super::state::{Password, TouchFlag};
use crate::token::apdu::{CommandApdu, ResponseApdu, StatusWord};
use crate::token::outside::Outside;
use crate::token::piv::Object;
use crate::token::tlv;

const NAME: u16 = 0x5b;
const LOGIN: u16 = 0x5e;
const LANGUAGE: u16 = 0x5f2d;
const SEX: u16 = 0x5f35;
const URL: u16 = 0x5f50;
const CERTIFICATE: u16 = 0x7f21;

/// The largest object and the longest command, in bytes.
const LARGEST: u16 = 3070;

/// Compact TLV: selection by name, command chaining and extended lengths; last the life cycle: operational.
const HISTORICAL: [u8; 8] = [0x00, 0x73, 0x00, 0x00, 0xe0, 0x05, 0x90, 0x00];

/// There is a button.
const FEATURES: [u8; 3] = [0x81, 0x01, 0x20];

impl OpenPgp {
    /// GET DATA.
    pub(super) fn read(&mut self, command: &CommandApdu) -> ResponseApdu {
        let tag = u16::from_be_bytes([command.p1, command.p2]);
        match tag {
            0x0103 => require(self.session.is_user)?,
            0x0104 => self.require_admin()?,
            _ => {}
        }
        Ok(match tag {
            0x4f => self.identifier(),
            0x65 => tlv::object(tag, &self.card_holder()),
            0x6e => tlv::object(tag, &self.about()),
            0x73 => tlv::object(tag, &self.discretionary()),
            0x7a => {
                let [_, counter @ ..] = self.state.signatures.to_be_bytes();
                tlv::object(tag, &tlv::object(0x93, &counter))
            }
            0x93 => self.state.signatures.to_be_bytes()[1..].to_vec(),
            0xc4 => self.password_status(),
            0xc5 => self.of_all(|place| &place.fingerprint),
            0xc6 => self.of_all(|place| &place.authority),
            0xcd => self.of_all(|place| &place.made_at),
            0xde => self.key_information(),
            0xfa => tlv::object(tag, &choices()),
            0x5f52 => HISTORICAL.to_vec(),
            0x7f66 => {
                let mut out = tlv::object(0x02, &LARGEST.to_be_bytes());
                tlv::put(&mut out, 0x02, &LARGEST.to_be_bytes());
                tlv::object(tag, &out)
            }
            0x7f74 => tlv::object(tag, &FEATURES),
            CERTIFICATE => self.object(self.certificate()),
            NAME | LOGIN | LANGUAGE | SEX | URL | 0x0101..=0x0104 => self.object(tag),
            _ => match self.of_one(tag) {
                Some(value) => value,
                None => return Err(StatusWord::REFERENCE_NOT_FOUND),
            },
        })
    }

    /// PUT DATA.
    pub(super) fn write(&mut self, command: &CommandApdu, outside: &Outside) -> ResponseApdu {
        let tag = u16::from_be_bytes([command.p1, command.p2]);
        match tag {
            0x0101 | 0x0103 => require(self.session.is_user)?,
            _ => self.require_admin()?,
        }
        let data = &command.data[..];
        if data.len() > LARGEST.into() {
            return Err(StatusWord::TOO_LARGE);
        }
        match tag {
            0xc4 => match data {
                [lasts @ 0..=1, ..] => self.state.pin_lasts = *lasts == 1,
                _ => return Err(StatusWord::WRONG_DATA),
            },
            0xd3 => self.set_reset_code(data, outside)?,
            CERTIFICATE => self.put(self.certificate(), data),
            NAME | LOGIN | LANGUAGE | SEX | URL | 0x0101..=0x0104 => self.put(tag, data),
            _ => self.write_of_one(tag, data)?,
        }
        self.changed = true;
        Ok(Vec::new())
    }

    /// SELECT DATA: which of the three certificates is meant.
    pub(super) fn select_data(&mut self, command: &CommandApdu) -> ResponseApdu {
        if command.p1 > 2 || command.p2 != 0x04 {
            return Err(StatusWord::WRONG_PARAMETERS);
        }
        self.session.certificate = command.p1.into();
        Ok(Vec::new())
    }

    /// Version 3.4, Yubico, and the serial number's decimal digits.
    fn identifier(&self) -> Vec<u8> {
        let digits = format!("{:08}", self.device.serial % 100_000_000);
        let serial = u32::from_str_radix(&digits, 16).expect("eight decimal digits");
        [
            Self::ID,
            &[0x03, 0x04, 0x00, 0x06],
            &serial.to_be_bytes(),
            &[0x00, 0x00],
        ]
        .concat()
    }

    fn card_holder(&self) -> Vec<u8> {
        let mut out = tlv::object(NAME, &self.object(NAME));
        tlv::put(&mut out, LANGUAGE, &self.object(LANGUAGE));
        tlv::put(&mut out, SEX, &self.object(SEX));
        out
    }

    fn about(&self) -> Vec<u8> {
        let mut out = tlv::object(0x4f, &self.identifier());
        tlv::put(&mut out, 0x5f52, &HISTORICAL);
        tlv::put(&mut out, 0x7f74, &FEATURES);
        tlv::put(&mut out, 0x73, &self.discretionary());
        out
    }

    fn discretionary(&self) -> Vec<u8> {
        let [high, low] = LARGEST.to_be_bytes();
        // GET CHALLENGE, import, changeable PIN status, private objects, changeable algorithms; no AES, no KDF.
        let capabilities = [0x7c, 0x00, high, low, high, low, 0x00, 0xff, 0x00, 0x00];
        let mut out = tlv::object(0xc0, &capabilities);
        for (purpose, tag) in Purpose::ALL.into_iter().zip(0xc1..) {
            tlv::put(&mut out, tag, self.state.place(purpose).attributes.bytes());
        }
        tlv::put(&mut out, 0xc4, &self.password_status());
        tlv::put(&mut out, 0xc5, &self.of_all(|place| &place.fingerprint));
        tlv::put(&mut out, 0xc6, &self.of_all(|place| &place.authority));
        tlv::put(&mut out, 0xcd, &self.of_all(|place| &place.made_at));
        for (purpose, tag) in Purpose::ALL.into_iter().zip(0xd6..) {
            tlv::put(&mut out, tag, &[self.state.place(purpose).touch.id(), 0x20]);
        }
        tlv::put(&mut out, 0xde, &self.key_information());
        out
    }

    fn password_status(&self) -> Vec<u8> {
        let longest = u8::try_from(Password::LONGEST).expect("less than 256");
        let state = &self.state;
        let mut out = vec![state.pin_lasts.into(), longest, longest, longest];
        out.extend([&state.user, &state.reset_code, &state.admin].map(Password::tries_left));
        out
    }

    fn key_information(&self) -> Vec<u8> {
        let origin = |purpose| match self.state.place(purpose) {
            place if place.key.is_none() => 0,
            place if place.generated => 1,
            _ => 2,
        };
        Purpose::ALL
            .iter()
            .flat_map(|purpose| [purpose.number(), origin(*purpose)])
            .collect()
    }

    fn of_all(&self, field: impl Fn(&super::state::Place) -> &Vec<u8>) -> Vec<u8> {
        Purpose::ALL
            .map(|purpose| field(self.state.place(purpose)).clone())
            .concat()
    }

    /// What there is once for each key.
    fn of_one(&self, tag: u16) -> Option<Vec<u8>> {
        let place = |first| Purpose::of_tag(tag, first).map(|purpose| self.state.place(purpose));
        place(0xc1)
            .map(|place| place.attributes.bytes().to_vec())
            .or_else(|| place(0xc7).map(|place| place.fingerprint.clone()))
            .or_else(|| place(0xca).map(|place| place.authority.clone()))
            .or_else(|| place(0xce).map(|place| place.made_at.clone()))
            .or_else(|| place(0xd6).map(|place| vec![place.touch.id(), 0x20]))
    }

    fn write_of_one(&mut self, tag: u16, data: &[u8]) -> Result<(), StatusWord> {
        let sized = |bytes: usize| {
            let fits = data.len() == bytes;
            fits.then(|| data.to_vec()).ok_or(StatusWord::WRONG_DATA)
        };
        if let Some(purpose) = Purpose::of_tag(tag, 0xc1) {
            let attributes = Attributes::read(data, purpose)?;
            self.state.place_mut(purpose).set_attributes(attributes);
        } else if let Some(purpose) = Purpose::of_tag(tag, 0xc7) {
            self.state.place_mut(purpose).fingerprint = sized(20)?;
        } else if let Some(purpose) = Purpose::of_tag(tag, 0xca) {
            self.state.place_mut(purpose).authority = sized(20)?;
        } else if let Some(purpose) = Purpose::of_tag(tag, 0xce) {
            self.state.place_mut(purpose).made_at = sized(4)?;
        } else if let Some(purpose) = Purpose::of_tag(tag, 0xd6) {
            let place = self.state.place_mut(purpose);
            if place.touch.is_fixed() {
                return Err(StatusWord::SECURITY_NOT_SATISFIED);
            }
            place.touch = match data {
                [flag, 0x20] => TouchFlag::of(*flag)?,
                _ => return Err(StatusWord::WRONG_DATA),
            };
        } else {
            return Err(StatusWord::REFERENCE_NOT_FOUND);
        }
        Ok(())
    }

    /// The three certificates share a tag; they are kept under three of no other use.
    fn certificate(&self) -> u16 {
        [0xff01, 0xff02, 0xff03][self.session.certificate]
    }

    fn object(&self, tag: u16) -> Vec<u8> {
        let object = self.state.objects.get(&tag);
        object.map_or_else(Vec::new, |object| object.0.to_vec())
    }

    fn put(&mut self, tag: u16, data: &[u8]) {
        if data.is_empty() {
            self.state.objects.remove(&tag);
        } else {
            let object = Object(Zeroizing::new(data.to_vec()));
            self.state.objects.insert(tag, object);
        }
    }
}

/// What each key may be.
fn choices() -> Vec<u8> {
    let mut out = Vec::new();
    for (purpose, tag) in Purpose::ALL.into_iter().zip(0xc1..) {
        for choice in Attributes::choices(purpose) {
            tlv::put(&mut out, tag, choice.bytes());
        }
    }
    out
}
