//! Destroying a key: this command asks for a confirmation.

use std::io::{BufRead, IsTerminal, Write};

use keyledger_domain::{Name, key};

use crate::{
    args::Reasoned,
    cli::order,
    exit::{Exit, Failure},
};

/// Destroy a key's material for good; its record stays
///
/// Only a pre-active, deactivated or compromised key can be destroyed. What it protected can never be read again.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  keyledger key destroy orders-db --reason 'end of retention' --ticket OPS-12 --yes"
)]
pub(crate) struct Destroy {
    /// The key's name
    name: Name,
    /// Do not ask for the name again
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    why: Reasoned,
}

order!(Destroy => "destroyed", key::Destroy, |this| key::Destroy {
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

impl Destroy {
    /// Asks for the name again, unless --yes was given.
    pub(super) fn confirm(&self) -> anyhow::Result<()> {
        if self.yes {
            return Ok(());
        }
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            let problem = format!(
                "{} was not destroyed: there is no terminal to confirm it on",
                self.name
            );
            return Err(Failure::new(Exit::Usage, problem)
                .remedy("give --yes in a script")
                .into());
        }
        let mut ask = std::io::stderr();
        write!(
            ask,
            "This erases the material of {} for good. Type its name to go on: ",
            self.name
        )?;
        ask.flush()?;
        let mut answer = String::new();
        stdin.lock().read_line(&mut answer)?;
        if answer.trim() == self.name.as_str() {
            return Ok(());
        }
        Err(Failure::new(Exit::Usage, format!("{} was not destroyed", self.name)).into())
    }
}
