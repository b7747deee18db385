//! A token as it leaves the factory, without a reader: for what needs its answers only.

use super::card::{Card, Memory, Outcome};
use super::device::{Device, Firmware};
use super::openpgp;
use super::outside::Outside;
use super::piv::{self, Authority};

/// A virtual token in memory, which nobody has to touch.
#[expect(missing_debug_implementations, reason = "there are keys in it")]
pub struct FactoryCard {
    card: Card,
    outside: Outside,
}

impl FactoryCard {
    /// A token of firmware 5.7.1 that nobody has used. Its authority is made for it alone.
    #[must_use]
    pub fn new(serial: u32) -> Self {
        let firmware = Firmware(5, 7, 1);
        let device = Device { serial, firmware };
        let (slot, certificate) = Authority::root().attestation_key().into_slot();
        let memory = Memory {
            piv: piv::State::factory(&device, slot, certificate),
            openpgp: openpgp::State::factory(),
        };
        let outside = Outside::default();
        Self {
            card: Card::new(device, memory),
            outside,
        }
    }

    /// What it answers to a command, with the status.
    #[must_use]
    pub fn answer(&mut self, command: &[u8]) -> Vec<u8> {
        match self.card.exchange(command, &self.outside) {
            Outcome::Answer(answer) | Outcome::CutOff(answer) => answer,
            Outcome::Removed => Vec::new(),
        }
    }
}
