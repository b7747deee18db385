//! Asking the person before something that cannot be undone.

use std::io::{BufRead, IsTerminal, Write};

use keyledger_domain::Name;

use crate::exit::{Exit, Failure};

/// Asks a question on the terminal; every answer but yes means no.
pub(super) fn yes(question: &str) -> std::io::Result<bool> {
    let mut ask = std::io::stderr();
    write!(ask, "{question} [y/N] ")?;
    ask.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Asks for the token's serial number again.
pub(super) fn serial(name: &Name, what: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        let problem =
            format!("token {name}: nothing was done, since there is no terminal to confirm it on");
        return Err(Failure::new(Exit::Usage, problem)
            .remedy("give --yes in a script")
            .into());
    }
    let mut ask = std::io::stderr();
    write!(ask, "{what} Type its serial number to go on: ")?;
    ask.flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    if answer.trim() == name.as_str() {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, format!("token {name}: nothing was done")).into())
}
