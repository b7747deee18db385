//! PIN and PUK: verified, changed, unblocked, given more tries.

use super::state::{Reference, State};
use super::{Piv, has_fingerprints};
use crate::token::apdu::{CommandApdu, ResponseApdu, StatusWord};
use crate::token::fault::{Fault, NewSecret};
use crate::token::outside::Outside;

const PIN: u8 = 0x80;
const PUK: u8 = 0x81;

impl Piv {
    /// VERIFY: with a PIN, or without to ask, or with `ff` to forget.
    pub(super) fn verify(&mut self, command: &CommandApdu) -> ResponseApdu {
        if command.p2 != PIN {
            return Err(StatusWord::REFERENCE_NOT_FOUND); // fingerprints, for one
        }
        match (command.p1, &**command.data) {
            (0xff, []) => {
                self.session.pin_verified = false;
                self.session.pin_fresh = false;
                Ok(Vec::new())
            }
            (0x00, []) if self.session.pin_verified => Ok(Vec::new()),
            (0x00, []) => Err(match self.state.pin.tries_left {
                0 => StatusWord::BLOCKED,
                tries => StatusWord::tries_left(tries),
            }),
            (0x00, pin) if pin.len() == Reference::LENGTH => {
                self.changed = true;
                let verified = self.state.pin.verify(pin);
                self.session.pin_verified = verified.is_ok();
                self.session.pin_fresh = verified.is_ok();
                verified.map(|()| Vec::new())
            }
            (0x00, _) => Err(StatusWord::WRONG_DATA),
            _ => Err(StatusWord::WRONG_PARAMETERS),
        }
    }

    /// CHANGE REFERENCE DATA: the old value, then the new.
    pub(super) fn change_reference(
        &mut self,
        command: &CommandApdu,
        outside: &Outside,
    ) -> ResponseApdu {
        let (reference, secret) = match command.p2 {
            PIN => (&mut self.state.pin, NewSecret::Pin),
            PUK if outside.has_fault(has_fingerprints) => {
                return Err(StatusWord::REFERENCE_NOT_FOUND);
            }
            PUK => (&mut self.state.puk, NewSecret::Puk),
            _ => return Err(StatusWord::REFERENCE_NOT_FOUND),
        };
        let (old, new) = pair(&command.data)?;
        self.changed = true;
        reference.verify(old)?;
        check_new(new, secret, outside)?;
        reference.set(new)?;
        Ok(Vec::new())
    }

    /// RESET RETRY COUNTER: the PUK, then a new PIN.
    pub(super) fn reset_retry_counter(
        &mut self,
        command: &CommandApdu,
        outside: &Outside,
    ) -> ResponseApdu {
        if command.p2 != PIN || outside.has_fault(has_fingerprints) {
            return Err(StatusWord::REFERENCE_NOT_FOUND);
        }
        let (puk, pin) = pair(&command.data)?;
        self.changed = true;
        self.state.puk.verify(puk)?;
        check_new(pin, NewSecret::Pin, outside)?;
        self.state.pin.set(pin)?;
        Ok(Vec::new())
    }

    /// SET PIN RETRIES: gives both other tries, and with them the factory's values.
    pub(super) fn set_retries(&mut self, command: &CommandApdu) -> ResponseApdu {
        self.require_management()?;
        if !self.session.pin_verified {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        if command.p1 == 0 || command.p2 == 0 {
            return Err(StatusWord::WRONG_PARAMETERS);
        }
        self.state.pin = Reference::new(State::FACTORY_PIN, command.p1);
        self.state.puk = Reference::new(State::FACTORY_PUK, command.p2);
        self.session.pin_verified = false;
        self.session.pin_fresh = false;
        self.changed = true;
        Ok(Vec::new())
    }
}

/// What a new PIN or PUK must be beyond its length, in some series.
fn check_new(padded: &[u8], secret: NewSecret, outside: &Outside) -> Result<(), StatusWord> {
    let filling = padded.iter().rev().take_while(|byte| **byte == 0xff);
    outside.check_new(secret, &padded[..padded.len() - filling.count()])?;
    let refused = outside.find_fault(|fault| match fault {
        Fault::RefusesPin { pin, status }
            if Reference::new(pin.as_bytes(), 1).is_padded(padded) =>
        {
            Some(StatusWord(*status))
        }
        Fault::Fips if padded.contains(&0xff) => Some(StatusWord::WRONG_DATA),
        _ => None,
    });
    refused.map_or(Ok(()), Err)
}

fn pair(data: &[u8]) -> Result<(&[u8], &[u8]), StatusWord> {
    if data.len() != 2 * Reference::LENGTH {
        return Err(StatusWord::WRONG_DATA);
    }
    Ok(data.split_at(Reference::LENGTH))
}
