//! Questions on the terminal that the agent was started on.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
};

use keyledger_custody::Secret;

use super::{PersonError, PersonQuestion, Prompter, PrompterError, Window};

/// The process's own terminal, even if its input and output are redirected.
const TERMINAL: &str = "/dev/tty";

/// The terminal.
#[derive(Debug, Clone, Copy)]
pub struct Terminal;

impl Prompter for Terminal {
    fn ask(&self, question: PersonQuestion<'_>) -> Result<Secret, PersonError> {
        let mut terminal = open()?;
        if let Some(fault) = question.fault {
            writeln!(terminal, "{fault}").map_err(failed)?;
        }
        write!(terminal, "{}\n{}: ", question.text, question.field).map_err(failed)?;
        terminal.flush().map_err(failed)?;
        let typed = if question.secret {
            rpassword::read_password().map_err(failed)?
        } else {
            let mut line = String::new();
            let read = BufReader::new(&terminal).read_line(&mut line);
            if read.map_err(failed)? == 0 {
                return Err(PersonError::Declined); // Ctrl-D
            }
            line.truncate(line.trim_end_matches(['\r', '\n']).len());
            line
        };
        if typed.is_empty() {
            return Err(PersonError::Declined);
        }
        Ok(Secret::new(typed.into_bytes()))
    }

    fn tell(&self, text: &Secret) -> Result<(), PersonError> {
        let mut terminal = open()?;
        terminal.write_all(text.expose()).map_err(failed)?;
        write!(terminal, "\nPress Enter when you have it: ").map_err(failed)?;
        let mut line = String::new();
        BufReader::new(&terminal)
            .read_line(&mut line)
            .map_err(failed)?;
        // Clear the screen and the scroll-back, so that the PIN does not stay there.
        terminal.write_all(b"\x1b[2J\x1b[3J\x1b[H").map_err(failed)
    }

    fn warn(&self, text: &str) -> Result<(), PersonError> {
        let mut terminal = open()?;
        write!(terminal, "{text}\nPress Enter to go on, Ctrl-D to stop: ").map_err(failed)?;
        let mut line = String::new();
        match BufReader::new(&terminal).read_line(&mut line) {
            Ok(0) => Err(PersonError::Declined),
            Ok(_) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    fn open(&self, text: &str) -> Result<Window, PersonError> {
        writeln!(open()?, "{text}").map_err(failed)?;
        Ok(Window::default())
    }
}

fn open() -> Result<File, PersonError> {
    let terminal = OpenOptions::new().read(true).write(true).open(TERMINAL);
    terminal.map_err(failed)
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn failed(error: io::Error) -> PersonError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return PersonError::Declined;
    }
    PrompterError::Terminal(error).into()
}
