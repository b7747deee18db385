//! One token as its reader sees it: which applet is selected, commands in parts, answers in parts.

use serde::{Deserialize, Serialize};

use super::apdu::{CommandApdu, ResponseApdu, StatusWord};
use super::device::Device;
use super::fault::Fault;
use super::openpgp::{self, OpenPgp};
use super::outside::{Interference, Outside};
use super::piv::{self, Piv};
use super::small_applets;

/// The chip with its applets.
pub(crate) struct Card {
    device: Device,
    own_serial: u32,
    selected: Option<Applet>,
    piv: Piv,
    openpgp: OpenPgp,
    /// The parts of a chained command so far.
    partial: Option<CommandApdu>,
    /// What GET RESPONSE has still to fetch.
    unread: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Applet {
    Piv,
    OpenPgp,
    Management,
    Otp,
}

/// What the applets keep without power.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) piv: piv::State,
    pub(crate) openpgp: openpgp::State,
}

/// What comes of a command.
pub(crate) enum Outcome {
    Answer(Vec<u8>),
    /// The token is to be pulled out now.
    Removed,
    /// The token is pulled out while it says this.
    CutOff(Vec<u8>),
}

impl Card {
    pub(crate) fn new(device: Device, memory: Memory) -> Self {
        Self {
            device,
            own_serial: device.serial,
            selected: None,
            piv: Piv::new(device, memory.piv),
            openpgp: OpenPgp::new(device, memory.openpgp),
            partial: None,
            unread: Vec::new(),
        }
    }

    /// Power lost, or a reset: only what is kept stays.
    pub(crate) fn reset(&mut self) {
        self.selected = None;
        self.partial = None;
        self.unread.clear();
        self.piv.deselect();
        self.openpgp.deselect();
    }

    /// Writes into `memory` what has changed; whether anything has.
    pub(crate) fn save(&mut self, memory: &mut Memory) -> bool {
        let (piv, openpgp) = (self.piv.take_change(), self.openpgp.take_change());
        let changed = piv.is_some() || openpgp.is_some();
        if let Some(piv) = piv {
            memory.piv = piv;
        }
        if let Some(openpgp) = openpgp {
            memory.openpgp = openpgp;
        }
        changed
    }

    pub(crate) fn exchange(&mut self, bytes: &[u8], outside: &Outside) -> Outcome {
        const GET_RESPONSE: u8 = 0xc0;
        let Some(command) = CommandApdu::parse(bytes) else {
            return answer(Err(StatusWord::WRONG_LENGTH));
        };
        if command.instruction == GET_RESPONSE {
            return self.next_part(command.expected);
        }
        self.unread.clear();
        let Some(command) = self.whole(command) else {
            return answer(Ok(Vec::new()));
        };
        let interference = outside.command(command.instruction);
        match interference {
            Interference::RemoveBefore => return Outcome::Removed,
            Interference::Answer(status) => return answer(Err(status)),
            Interference::None | Interference::RemoveAfter | Interference::CutOff(_) => {}
        }
        let result = self.answer(&command, outside);
        if matches!(interference, Interference::RemoveAfter) {
            return Outcome::Removed;
        }
        let outcome = match result {
            Ok(data) => {
                self.unread = data;
                self.next_part(command.expected)
            }
            refused => answer(refused),
        };
        match (interference, outcome) {
            (Interference::CutOff(bytes), Outcome::Answer(mut whole)) => {
                whole.truncate(bytes);
                Outcome::CutOff(whole)
            }
            (_, outcome) => outcome,
        }
    }

    /// Puts the parts of a chained command together; `None` while some are missing.
    fn whole(&mut self, command: CommandApdu) -> Option<CommandApdu> {
        let mut whole = match self.partial.take() {
            Some(mut partial) if partial.is_continued_by(&command) => {
                partial.data.extend_from_slice(&command.data);
                partial.class = command.class;
                partial.expected = command.expected;
                partial
            }
            _ => command,
        };
        if whole.is_partial() {
            self.partial = Some(whole);
            return None;
        }
        whole.class &= !0x10;
        Some(whole)
    }

    fn answer(&mut self, command: &CommandApdu, outside: &Outside) -> ResponseApdu {
        const SELECT: u8 = 0xa4;
        let serial = outside.posed_serial().unwrap_or(self.own_serial);
        for device in [
            &mut self.device,
            &mut self.piv.device,
            &mut self.openpgp.device,
        ] {
            device.serial = serial;
        }
        if command.instruction == SELECT && command.p1 == 0x04 {
            return self.select(&command.data, outside);
        }
        match self.selected {
            Some(Applet::Piv) => self.piv.answer(command, outside),
            Some(Applet::OpenPgp) => self.openpgp.answer(command, outside),
            Some(Applet::Management) => small_applets::management(&self.device, command, outside),
            Some(Applet::Otp) => small_applets::otp(&self.device, command, outside),
            None => Err(StatusWord::NO_SUCH_INSTRUCTION),
        }
    }

    /// By the identifier or the first bytes of it.
    fn select(&mut self, id: &[u8], outside: &Outside) -> ResponseApdu {
        let has = |fault: &Fault| outside.has_fault(|found| found == fault);
        let switched_off = Piv::ID.starts_with(id) && has(&Fault::PivOff);
        if switched_off || has(&Fault::NfcRestricted) {
            return Err(StatusWord::NOT_FOUND);
        }
        let is = |whole: &[u8]| id.len() >= 5 && whole.starts_with(id);
        let (applet, about) = if is(Piv::ID) {
            (Applet::Piv, self.piv.select())
        } else if id.starts_with(OpenPgp::ID) {
            (Applet::OpenPgp, Vec::new())
        } else if is(small_applets::MANAGEMENT_ID) {
            (
                Applet::Management,
                small_applets::management_about(&self.device),
            )
        } else if is(small_applets::OTP_ID) {
            (Applet::Otp, small_applets::otp_about(&self.device))
        } else {
            return Err(StatusWord::NOT_FOUND);
        };
        if applet != Applet::Piv {
            self.piv.deselect();
        }
        self.openpgp.deselect();
        self.selected = Some(applet);
        Ok(about)
    }

    fn next_part(&mut self, most: usize) -> Outcome {
        let rest = self.unread.split_off(most.min(self.unread.len()));
        let part = std::mem::replace(&mut self.unread, rest);
        let status = match self.unread.len() {
            0 => StatusWord::OK,
            more => StatusWord::more(more),
        };
        finish(part, status)
    }
}

fn answer(answer: ResponseApdu) -> Outcome {
    match answer {
        Ok(data) => finish(data, StatusWord::OK),
        Err(status) => finish(Vec::new(), status),
    }
}

fn finish(mut data: Vec<u8>, StatusWord(status): StatusWord) -> Outcome {
    data.extend(status.to_be_bytes());
    Outcome::Answer(data)
}
