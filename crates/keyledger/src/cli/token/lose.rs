//! Losing a token: everything on it is revoked in one command, and shown first.

use std::io::IsTerminal as _;

use keyledger_domain::{Name, token, views::TokenRow};

use serde_json::json;

use super::show;
use crate::{
    args::Reasoned,
    cli::{confirm::yes, order, send, send::order_of},
    exit::{Exit, Failure},
    output::{self, Output},
    session::Session,
    table::Table,
};

/// Declare a token lost: revokes every key on it, their certificates, and the NATS users bound to it
///
/// It shows first what will be revoked. This cannot be undone: a token that is found again is reset and provisioned again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger token lose 12345678 --reason 'left on the train' --ticket SEC-12
  keyledger token lose 12345678 --reason 'stolen' --yes")]
pub(super) struct Lose {
    /// The token's serial number
    name: Name,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    why: Reasoned,
}

order!(Lose => "declared lost and revoked all of", token::Lose, |this| token::Lose {
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

impl Lose {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let row = show::row(session, &self.name).await?;
        if !out.is_json() {
            show(&row, out)?;
        }
        if !self.yes {
            ask(&self.name)?;
        }
        if !out.is_json() {
            return send(session, out, self).await;
        }
        let done = order_of(session, self).await?;
        let mut said = serde_json::to_value(&done)?;
        said["revoked"] = json!({ "keys": row.keys, "users": row.users });
        Ok(out.json(&said)?)
    }
}

fn show(row: &TokenRow, out: &mut Output<'_>) -> anyhow::Result<()> {
    if row.keys.is_empty() && row.users.is_empty() {
        out.styled(
            output::faint(),
            "there is nothing on it: only the loss is recorded",
        )?;
        return Ok(());
    }
    out.line("this is revoked:")?;
    let mut table = Table::new(&["WHAT", "NAME", "STATE", "CERTIFICATE"]);
    for key in &row.keys {
        table.row([
            format!("key in {}", key.place).into(),
            key.key.to_string().into(),
            key.state.as_str().into(),
            key.certificate_serial.clone().unwrap_or_default().into(),
        ]);
    }
    for user in &row.users {
        table.row([
            "NATS user".into(),
            user.to_string().into(),
            "".into(),
            "".into(),
        ]);
    }
    out.table(&table)?;
    Ok(())
}

fn ask(name: &Name) -> anyhow::Result<()> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        let problem = format!(
            "token {name}: nothing was revoked, since there is no terminal to confirm it on"
        );
        return Err(Failure::new(Exit::Usage, problem)
            .remedy("give --yes in a script")
            .into());
    }
    if yes("Revoke all of this?")? {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, format!("token {name}: nothing was revoked")).into())
}
