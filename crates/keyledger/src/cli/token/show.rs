//! Tokens, as a list and in full.

use anstyle::Style;
use anyhow::Context as _;
use keyledger_domain::{Name, Timestamp, views::TokenRow};
use keyledger_wire::query::Nothing;

use crate::{
    cli::pages,
    output::{self, Output},
    session::Session,
    table::{Cell, Table},
    when,
};

/// Show a token: where it stands, who holds it, what is on it, what it last showed
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  keyledger token show 12345678\n  keyledger token show 12345678 --json"
)]
pub(super) struct Show {
    /// The token's serial number
    name: Name,
}

impl Show {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let row = row(session, &self.name).await?;
        if out.is_json() {
            out.json(&row)?
        } else {
            print(&row, out)?
        }
        Ok(())
    }
}

/// A token as the ledger knows it.
pub(super) async fn row(session: &Session, name: &Name) -> anyhow::Result<TokenRow> {
    session
        .query(&format!("tokens.show.{name}"), &Nothing {})
        .await
        .with_context(|| format!("showing token {name}"))
}

/// Prints every token.
pub(super) async fn list(session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
    let rows: Vec<TokenRow> = pages::every(session, "tokens")
        .await
        .context("listing tokens")?;
    if out.is_json() {
        return Ok(out.json(&rows)?);
    }
    if rows.is_empty() {
        out.styled(
            output::faint(),
            "no tokens: an agent announces those that are plugged in",
        )?;
        return Ok(());
    }
    let now = out.now();
    let mut table = Table::new(&[
        "SERIAL",
        "STATE",
        "TITLE",
        "PRINCIPAL",
        "PROFILE",
        "FIRMWARE",
        "SEEN AT",
        "PROVED",
    ]);
    for row in &rows {
        table.row([
            row.name.to_string().into(),
            Cell::styled(state(row), style(&row.state)),
            row.title
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default()
                .into(),
            row.principal.as_ref().map_or("", Name::as_str).into(),
            row.profile.as_ref().map_or("", Name::as_str).into(),
            row.shown
                .as_ref()
                .map(|s| s.firmware.to_string())
                .unwrap_or_default()
                .into(),
            row.workstation.as_ref().map_or("", Name::as_str).into(),
            row.proved_at
                .map(|at| when::dated(at, now))
                .unwrap_or_default()
                .into(),
        ]);
    }
    out.table(&table)?;
    Ok(())
}

fn state(row: &TokenRow) -> String {
    match &row.task {
        Some(task) => {
            let step = task.step.map_or("filed", |step| step.as_str());
            format!("{}, {}: {step}", row.state, task.kind.as_str())
        }
        None => row.state.clone(),
    }
}

fn style(state: &str) -> Style {
    match state {
        "provisioned" => output::good(),
        "quarantined" | "lost" => output::fault(),
        "provisioning" => output::warning(),
        "retired" | "destroyed" => output::faint(),
        _ => Style::new(),
    }
}

fn print(row: &TokenRow, out: &mut Output<'_>) -> std::io::Result<()> {
    let now = out.now();
    let mut table = Table::new(&["", ""]);
    let mut line = |what: &str, value: Cell| {
        if !value.is_empty() {
            table.row([Cell::styled(what, output::faint()), value]);
        }
    };
    fn maybe<T: ToString>(value: Option<&T>) -> Cell {
        value.map(T::to_string).unwrap_or_default().into()
    }
    let dated = |at: Option<Timestamp>| -> Cell {
        at.map(|at| format!("{}  ({})", when::moment(at), when::relative(at, now)))
            .unwrap_or_default()
            .into()
    };
    line("serial", row.name.to_string().into());
    line("state", Cell::styled(state(row), style(&row.state)));
    line(
        "fault",
        Cell::styled(
            row.fault
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            output::fault(),
        ),
    );
    line("title", maybe(row.title.as_ref()));
    line("principal", maybe(row.principal.as_ref()));
    line("profile", maybe(row.profile.as_ref()));
    line("proved", dated(row.proved_at));
    line(
        "secrets",
        if row.secrets_in_custody {
            "in custody"
        } else {
            ""
        }
        .into(),
    );
    let users: Vec<_> = row.users.iter().map(Name::as_str).collect();
    line("NATS users", users.join(", ").into());
    line("seen at", maybe(row.workstation.as_ref()));
    line("seen", dated(row.shown_at));
    if let Some(shown) = &row.shown {
        line("firmware", shown.firmware.to_string().into());
        // As of `seen`: who mistypes a PIN elsewhere tells nobody. What it showed before it was proved is over.
        let is_over = row.proved_at > row.shown_at;
        let tries = |tries: &Option<u8>| maybe(tries.as_ref().filter(|_| !is_over));
        line("PIN tries then", tries(&shown.pin_tries));
        line("PUK tries then", tries(&shown.puk_tries));
        line(
            "factory PIN",
            if shown.factory_pin == Some(true) && !is_over {
                "STILL SET"
            } else {
                ""
            }
            .into(),
        );
    }
    for seen in &row.elsewhere {
        let (at, firmware) = (when::relative(seen.shown_at, now), seen.shown.firmware);
        let said = format!("{} says, {at}: firmware {firmware}", seen.workstation);
        line("elsewhere", Cell::styled(said, output::warning()));
    }
    line("revision", row.revision.to_string().into());
    out.table(&table)?;
    if row.keys.is_empty() {
        return Ok(());
    }
    out.line("")?;
    let mut keys = Table::new(&["PLACE", "KEY", "STATE", "CERTIFICATE", "UNTIL"]);
    for key in &row.keys {
        keys.row([
            key.place.as_str().into(),
            key.key.to_string().into(),
            key.state.as_str().into(),
            key.certificate_serial.clone().unwrap_or_default().into(),
            key.not_after
                .map(|at| when::dated(at, now))
                .unwrap_or_default()
                .into(),
        ]);
    }
    out.table(&keys)
}
