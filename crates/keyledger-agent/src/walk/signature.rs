//! One signature for the person at the workstation, outside any task.

use std::{
    sync::{PoisonError, TryLockError},
    thread,
    time::{Duration, Instant},
};

use keyledger_custody::Secret;
use keyledger_domain::{
    Algorithm,
    token::{PinPolicy, Serial, Slot, TouchPolicy},
};

use super::{lock_of, request::to_sign};
use crate::{
    card::{self, CardError, Piv, Reference},
    desk::PinTries,
    tokens::{Signatory, TokenSignError},
};

/// Another program may hold the token this long.
const HELD: Duration = Duration::from_secs(5);
/// The pause before the token is opened again.
const LOOK: Duration = Duration::from_millis(200);
/// A touch is asked for this often. Each time the token waits 15 s.
const TOUCHES: usize = 4;

/// Signs a statement with the key in a slot. Blocks as long as the person takes.
///
/// # Errors
///
/// [`TokenSignError`]; nothing was signed. [`TokenSignError::Busy`] while a task is walked on the token.
pub(crate) fn sign(
    token: Serial,
    slot: Slot,
    statement: &[u8],
    person: &mut dyn Signatory,
) -> Result<Vec<u8>, TokenSignError> {
    let lock = lock_of(token);
    let _alone = match lock.try_lock() {
        Ok(alone) => alone,
        Err(TryLockError::Poisoned(alone)) => PoisonError::into_inner(alone),
        Err(TryLockError::WouldBlock) => return Err(TokenSignError::Busy(token)),
    };
    let mut piv = open(token)?;
    let key = piv.key(slot)?.ok_or(TokenSignError::Empty(slot))?;
    let algorithm = key.algorithm.filter(|algorithm| signs(*algorithm));
    let algorithm = algorithm.ok_or(TokenSignError::CannotSign(slot))?;
    if key.pin.is_none_or(|pin| pin == PinPolicy::Never) {
        return Err(TokenSignError::NoPin(slot)); // the key would sign without asking anybody
    }
    let input = to_sign(algorithm, statement);
    let mut tries = piv.pin_tries()?.left;
    drop(piv); // release the token before asking the person
    let mut wrong: Option<Secret> = None;
    loop {
        if tries == 0 {
            return Err(TokenSignError::Blocked(token));
        }
        let pin = person.pin(PinTries {
            left: tries,
            was_wrong: wrong.is_some(),
        })?;
        if !person.waits() {
            return Err(TokenSignError::Abandoned);
        }
        if wrong.is_some_and(|wrong| wrong.expose() == pin.expose()) {
            return Err(TokenSignError::SameWrongPin(token));
        }
        let mut piv = open(token)?;
        for _ in 0..TOUCHES {
            match piv.verify_pin(pin.expose()) {
                Err(CardError::Wrong { tries: left, .. }) => {
                    tries = left;
                    break;
                }
                Err(CardError::Blocked(Reference::Pin)) => {
                    return Err(TokenSignError::Blocked(token));
                }
                proved => proved?,
            }
            if key.touch != Some(TouchPolicy::Never) {
                person.touch();
            }
            match piv.sign(slot, algorithm, &input) {
                Err(CardError::Denied(_)) if key.touch != Some(TouchPolicy::Never) => {}
                signed => return Ok(signed?),
            }
            if !person.waits() {
                return Err(TokenSignError::Abandoned);
            }
            tries = u8::MAX; // the PIN was right
        }
        if tries == u8::MAX {
            return Err(TokenSignError::NotTouched(token));
        }
        wrong = Some(pin);
    }
}

const fn signs(algorithm: Algorithm) -> bool {
    match algorithm {
        Algorithm::P256
        | Algorithm::P384
        | Algorithm::Rsa2048
        | Algorithm::Rsa3072
        | Algorithm::Rsa4096
        | Algorithm::Ed25519 => true,
        Algorithm::X25519 | Algorithm::Aes256 => false,
    }
}

/// Opens the token. If it is held, asks the user's own GnuPG to release it.
fn open(token: Serial) -> Result<Piv, CardError> {
    let begun = Instant::now();
    let mut asked = false;
    loop {
        match card::open(token) {
            Err(CardError::Held { .. }) if begun.elapsed() < HELD => {
                if !std::mem::replace(&mut asked, true) {
                    card::ask_scdaemon_to_let_go();
                }
                thread::sleep(LOOK);
            }
            opened => return opened,
        }
    }
}
