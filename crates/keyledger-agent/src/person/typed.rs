//! Asking for the PIN that a token has.

use keyledger_custody::Secret;
use keyledger_domain::token::Serial;

use super::{MAX_DIGITS, PersonError, PersonQuestion, Prompter, TRIES};
use crate::desk::{LAST_TRIES, PinTries};

/// Says in words how many tries are left.
pub(super) fn left(tries: u8) -> String {
    match tries {
        1 => "One try is left before it is blocked".to_owned(),
        tries => format!("{tries} tries are left before it is blocked"),
    }
}

/// Asks for the PIN that the token has.
pub(super) fn typed_pin(
    prompter: &dyn Prompter,
    serial: Serial,
    text: &str,
    tries: PinTries,
) -> Result<Secret, PersonError> {
    let stand = left(tries.left);
    if tries.left <= LAST_TRIES {
        let wrong = if tries.was_wrong {
            "that PIN was wrong. "
        } else {
            ""
        };
        prompter.warn(&format!(
            "Token {serial}: {wrong}{stand}. Go on only if you are sure of the PIN."
        ))?;
    }
    let wrong = format!("That PIN was wrong. {stand}.");
    let mut fault = tries.was_wrong.then_some(wrong.as_str());
    for _ in 0..TRIES {
        let pin = prompter.ask(PersonQuestion {
            text,
            field: "PIN",
            fault,
            secret: true,
        })?;
        // An answer that cannot be a PIN must not cost a try.
        if (1..=MAX_DIGITS).contains(&pin.expose().len()) {
            return Ok(pin);
        }
        fault = Some("A PIN has at most 8 characters. It was not tried.");
    }
    Err(PersonError::Declined)
}
