//! Keys come into slots, move, go, and say what they are.

use super::authenticate::MANAGEMENT_SLOT;
use super::key::{Algorithm, PrivateKey};
use super::management::{ManagementAlgorithm, ManagementKey};
use super::state::{ATTESTATION_SLOT, PinPolicy, Reference, Slot, State, TouchPolicy};
use super::{Piv, has_fingerprints, is_user_slot};
use crate::token::apdu::{CommandApdu, ResponseApdu, StatusWord};
use crate::token::fault::Fault;
use crate::token::outside::Outside;
use crate::token::tlv;

const PIN_POLICY: u16 = 0xaa;
const TOUCH_POLICY: u16 = 0xab;

impl Piv {
    /// GENERATE ASYMMETRIC KEY PAIR: answers the public half.
    pub(super) fn generate(&mut self, command: &CommandApdu, outside: &Outside) -> ResponseApdu {
        self.require_management()?;
        let slot = key_slot(command.p2)?;
        let objects = tlv::read_all(&command.data).ok_or(StatusWord::WRONG_DATA)?;
        let wishes = tlv::find(&objects, 0xac).ok_or(StatusWord::WRONG_DATA)?;
        let wishes = tlv::read_all(wishes).ok_or(StatusWord::WRONG_DATA)?;
        let Some(&[algorithm]) = tlv::find(&wishes, 0x80) else {
            return Err(StatusWord::WRONG_DATA);
        };
        let algorithm = Algorithm::of(algorithm, &self.device)?;
        let (pin_policy, touch_policy) = policies(&wishes, slot)?;
        let uncertified = pin_policy == PinPolicy::Never || algorithm == Algorithm::X25519;
        if uncertified && outside.has_fault(|fault| *fault == Fault::Fips) {
            return Err(StatusWord::WRONG_DATA);
        }
        let key = PrivateKey::generate(algorithm);
        let public = tlv::object(0x7f49, &key.public_template());
        let generated = true;
        self.put_key(
            slot,
            Slot {
                key,
                pin_policy,
                touch_policy,
                generated,
            },
        );
        Ok(public)
    }

    /// IMPORT ASYMMETRIC KEY.
    pub(super) fn import(&mut self, command: &CommandApdu) -> ResponseApdu {
        self.require_management()?;
        let slot = key_slot(command.p2)?;
        let algorithm = Algorithm::of(command.p1, &self.device)?;
        let parts = tlv::read_all(&command.data).ok_or(StatusWord::WRONG_DATA)?;
        let (pin_policy, touch_policy) = policies(&parts, slot)?;
        let key = PrivateKey::import(algorithm, &parts)?;
        let generated = false;
        self.put_key(
            slot,
            Slot {
                key,
                pin_policy,
                touch_policy,
                generated,
            },
        );
        Ok(Vec::new())
    }

    /// MOVE KEY from P2 to P1, which must be empty, or nowhere: deleted. Certificates stay where they are.
    pub(super) fn move_key(&mut self, command: &CommandApdu) -> ResponseApdu {
        const NOWHERE: u8 = 0xff;
        self.require_management()?;
        let (to, from) = (command.p1, command.p2);
        let deletes = to == NOWHERE;
        let fits = if deletes {
            from == ATTESTATION_SLOT || is_user_slot(from)
        } else {
            is_user_slot(from) && is_user_slot(to) && from != to
        };
        if !fits {
            return Err(StatusWord::WRONG_PARAMETERS);
        }
        let slots = &mut self.state.slots;
        if !slots.contains_key(&from) {
            return Err(StatusWord::REFERENCE_NOT_FOUND);
        }
        if slots.contains_key(&to) {
            return Err(StatusWord::WRONG_DATA);
        }
        let slot = slots.remove(&from).expect("it was just there");
        if !deletes {
            slots.insert(to, slot);
        }
        self.changed = true;
        Ok(Vec::new())
    }

    /// GET METADATA of a slot, the management key, the PIN or the PUK.
    pub(super) fn metadata(&mut self, command: &CommandApdu, outside: &Outside) -> ResponseApdu {
        let reference = |reference: &Reference, factory: &[u8]| {
            let mut out = tlv::object(0x01, &[0xff]);
            tlv::put(&mut out, 0x05, &[reference.is(factory).into()]);
            tlv::put(&mut out, 0x06, &[reference.tries, reference.tries_left]);
            Ok(out)
        };
        match command.p2 {
            0x80 => reference(&self.state.pin, State::FACTORY_PIN),
            0x81 if outside.has_fault(has_fingerprints) => Err(StatusWord::REFERENCE_NOT_FOUND),
            0x81 => reference(&self.state.puk, State::FACTORY_PUK),
            MANAGEMENT_SLOT => {
                let key = &self.state.management;
                let touch = if key.wants_touch {
                    TouchPolicy::Always
                } else {
                    TouchPolicy::Never
                };
                let mut out = tlv::object(0x01, &[key.algorithm.id()]);
                tlv::put(&mut out, 0x02, &[0, touch.id()]);
                tlv::put(&mut out, 0x05, &[self.state.management_is_factory().into()]);
                Ok(out)
            }
            number => {
                let slot = self
                    .state
                    .slots
                    .get(&number)
                    .ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
                let has = |fault: &Fault| outside.has_fault(|found| found == fault);
                let generated = slot.generated || has(&Fault::PosesAsGenerated { slot: number });
                let touch = if has(&Fault::ReportsWithoutTouch { slot: number }) {
                    TouchPolicy::Never
                } else {
                    slot.touch_policy
                };
                let mut out = tlv::object(0x01, &[slot.key.algorithm.id()]);
                let pin = outside.find_fault(|fault| match fault {
                    Fault::ReportsPinPolicy { slot, number: pin } if *slot == number => Some(*pin),
                    _ => None,
                });
                let pin = pin.unwrap_or(slot.pin_policy.id());
                tlv::put(&mut out, 0x02, &[pin, touch.id()]);
                tlv::put(&mut out, 0x03, &[if generated { 1 } else { 2 }]);
                tlv::put(&mut out, 0x04, &slot.key.public_template());
                Ok(out)
            }
        }
    }

    /// SET MANAGEMENT KEY.
    pub(super) fn set_management_key(&mut self, command: &CommandApdu) -> ResponseApdu {
        self.require_management()?;
        let wants_touch = match (command.p1, command.p2) {
            (0xff, 0xff) => false,
            (0xff, 0xfe) => true,
            _ => return Err(StatusWord::WRONG_PARAMETERS),
        };
        let (algorithm, rest) = command.data.split_first().ok_or(StatusWord::WRONG_LENGTH)?;
        let algorithm = ManagementAlgorithm::of(*algorithm, &self.device)?;
        let objects = tlv::read_all(rest).ok_or(StatusWord::WRONG_DATA)?;
        let value = tlv::find(&objects, MANAGEMENT_SLOT.into()).ok_or(StatusWord::WRONG_DATA)?;
        self.state.management = ManagementKey::new(algorithm, value, wants_touch)?;
        self.changed = true;
        Ok(Vec::new())
    }

    fn put_key(&mut self, number: u8, slot: Slot) {
        self.state.slots.insert(number, slot);
        self.changed = true;
    }
}

fn key_slot(slot: u8) -> Result<u8, StatusWord> {
    if is_user_slot(slot) || slot == ATTESTATION_SLOT {
        Ok(slot)
    } else {
        Err(StatusWord::WRONG_PARAMETERS)
    }
}

fn policies(objects: &[(u16, &[u8])], slot: u8) -> Result<(PinPolicy, TouchPolicy), StatusWord> {
    let one = |tag| match tlv::find(objects, tag) {
        None => Ok(0),
        Some(&[id]) => Ok(id),
        Some(_) => Err(StatusWord::WRONG_DATA),
    };
    Ok((
        PinPolicy::of(one(PIN_POLICY)?, slot)?,
        TouchPolicy::of(one(TOUCH_POLICY)?)?,
    ))
}
