//! The person at the workstation, who chooses and types PINs, and agrees to a reset.

mod pinentry;
mod terminal;
mod typed;

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use keyledger_custody::{ProviderFailure, Secret};
use keyledger_domain::{
    text::in_full,
    token::{PinRules, Serial},
};
use serde::{Deserialize, Serialize};

use self::typed::{left, typed_pin};
pub use self::{pinentry::Pinentry, terminal::Terminal};
use crate::{desk::PinTries, stop::Stop};

/// Whether the person chooses new PINs, or the agent makes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewPin {
    /// The person chooses one.
    #[default]
    Ask,
    /// It is made at random and shown to the person once.
    Generate,
}

/// Why the person gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PersonError {
    /// The person pressed Cancel, or gave too many answers that do not fit.
    #[error("the person at the workstation said no")]
    Declined,
    /// Nobody answered in time.
    #[error("nobody at the workstation answered")]
    NobodyThere,
    /// Nobody can be asked: do what the message says.
    #[error(transparent)]
    CannotAsk(#[from] PrompterError),
    /// The agent stops.
    #[error("the agent is stopping")]
    Stopping,
}

/// Why a person cannot be asked at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrompterError {
    /// There is no such pinentry program: install it, or name another.
    #[error(
        "there is no program {program:?}: install one (Debian: `apt install pinentry-gnome3`, or pinentry-curses), name \
         another in agent.toml, or run the agent on a terminal with `keyledger-agent run --terminal`"
    )]
    NoPinentry {
        /// Its name or path.
        program: String,
    },
    /// The pinentry program failed, mostly because it finds no desktop.
    #[error(
        "{program} failed; if systemd started the agent, give it the desktop's environment \
         (`systemctl --user import-environment DISPLAY WAYLAND_DISPLAY`)"
    )]
    Pinentry {
        /// Its name or path.
        program: String,
        /// What it said.
        #[source]
        source: PinentryError,
    },
    /// The pinentry program cannot be started, or does not listen.
    #[error("{program} cannot be started")]
    Start {
        /// Its name or path.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The process has no terminal.
    #[error("there is no terminal to ask on: start the agent on one, or without --terminal")]
    Terminal(#[source] io::Error),
    /// What is to be shown is not text.
    #[error("what is to be shown is not text")]
    NotText(#[source] std::str::Utf8Error),
    /// No PIN can be made at random.
    #[error("no PIN can be made")]
    NoPin(#[source] ProviderFailure),
}

/// What a pinentry program said: the error type of the crate `pinentry` is no [`std::error::Error`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PinentryError(::pinentry::Error);

/// A question to the person.
#[derive(Debug, Clone, Copy)]
pub struct PersonQuestion<'a> {
    /// The question, in a sentence or two.
    pub text: &'a str,
    /// The label of the field.
    pub field: &'a str,
    /// What was wrong with the last answer.
    pub fault: Option<&'a str>,
    /// True if the answer must not be shown while it is typed.
    pub secret: bool,
}

/// A way to show questions to a person. All calls block until there is an answer.
pub trait Prompter: Send + Sync {
    /// Asks a question.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    fn ask(&self, question: PersonQuestion<'_>) -> Result<Secret, PersonError>;

    /// Shows a text until the person has read it.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    fn tell(&self, text: &Secret) -> Result<(), PersonError>;

    /// Shows a warning in a window of its own, which only a person can close: no program answers it from memory.
    ///
    /// # Errors
    ///
    /// [`PersonError::Declined`] if the person would rather stop.
    fn warn(&self, text: &str) -> Result<(), PersonError>;

    /// Opens a window that says what to do, and does not wait. The window stays open until the returned value is dropped.
    ///
    /// # Errors
    ///
    /// [`PersonError::CannotAsk`].
    fn open(&self, text: &str) -> Result<Window, PersonError>;
}

/// A window that stays open until this is dropped.
#[derive(Debug, Default)]
pub struct Window(Option<std::process::Child>);

impl Drop for Window {
    fn drop(&mut self) {
        if let Some(mut program) = self.0.take() {
            // The person may have closed it already.
            drop(program.kill());
            drop(program.wait());
        }
    }
}

/// The person, asked through a prompter: one question at a time, however many tokens are worked on.
#[expect(
    missing_debug_implementations,
    reason = "a prompter may be a terminal, which says nothing"
)]
pub struct Person {
    prompter: Mutex<Box<dyn Prompter>>,
    new_pin: NewPin,
    stop: Stop,
}

/// The most digits that PIV allows in a PIN.
const MAX_DIGITS: usize = 8;
/// A person may give this many answers that do not fit.
const TRIES: usize = 5;
/// The pause before the next try when nobody can be asked.
const PAUSE: Duration = Duration::from_secs(15);

impl Person {
    /// The person whom `prompter` reaches.
    #[must_use]
    pub fn new(prompter: Box<dyn Prompter>, new_pin: NewPin, stop: Stop) -> Self {
        Self {
            prompter: Mutex::new(prompter),
            new_pin,
            stop,
        }
    }

    /// Asks twice for a new PIN that keeps the rules; or makes one and shows it.
    ///
    /// # Errors
    ///
    /// [`PersonError::Declined`], [`PersonError::NobodyThere`], [`PersonError::Stopping`].
    pub fn new_pin(&self, serial: Serial, rules: &PinRules) -> Result<Secret, PersonError> {
        match self.new_pin {
            NewPin::Generate => self.generated_pin(serial, rules),
            NewPin::Ask => self.with(|prompter| chosen_pin(prompter, serial, rules, None)),
        }
    }

    /// Asks for another new PIN, because the token refused the last one.
    ///
    /// # Errors
    ///
    /// As [`Person::new_pin`].
    pub fn another_pin(&self, serial: Serial, rules: &PinRules) -> Result<Secret, PersonError> {
        let fault = "The token finds that PIN too simple. Choose another.";
        match self.new_pin {
            NewPin::Generate => self.generated_pin(serial, rules),
            NewPin::Ask => self.with(|prompter| chosen_pin(prompter, serial, rules, Some(fault))),
        }
    }

    /// Asks for a touch, in a window that stays open until the returned value is dropped. Returns nothing while the person is asked
    /// something else, or if no window can be opened.
    #[must_use]
    pub fn ask_for_touch(&self, serial: Serial, place: &str) -> Option<Window> {
        let prompter = self.prompter.try_lock().ok()?;
        let text = format!("Touch token {serial} while it blinks ({place}).");
        match prompter.open(&text) {
            Ok(window) => Some(window),
            Err(error) => {
                tracing::debug!("no window asks for the touch: {}", in_full(&error));
                None
            }
        }
    }

    fn generated_pin(&self, serial: Serial, rules: &PinRules) -> Result<Secret, PersonError> {
        let digits = usize::from(rules.digits).clamp(6, MAX_DIGITS);
        let pin = Secret::random_digits(digits).map_err(PrompterError::NoPin)?;
        let before = format!("The new PIN of token {serial} is ");
        let after = ". It is shown this once: remember it, or write it down and lock it away.";
        let text = [before.as_bytes(), pin.expose(), after.as_bytes()].concat();
        let text = Secret::new(text);
        self.with(|prompter| prompter.tell(&text))?;
        Ok(pin)
    }

    /// Asks for the token's PIN. Says if the last one was wrong, and warns before the last two tries.
    ///
    /// # Errors
    ///
    /// As [`Person::new_pin`].
    pub fn pin(&self, serial: Serial, tries: PinTries) -> Result<Secret, PersonError> {
        let text = format!("Enter the PIN of token {serial}. {}.", left(tries.left));
        self.with(|prompter| typed_pin(prompter, serial, &text, tries))
    }

    /// Shows what is to be signed, and asks for the PIN of the token that signs it. Asks once, because a program waits for the answer.
    ///
    /// # Errors
    ///
    /// As [`Person::new_pin`], and [`PersonError::CannotAsk`].
    pub fn pin_to_sign(
        &self,
        serial: Serial,
        what: &str,
        tries: PinTries,
    ) -> Result<Secret, PersonError> {
        if self.stop.is_stopping() {
            return Err(PersonError::Stopping);
        }
        let text = format!("{what}\n\nThe PIN signs it. {}.", left(tries.left));
        let prompter = self.prompter.lock().unwrap_or_else(PoisonError::into_inner);
        typed_pin(&**prompter, serial, &text, tries)
    }

    /// Asks for the serial number of a token that is about to be reset.
    ///
    /// # Errors
    ///
    /// As [`Person::new_pin`].
    pub fn confirm_reset(&self, serial: Serial) -> Result<(), PersonError> {
        let text = format!(
            "Token {serial} is about to be reset: every key and certificate on it will be gone for good. \
             Type its serial number, as it is printed on it, to agree."
        );
        self.with(|prompter| {
            let mut fault = None;
            for _ in 0..TRIES {
                let typed = prompter.ask(PersonQuestion {
                    text: &text,
                    field: "Serial number",
                    fault,
                    secret: false,
                })?;
                if typed.expose().trim_ascii() == serial.to_string().as_bytes() {
                    return Ok(());
                }
                fault = Some("That is another number. Nothing was reset.");
            }
            Err(PersonError::Declined)
        })
    }

    /// Asks through the prompter. While nobody can be asked, logs that and tries again.
    fn with<T>(
        &self,
        ask: impl Fn(&dyn Prompter) -> Result<T, PersonError>,
    ) -> Result<T, PersonError> {
        loop {
            if self.stop.is_stopping() {
                return Err(PersonError::Stopping);
            }
            let asked = ask(&**self.prompter.lock().unwrap_or_else(PoisonError::into_inner));
            match asked {
                Err(PersonError::CannotAsk(error)) => {
                    tracing::error!("the person cannot be asked: {}", in_full(&error));
                    if self.stop.within(PAUSE) {
                        return Err(PersonError::Stopping);
                    }
                }
                asked => return asked,
            }
        }
    }
}

/// A PIN that the person chooses: it keeps the rules, and is typed twice.
fn chosen_pin(
    prompter: &dyn Prompter,
    serial: Serial,
    rules: &PinRules,
    fault: Option<&str>,
) -> Result<Secret, PersonError> {
    let least = usize::from(rules.digits);
    let length = if least >= MAX_DIGITS {
        format!("{MAX_DIGITS} digits")
    } else {
        format!("{least} to {MAX_DIGITS} digits")
    };
    let text = format!(
        "Choose a PIN for token {serial}: {length}, not all the same and not in a row. Keep it to yourself: nobody can look it up."
    );
    let ask = |text: &str, field: &str, fault: Option<&str>| {
        prompter.ask(PersonQuestion {
            text,
            field,
            fault,
            secret: true,
        })
    };
    let mut fault = fault.map(str::to_owned);
    for _ in 0..TRIES {
        let pin = ask(&text, "New PIN", fault.as_deref())?;
        fault = pin_fault(pin.expose(), least, &length);
        if fault.is_some() {
            continue;
        }
        let again = ask("Type the new PIN once more.", "New PIN again", None)?;
        if again.expose() == pin.expose() {
            return Ok(pin);
        }
        fault = Some("The two were not the same. Type it twice.".to_owned());
    }
    Err(PersonError::Declined)
}

/// Says in a sentence what is wrong with a new PIN; nothing if it fits.
fn pin_fault(pin: &[u8], least: usize, length: &str) -> Option<String> {
    if !pin.iter().all(u8::is_ascii_digit) {
        return Some("A PIN has digits only.".to_owned());
    }
    if pin.len() < least || pin.len() > MAX_DIGITS {
        return Some(format!("The PIN must have {length}."));
    }
    let steps = |by: i16| {
        let mut pairs = pin.windows(2);
        pairs.all(|pair| i16::from(pair[1]) - i16::from(pair[0]) == by)
    };
    if steps(0) || steps(1) || steps(-1) {
        return Some(
            "PINs of equal digits or digits in a row are guessed first. Choose another.".to_owned(),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A prompter that answers from a list, and notes what it was asked.
    struct Scripted {
        answers: Mutex<Vec<&'static str>>,
        asked: mpsc::Sender<String>,
    }

    impl Prompter for Scripted {
        fn ask(&self, question: PersonQuestion<'_>) -> Result<Secret, PersonError> {
            let fault = question.fault.unwrap_or("-");
            let line = format!("{}|{fault}|{}", question.field, question.secret);
            self.asked.send(line).unwrap();
            let mut answers = self.answers.lock().unwrap();
            if answers.is_empty() {
                return Err(PersonError::Declined);
            }
            Ok(Secret::new(answers.remove(0).as_bytes().to_vec()))
        }

        fn tell(&self, text: &Secret) -> Result<(), PersonError> {
            let text = std::str::from_utf8(text.expose()).unwrap();
            self.asked.send(text.to_owned()).unwrap();
            Ok(())
        }

        fn warn(&self, text: &str) -> Result<(), PersonError> {
            self.asked.send(text.to_owned()).unwrap();
            Ok(())
        }

        fn open(&self, text: &str) -> Result<Window, PersonError> {
            self.asked.send(text.to_owned()).unwrap();
            Ok(Window::default())
        }
    }

    #[test]
    fn a_touch_is_asked_for_in_a_window_that_waits_for_nobody() {
        let (person, asked) = person(NewPin::Ask, &[]);
        assert!(person.ask_for_touch(serial(), "piv.9c").is_some());
        let text = asked.try_iter().next().unwrap();
        assert_eq!(text, "Touch token 31415926 while it blinks (piv.9c).");
        let _busy = person.prompter.lock().unwrap();
        assert!(person.ask_for_touch(serial(), "piv.9c").is_none());
    }

    #[test]
    fn a_pin_that_the_token_refuses_is_asked_for_again_with_the_reason() {
        let (person, asked) = person(NewPin::Ask, &["192837", "192837"]);
        let _pin = person.another_pin(serial(), &rules(6)).ok().unwrap();
        let first = asked.try_iter().next().unwrap();
        assert!(first.contains("too simple"), "{first}");
    }

    fn person(new_pin: NewPin, answers: &[&'static str]) -> (Person, mpsc::Receiver<String>) {
        let (asked, receiver) = mpsc::channel();
        let answers = Mutex::new(answers.to_vec());
        let prompter = Box::new(Scripted { answers, asked });
        (Person::new(prompter, new_pin, Stop::default()), receiver)
    }

    fn serial() -> Serial {
        Serial::new(31_415_926).unwrap()
    }

    fn rules(digits: u8) -> PinRules {
        PinRules {
            digits,
            ..PinRules::default()
        }
    }

    #[test]
    fn a_new_pin_is_held_to_the_rules_and_typed_twice() {
        let answers = [
            "12ab5678", "1928", "00000000", "12345678", "19283746", "19283747", "19283746",
            "19283746",
        ];
        let (person, asked) = person(NewPin::Ask, &answers);
        let pin = person.new_pin(serial(), &rules(8));
        // After five answers that do not fit, the person counts as having declined.
        assert!(matches!(pin, Err(PersonError::Declined)));
        let asked: Vec<_> = asked.try_iter().collect();
        assert_eq!(
            asked,
            [
                "New PIN|-|true",
                "New PIN|A PIN has digits only.|true",
                "New PIN|The PIN must have 8 digits.|true",
                "New PIN|PINs of equal digits or digits in a row are guessed first. Choose another.|true",
                "New PIN|PINs of equal digits or digits in a row are guessed first. Choose another.|true",
                "New PIN again|-|true",
            ]
        );
    }

    #[test]
    fn a_pin_that_fits_is_taken_after_a_slip() {
        let answers = ["192837", "192838", "192837", "192837"];
        let (person, asked) = person(NewPin::Ask, &answers);
        let pin = person.new_pin(serial(), &rules(6)).ok().unwrap();
        assert_eq!(pin.expose(), b"192837");
        let third = asked.try_iter().nth(2).unwrap();
        assert_eq!(
            third,
            "New PIN|The two were not the same. Type it twice.|true"
        );
    }

    #[test]
    fn a_generated_pin_is_shown_once() {
        let (person, asked) = person(NewPin::Generate, &[]);
        let pin = person.new_pin(serial(), &rules(8)).ok().unwrap();
        assert_eq!(pin.expose().len(), 8);
        assert!(pin.expose().iter().all(u8::is_ascii_digit));
        let shown: Vec<_> = asked.try_iter().collect();
        assert_eq!(shown.len(), 1);
        assert!(shown[0].contains(std::str::from_utf8(pin.expose()).unwrap()));
        assert!(shown[0].contains("token 31415926"));
    }

    #[test]
    fn a_reset_wants_the_very_serial_number() {
        let (agrees, _asked) = person(NewPin::Ask, &["31415927", "31415926\n"]);
        assert!(agrees.confirm_reset(serial()).is_ok());
        let (declines, _asked) = person(NewPin::Ask, &["no"]);
        assert!(matches!(
            declines.confirm_reset(serial()),
            Err(PersonError::Declined)
        ));
    }

    #[test]
    fn what_can_be_no_pin_costs_no_try() {
        let (person, asked) = person(NewPin::Ask, &["", "123456789", "192837"]);
        let pin = person.pin(serial(), tries(8, false)).ok().unwrap();
        assert_eq!(pin.expose(), b"192837");
        assert_eq!(asked.try_iter().count(), 3);
    }

    fn tries(left: u8, was_wrong: bool) -> PinTries {
        PinTries { left, was_wrong }
    }

    #[test]
    fn a_wrong_pin_is_told_and_the_last_tries_are_warned_of() {
        let (person, asked) = person(NewPin::Ask, &["192837"; 4]);
        let told = |tries| {
            person.pin(serial(), tries).ok().unwrap();
            asked.try_iter().collect::<Vec<_>>()
        };
        assert_eq!(told(tries(3, false)), ["PIN|-|true"]);
        assert_eq!(
            told(tries(3, true)),
            ["PIN|That PIN was wrong. 3 tries are left before it is blocked.|true"]
        );
        let last = told(tries(1, true));
        assert_eq!(
            last,
            [
                "Token 31415926: that PIN was wrong. One try is left before it is blocked. Go on only if you are sure of the PIN.",
                "PIN|That PIN was wrong. One try is left before it is blocked.|true",
            ]
        );
        assert_eq!(told(tries(2, false)).len(), 2);
    }
}
