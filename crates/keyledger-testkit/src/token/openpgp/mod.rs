//! OpenPGP as a YubiKey 5 speaks it: OpenPGP smart card application 3.4, and Yubico's extensions.
//!
//! Left out: the attestation key, key derivation of PINs, AES and secure messaging.

mod attributes;
mod data;
mod keys;
mod passwords;
mod state;

use std::time::Instant;

use super::apdu::{CommandApdu, ResponseApdu, StatusWord};
use super::device::Device;
use super::outside::Outside;

pub(crate) use self::attributes::Purpose;
pub(crate) use self::state::State;

pub use self::state::TouchFlag;

/// The applet with what it keeps and what it forgets.
pub(crate) struct OpenPgp {
    pub(crate) device: Device,
    state: State,
    session: Session,
    changed: bool,
}

/// What a client has proved since it selected the applet.
#[derive(Default)]
struct Session {
    /// The user's PIN, for signatures.
    may_sign: bool,
    /// The user's PIN, for everything else.
    is_user: bool,
    is_admin: bool,
    touched_at: [Option<Instant>; 3],
    /// Which of the three certificates GET DATA means; they count backwards.
    certificate: usize,
}

impl OpenPgp {
    /// What clients select; version, maker and serial number follow.
    pub(crate) const ID: &[u8] = &[0xd2, 0x76, 0x00, 0x01, 0x24, 0x01];

    pub(crate) fn new(device: Device, state: State) -> Self {
        Self {
            device,
            state,
            session: Session::default(),
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

    pub(crate) fn answer(&mut self, command: &CommandApdu, outside: &Outside) -> ResponseApdu {
        match command.instruction {
            0xf1 => Ok(self.device.firmware.bytes().to_vec()),
            0x44 => self.activate(),
            _ if self.state.terminated => Err(StatusWord::CONDITIONS_NOT_SATISFIED),
            0x20 => self.verify(command),
            0x24 => self.change_reference(command, outside),
            0x2a => self.perform_security_operation(command, outside),
            0x2c => self.reset_retry_counter(command, outside),
            0x47 => self.generate(command),
            0x84 => challenge(command),
            0x88 => self.internal_authenticate(command, outside),
            0xa5 => self.select_data(command),
            0xca => self.read(command),
            0xda => self.write(command, outside),
            0xdb => self.import(command),
            0xe6 => self.terminate(),
            0xf2 => self.set_retries(command),
            _ => Err(StatusWord::NO_SUCH_INSTRUCTION),
        }
    }

    fn terminate(&mut self) -> ResponseApdu {
        let lost = self.state.user.tries_left() == 0 && self.state.admin.tries_left() == 0;
        if !self.session.is_admin && !lost {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        self.state.terminated = true;
        self.session = Session::default();
        self.changed = true;
        Ok(Vec::new())
    }

    /// After TERMINATE everything is as it left the factory; else nothing happens.
    fn activate(&mut self) -> ResponseApdu {
        if self.state.terminated {
            self.state = State::factory();
            self.changed = true;
        }
        Ok(Vec::new())
    }
}

fn challenge(command: &CommandApdu) -> ResponseApdu {
    let mut bytes = Vec::new();
    while bytes.len() < command.expected.min(255) {
        bytes.push(super::piv::random::<1>()[0]);
    }
    Ok(bytes)
}
