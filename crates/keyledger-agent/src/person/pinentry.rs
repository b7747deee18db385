//! Questions through pinentry, GnuPG's window for PINs, on a desktop or a terminal.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use keyledger_custody::Secret;
use pinentry::{ConfirmationDialog, MessageDialog, PassphraseInput};
use secrecy::ExposeSecret as _;

use super::{PersonError, PersonQuestion, PinentryError, Prompter, PrompterError, Window};

/// A window waits this long for the person, in seconds.
const TIMEOUT_S: u16 = 600;
/// The title of the windows.
const TITLE: &str = "Keyledger";

/// A pinentry program.
#[derive(Debug, Clone)]
pub struct Pinentry {
    program: String,
}

impl Pinentry {
    /// The pinentry program with that name or path.
    #[must_use]
    pub fn new(program: &str) -> Self {
        Self {
            program: program.to_owned(),
        }
    }

    /// Checks that there is such a program.
    ///
    /// # Errors
    ///
    /// [`PrompterError::NoPinentry`] says how to get one.
    pub fn look(&self) -> Result<(), PrompterError> {
        let found = PassphraseInput::with_binary(&self.program);
        found.map(drop).ok_or_else(|| self.missing())
    }

    fn missing(&self) -> PrompterError {
        PrompterError::NoPinentry {
            program: self.program.clone(),
        }
    }

    fn failed(&self, error: pinentry::Error) -> PersonError {
        match error {
            pinentry::Error::Cancelled => PersonError::Declined,
            pinentry::Error::Timeout => PersonError::NobodyThere,
            source @ (pinentry::Error::Io(_)
            | pinentry::Error::Gpg(_)
            | pinentry::Error::Encoding(_)) => PersonError::CannotAsk(PrompterError::Pinentry {
                program: self.program.clone(),
                source: PinentryError(source),
            }),
        }
    }
}

impl Prompter for Pinentry {
    fn ask(&self, question: PersonQuestion<'_>) -> Result<Secret, PersonError> {
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
        let text = text.map_err(PrompterError::NotText)?;
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

    /// Speaks pinentry's protocol (Assuan) itself, because the crate `pinentry` waits for an answer.
    fn open(&self, text: &str) -> Result<Window, PersonError> {
        let failed = |source| PrompterError::Start {
            program: self.program.clone(),
            source,
        };
        let program = Command::new(&self.program)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let text = text.replace('%', "%25").replace('\n', "%0A");
        let said = format!("SETTITLE {TITLE}\nSETDESC {text}\nMESSAGE\n");
        let mut window = Window(Some(program));
        let stdin = window.0.as_mut().and_then(|program| program.stdin.as_mut());
        if let Some(stdin) = stdin {
            stdin.write_all(said.as_bytes()).map_err(failed)?;
        }
        Ok(window)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

    use super::*;

    #[test]
    fn a_window_is_closed_with_what_it_was_opened_for() {
        let directory = tempfile::tempdir().unwrap();
        let (script, log) = (
            directory.path().join("pinentry"),
            directory.path().join("log"),
        );
        let text = format!(
            "#!/bin/sh\necho $$ >{0}\nwhile read -r line; do echo \"$line\" >>{0}; done; exec sleep 600\n",
            log.display()
        );
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
        let window = Pinentry::new(script.to_str().unwrap())
            .open("50% more")
            .unwrap();
        let said = loop {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if said.contains("MESSAGE") {
                break said;
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        assert!(said.contains("SETDESC 50%25 more\n"), "{said}");
        let process = format!("/proc/{}", said.lines().next().unwrap());
        assert!(fs::exists(&process).unwrap());
        drop(window);
        assert!(!fs::exists(&process).unwrap());
    }
}
