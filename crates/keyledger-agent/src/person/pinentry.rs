//! Questions by pinentry: GnuPG's window for PINs, on a desktop or a terminal.

use keyledger_custody::Secret;
use pinentry::{ConfirmationDialog, MessageDialog, PassphraseInput};
use secrecy::ExposeSecret as _;

use super::{PersonError, Prompter, Question};

/// How long a window waits for a person, in seconds.
const TIMEOUT_S: u16 = 600;
/// What stands above the window.
const TITLE: &str = "Keyledger";

/// A pinentry program.
#[derive(Debug, Clone)]
pub struct Pinentry {
    program: String,
}

impl Pinentry {
    /// The program of that name or path.
    #[must_use]
    pub fn new(program: &str) -> Self {
        Self {
            program: program.to_owned(),
        }
    }

    /// Whether there is such a program.
    ///
    /// # Errors
    ///
    /// [`PersonError::CannotAsk`] says how to get one.
    pub fn look(&self) -> Result<(), PersonError> {
        let found = PassphraseInput::with_binary(&self.program);
        found.map(drop).ok_or_else(|| self.missing())
    }

    fn missing(&self) -> PersonError {
        PersonError::CannotAsk(format!(
            "there is no program {:?}: install one (Debian: `apt install pinentry-gnome3`, or pinentry-curses), name \
             another in agent.toml, or run the agent on a terminal with `keyledger-agent run --terminal`",
            self.program
        ))
    }

    fn failed(&self, error: pinentry::Error) -> PersonError {
        match error {
            pinentry::Error::Cancelled => PersonError::Declined,
            pinentry::Error::Timeout => PersonError::NobodyThere,
            error => PersonError::CannotAsk(format!(
                "{} failed: {error}; a unit of systemd needs the desktop's environment \
                 (`systemctl --user import-environment DISPLAY WAYLAND_DISPLAY`)",
                self.program
            )),
        }
    }
}

impl Prompter for Pinentry {
    fn ask(&self, question: Question<'_>) -> Result<Secret, PersonError> {
        let input = PassphraseInput::with_binary(&self.program);
        let mut input = input.ok_or_else(|| self.missing())?;
        let field = format!("{}:", question.field);
        input
            .with_title(TITLE)
            .with_description(question.text)
            .with_prompt(&field)
            .with_timeout(TIMEOUT_S);
        if let Some(fault) = question.fault {
            input.with_error(fault);
        }
        let typed = input.interact().map_err(|error| self.failed(error))?;
        Ok(Secret::new(typed.expose_secret().as_bytes().to_vec()))
    }

    fn tell(&self, text: &Secret) -> Result<(), PersonError> {
        let dialog = MessageDialog::with_binary(&self.program);
        let mut dialog = dialog.ok_or_else(|| self.missing())?;
        dialog.with_title(TITLE).with_timeout(TIMEOUT_S);
        let text = std::str::from_utf8(text.expose());
        let text = text.map_err(|e| PersonError::CannotAsk(e.to_string()))?;
        dialog
            .show_message(text)
            .map_err(|error| self.failed(error))
    }

    fn warn(&self, text: &str) -> Result<(), PersonError> {
        let dialog = ConfirmationDialog::with_binary(&self.program);
        let mut dialog = dialog.ok_or_else(|| self.missing())?;
        dialog
            .with_title(TITLE)
            .with_ok("Go on")
            .with_cancel("Stop")
            .with_timeout(TIMEOUT_S);
        match dialog.confirm(text) {
            Ok(true) => Ok(()),
            Ok(false) => Err(PersonError::Declined),
            Err(error) => Err(self.failed(error)),
        }
    }
}
