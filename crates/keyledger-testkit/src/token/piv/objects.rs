//! Data objects: certificates, and whatever else a client keeps on the token.

use zeroize::Zeroizing;

use super::Piv;
use super::state::{ATTESTATION_CERTIFICATE, Object};
use crate::token::apdu::{CommandApdu, ResponseApdu, StatusWord};
use crate::token::fault::Fault;
use crate::token::outside::Outside;
use crate::token::tlv;

const LIST: u16 = 0x5c;
const DATA: u16 = 0x53;
const DISCOVERY: u32 = 0x7e;

/// Printed information, fingerprints, facial image, iris: only after the PIN.
const PROTECTED: [u32; 4] = [0x005f_c109, 0x005f_c103, 0x005f_c108, 0x005f_c121];

/// Yubico's limit for one object, in bytes.
const LARGEST: usize = 3052;

impl Piv {
    /// GET DATA.
    pub(super) fn read_object(&mut self, command: &CommandApdu, outside: &Outside) -> ResponseApdu {
        let objects = request(command)?;
        let id = id(&objects)?;
        if PROTECTED.contains(&id) && !self.session.pin_verified {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        if id == DISCOVERY {
            return Ok(discovery());
        }
        if id == ATTESTATION_CERTIFICATE
            && outside.has_fault(|fault| *fault == Fault::AttestsUnderUnknownRoot)
        {
            let certificate = Object::certificate(&self.stranger().certificate);
            return Ok(tlv::object(DATA, &certificate.0));
        }
        match self.state.objects.get(&id) {
            Some(object) => Ok(tlv::object(DATA, &object.0)),
            None => Err(StatusWord::NOT_FOUND),
        }
    }

    /// PUT DATA: an empty object is none.
    pub(super) fn write_object(&mut self, command: &CommandApdu) -> ResponseApdu {
        self.require_management()?;
        let objects = request(command)?;
        let id = id(&objects)?;
        let data = tlv::find(&objects, DATA).ok_or(StatusWord::WRONG_DATA)?;
        if data.len() > LARGEST {
            return Err(StatusWord::TOO_LARGE);
        }
        if data.is_empty() {
            self.state.objects.remove(&id);
        } else {
            let object = Object(Zeroizing::new(data.to_vec()));
            self.state.objects.insert(id, object);
        }
        self.changed = true;
        Ok(Vec::new())
    }
}

fn request(command: &CommandApdu) -> Result<Vec<(u16, &[u8])>, StatusWord> {
    if (command.p1, command.p2) != (0x3f, 0xff) {
        return Err(StatusWord::WRONG_PARAMETERS);
    }
    tlv::read_all(&command.data).ok_or(StatusWord::WRONG_DATA)
}

fn id(objects: &[(u16, &[u8])]) -> Result<u32, StatusWord> {
    match tlv::find(objects, LIST) {
        Some(&[a, b, c]) => Ok(u32::from_be_bytes([0, a, b, c])),
        Some(&[a]) => Ok(a.into()),
        _ => Err(StatusWord::WRONG_DATA),
    }
}

/// SP 800-73-4 part 1, §3.3.2: which applet this is, and that it knows a PIN of its own only.
fn discovery() -> Vec<u8> {
    let mut about = tlv::object(0x4f, Piv::ID);
    tlv::put(&mut about, 0x5f2f, &[0x40, 0x00]);
    tlv::object(0x7e, &about)
}
