//! The PIN that a token has, as a person types it.

use keyledger_custody::Secret;

use super::{MAX_DIGITS, PersonError, Prompter, Question, TRIES};

/// How many tries are left, in words.
pub(super) fn left(tries: u8) -> String {
    match tries {
        1 => "One try is left before it is blocked".to_owned(),
        tries => format!("{tries} tries are left before it is blocked"),
    }
}

/// The PIN that the token has.
pub(super) fn typed_pin(prompter: &dyn Prompter, text: &str) -> Result<Secret, PersonError> {
    let mut fault = None;
    for _ in 0..TRIES {
        let pin = prompter.ask(Question {
            text,
            field: "PIN",
            fault,
            secret: true,
        })?;
        // What can be no PIN must cost no try.
        if (1..=MAX_DIGITS).contains(&pin.expose().len()) {
            return Ok(pin);
        }
        fault = Some("A PIN has at most 8 characters. It was not tried.");
    }
    Err(PersonError::Declined)
}
