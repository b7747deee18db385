//! One virtual token as a test holds it: plugged in, pulled out, touched, spoilt, asked for the truth.

use std::path::PathBuf;

use super::control;
use super::fault::{Fault, Touch};
use super::stack::{self, READER_NAME};
use super::wire::{ControlAction, ControlReply, ControlRequest, TokenState};

/// One virtual token, in the hand of the test.
#[derive(Debug, Clone)]
pub struct Token {
    index: usize,
    serial: u32,
    control: PathBuf,
}

impl Token {
    pub(crate) fn new(index: usize, first_serial: u32, control: PathBuf) -> Self {
        let index_32 = u32::try_from(index).expect("there are 16 at most");
        Self {
            index,
            serial: first_serial + index_32,
            control,
        }
    }

    /// Its serial number.
    #[must_use]
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// The name of the reader it is plugged into.
    #[must_use]
    pub fn reader(&self) -> String {
        let reader = stack::reader_name(READER_NAME, self.index / 2);
        format!("{reader} 00 {:02X}", self.index % 2)
    }

    /// Plugs it in and waits until pcscd has seen it. Nothing to do if it is plugged in.
    ///
    /// # Panics
    ///
    /// If pcscd does not see it within [`PATIENCE`](crate::PATIENCE), like all of these if the stack is gone.
    pub fn insert(&self) {
        self.done(ControlAction::Insert);
    }

    /// Pulls it out, whatever it is doing. pcscd sees it within half a second.
    ///
    /// # Panics
    ///
    /// If the stack is gone.
    pub fn remove(&self) {
        self.done(ControlAction::Remove);
    }

    /// What happens from now on when it blinks; also for the command that waits for it now.
    ///
    /// # Panics
    ///
    /// If the stack is gone.
    pub fn touch(&self, touch: Touch) {
        self.done(ControlAction::Touch { touch });
    }

    /// Plants a fault beside those already there.
    ///
    /// # Panics
    ///
    /// If the stack is gone.
    pub fn fault(&self, fault: Fault) {
        self.done(ControlAction::Fault { fault });
    }

    /// Takes all faults away.
    ///
    /// # Panics
    ///
    /// If the stack is gone.
    pub fn clear_faults(&self) {
        self.done(ControlAction::ClearFaults);
    }

    /// The truth about it.
    ///
    /// # Panics
    ///
    /// If the stack is gone.
    #[must_use]
    pub fn state(&self) -> TokenState {
        match self.ask(ControlAction::State) {
            ControlReply::State(state) => *state,
            _ => panic!("the control socket answers something else"),
        }
    }

    /// Whether this is its PIN; costs no try.
    ///
    /// # Panics
    ///
    /// If the stack is gone.
    #[must_use]
    pub fn pin_is(&self, pin: &str) -> bool {
        self.is(ControlAction::PinIs { value: pin.into() })
    }

    /// Whether this is its PUK; costs no try.
    ///
    /// # Panics
    ///
    /// If the stack is gone.
    #[must_use]
    pub fn puk_is(&self, puk: &str) -> bool {
        self.is(ControlAction::PukIs { value: puk.into() })
    }

    /// Whether this is its management key.
    ///
    /// # Panics
    ///
    /// If the stack is gone.
    #[must_use]
    pub fn management_key_is(&self, key: &[u8]) -> bool {
        let value = data_encoding::HEXLOWER.encode(key);
        self.is(ControlAction::ManagementKeyIs { value })
    }

    /// Whether this is the OpenPGP PIN; costs no try.
    ///
    /// # Panics
    ///
    /// If the stack is gone.
    #[must_use]
    pub fn openpgp_pin_is(&self, pin: &str) -> bool {
        self.is(ControlAction::OpenPgpPinIs { value: pin.into() })
    }

    /// Whether this is the OpenPGP admin PIN; costs no try.
    ///
    /// # Panics
    ///
    /// If the stack is gone.
    #[must_use]
    pub fn openpgp_admin_pin_is(&self, pin: &str) -> bool {
        self.is(ControlAction::OpenPgpAdminPinIs { value: pin.into() })
    }

    /// Whether this is the OpenPGP reset code; costs no try.
    ///
    /// # Panics
    ///
    /// If the stack is gone.
    #[must_use]
    pub fn openpgp_reset_code_is(&self, code: &str) -> bool {
        self.is(ControlAction::OpenPgpResetCodeIs { value: code.into() })
    }

    fn done(&self, action: ControlAction) {
        match self.ask(action) {
            ControlReply::Done => {}
            ControlReply::Refused(why) => panic!("token {}: {why}", self.serial),
            ControlReply::State(_) | ControlReply::Is(_) => {
                panic!("the control socket answers something else")
            }
        }
    }

    fn is(&self, action: ControlAction) -> bool {
        match self.ask(action) {
            ControlReply::Is(is) => is,
            _ => panic!("the control socket answers something else"),
        }
    }

    fn ask(&self, action: ControlAction) -> ControlReply {
        let request = ControlRequest {
            token: self.index,
            action,
        };
        let line = serde_json::to_string(&request).expect("a request can be written");
        let answer = control::tell(&self.control, &line)
            .unwrap_or_else(|error| panic!("{}: {error}", self.control.display()));
        serde_json::from_str(&answer).expect("the control socket speaks our own language")
    }
}
