//! GENERAL AUTHENTICATE: every use of a key, and the proof of the management key.

use std::time::{Duration, Instant};

use super::Piv;
use super::key::Algorithm;
use super::management::ManagementAlgorithm;
use super::state::{PinPolicy, TouchPolicy};
use crate::token::apdu::{CommandApdu, ResponseApdu, StatusWord};
use crate::token::outside::Outside;
use crate::token::tlv;

/// The slot of the management key.
pub(super) const MANAGEMENT_SLOT: u8 = 0x9b;

const TEMPLATE: u16 = 0x7c;
const CHALLENGE: u16 = 0x81;
const RESPONSE: u16 = 0x82;
const EXPONENTIATION: u16 = 0x85;

/// How long one touch is good for under the policy `cached`.
const CACHED: Duration = Duration::from_secs(15);

impl Piv {
    pub(super) fn authenticate(
        &mut self,
        command: &CommandApdu,
        outside: &Outside,
    ) -> ResponseApdu {
        let objects = tlv::read_all(&command.data).ok_or(StatusWord::WRONG_DATA)?;
        let template = tlv::find(&objects, TEMPLATE).ok_or(StatusWord::WRONG_DATA)?;
        let objects = tlv::read_all(template).ok_or(StatusWord::WRONG_DATA)?;
        if command.p2 == MANAGEMENT_SLOT {
            return self.prove_management(command.p1, &objects, outside);
        }
        let algorithm = Algorithm::of(command.p1, &self.device)?;
        let (pin_policy, touch_policy) = match self.state.slots.get(&command.p2) {
            Some(slot) if slot.key.algorithm == algorithm => (slot.pin_policy, slot.touch_policy),
            _ => return Err(StatusWord::WRONG_DATA),
        };
        self.require_pin(pin_policy)?;
        self.require_touch(touch_policy, outside)?;
        let key = &self.state.slots[&command.p2].key;
        let result = match (
            tlv::find(&objects, CHALLENGE),
            tlv::find(&objects, EXPONENTIATION),
        ) {
            (Some(challenge), None) => key.sign(challenge),
            (None, Some(point)) => key.agree(point),
            _ => Err(StatusWord::WRONG_DATA),
        }?;
        Ok(tlv::object(TEMPLATE, &tlv::object(RESPONSE, &result)))
    }

    fn prove_management(
        &mut self,
        algorithm: u8,
        objects: &[(u16, &[u8])],
        outside: &Outside,
    ) -> ResponseApdu {
        let key = &self.state.management;
        if ManagementAlgorithm::of(algorithm, &self.device)? != key.algorithm {
            return Err(StatusWord::WRONG_DATA);
        }
        // The first step asks for nothing but something to answer; the touch belongs to the answer.
        let is_answer = objects.iter().any(|(_, value)| !value.is_empty());
        if key.wants_touch && is_answer {
            outside.wait_for_touch()?;
        }
        self.session.management.step(key, objects)
    }

    fn require_pin(&mut self, policy: PinPolicy) -> Result<(), StatusWord> {
        let fresh = std::mem::take(&mut self.session.pin_fresh);
        match policy {
            PinPolicy::Never => Ok(()),
            PinPolicy::Once if self.session.pin_verified => Ok(()),
            PinPolicy::Always if fresh => Ok(()),
            PinPolicy::Once | PinPolicy::Always => Err(StatusWord::SECURITY_NOT_SATISFIED),
        }
    }

    fn require_touch(&mut self, policy: TouchPolicy, outside: &Outside) -> Result<(), StatusWord> {
        let touched = self.session.touched_at;
        match policy {
            TouchPolicy::Never => return Ok(()),
            TouchPolicy::Cached if touched.is_some_and(|at| at.elapsed() < CACHED) => return Ok(()),
            TouchPolicy::Always | TouchPolicy::Cached => outside.wait_for_touch()?,
        }
        self.session.touched_at = Some(Instant::now());
        Ok(())
    }
}
