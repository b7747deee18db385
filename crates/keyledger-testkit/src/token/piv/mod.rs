//! PIV as a YubiKey 5 speaks it: NIST SP 800-73-4 and Yubico's extensions.

mod attest;
mod authenticate;
mod key;
mod keys;
mod management;
mod objects;
mod reference;
mod state;

use std::time::Instant;

use self::management::Proof;
use super::apdu::{CommandApdu, ResponseApdu, StatusWord};
use super::device::Device;
use super::fault::Fault;
use super::outside::Outside;
use super::tlv;

pub(crate) use self::attest::{AttestationKey, Authority};
pub(crate) use self::key::{PrivateKey, random};
pub(crate) use self::state::{Object, Slot, State};

pub use self::key::Algorithm;
pub use self::management::ManagementAlgorithm;
pub use self::state::{PinPolicy, TouchPolicy};

/// The applet with what it keeps and what it forgets.
pub(crate) struct Piv {
    pub(crate) device: Device,
    state: State,
    session: Session,
    /// Of another authority, for the fault of that name.
    stranger: Option<AttestationKey>,
    changed: bool,
}

/// What a client has proved since it selected the applet.
#[derive(Default)]
struct Session {
    pin_verified: bool,
    /// The PIN was verified, and no key has been used since.
    pin_fresh: bool,
    management: Proof,
    touched_at: Option<Instant>,
}

impl Piv {
    /// Without the version, as clients send it: Yubico's own do.
    pub(crate) const ID: &[u8] = &[
        0xa0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00,
    ];

    pub(crate) fn new(device: Device, state: State) -> Self {
        Self {
            device,
            state,
            session: Session::default(),
            stranger: None,
            changed: false,
        }
    }

    /// What has changed since this was asked last.
    pub(crate) fn take_change(&mut self) -> Option<State> {
        std::mem::take(&mut self.changed).then(|| self.state.clone())
    }

    /// Forgets what was proved.
    pub(crate) fn deselect(&mut self) {
        self.session = Session::default();
    }

    /// Starts a session and answers what this applet is.
    pub(crate) fn select(&mut self) -> Vec<u8> {
        self.deselect();
        let mut about = tlv::object(0x4f, &Self::ID[5..]);
        tlv::put(&mut about, 0x79, &tlv::object(0x4f, &Self::ID[..5]));
        tlv::object(0x61, &about)
    }

    pub(crate) fn answer(&mut self, command: &CommandApdu, outside: &Outside) -> ResponseApdu {
        match command.instruction {
            0x20 => self.verify(command),
            0x24 => self.change_reference(command, outside),
            0x2c => self.reset_retry_counter(command, outside),
            0x47 => self.generate(command, outside),
            0x87 => self.authenticate(command, outside),
            0xcb => self.read_object(command, outside),
            0xdb => self.write_object(command),
            0xf6 if self.device.is_at_least(5, 7, 0) => self.move_key(command),
            0xf7 if self.device.is_at_least(5, 3, 0) => self.metadata(command, outside),
            0xf8 if self.device.is_at_least(5, 0, 0) && !outside.has_fault(hides_serial) => {
                Ok(self.device.serial.to_be_bytes().to_vec())
            }
            0xf9 => self.attest(command, outside),
            0xfa if outside.has_fault(has_fingerprints) => Err(StatusWord::NO_SUCH_INSTRUCTION),
            0xfa => self.set_retries(command),
            0xfb => self.reset(outside),
            0xfd => Ok(self.device.firmware.bytes().to_vec()),
            0xfe => self.import(command),
            0xff => self.set_management_key(command),
            _ => Err(StatusWord::NO_SUCH_INSTRUCTION),
        }
    }

    fn reset(&mut self, outside: &Outside) -> ResponseApdu {
        let blocked_puk = self.state.puk.tries_left == 0 || outside.has_fault(has_fingerprints);
        let held = outside.has_fault(|fault| *fault == Fault::Fingerprints { fido: true });
        if self.state.pin.tries_left > 0 || !blocked_puk || held {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        self.state.reset(&self.device);
        self.session = Session::default();
        self.changed = true;
        Ok(Vec::new())
    }

    fn require_management(&self) -> Result<(), StatusWord> {
        if self.session.management.is_given() {
            Ok(())
        } else {
            Err(StatusWord::SECURITY_NOT_SATISFIED)
        }
    }
}

pub(super) fn has_fingerprints(fault: &Fault) -> bool {
    matches!(fault, Fault::Fingerprints { .. })
}

fn hides_serial(fault: &Fault) -> bool {
    matches!(fault, Fault::WithoutGetSerial | Fault::HidesSerial)
}

/// The slots that hold keys of the user: 9a, 9c, 9d, 9e and the twenty retired ones.
fn is_user_slot(slot: u8) -> bool {
    matches!(slot, 0x9a | 0x9c..=0x9e | 0x82..=0x95)
}
