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

/// Show a token: its state, its holder, what is on it, what it last reported
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
    if row.state == "quarantined" && row.fault.is_none() {
        let said =
            "a task was cancelled after it had begun to change the token: provision it again";
        line("fault", Cell::styled(said, output::fault()));
    }
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
        // The tries as of `seen`: a PIN that was mistyped elsewhere is not reported. Announcements before the last proof no longer count.
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn printed(more: Value) -> String {
        let mut row = json!({
            "name": "12345678", "state": "provisioned", "secrets_in_custody": true, "revision": 7,
            "changed_at": "2026-11-22T10:00:00Z", "workstation": "desk", "shown_at": "2026-11-22T09:00:00Z",
            "shown": { "serial": 12_345_678, "firmware": "5.7.1", "form_factor": "usb_c_keychain", "applets": ["piv"],
                       "slots": [], "pin_tries": 3, "puk_tries": 3, "factory_pin": true },
        });
        let fields = row.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        let row: TokenRow = serde_json::from_value(row).unwrap();
        let mut text = Vec::new();
        let mut out = Output::fixed(
            &mut text,
            None,
            when::parse_moment("2026-11-22T12:00:00Z").unwrap(),
        );
        print(&row, &mut out).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// Provisioning replaces the factory's PIN, so an earlier announcement says nothing about the new one.
    #[test]
    fn what_a_token_showed_before_it_was_proved_is_over() {
        let unproved = printed(json!({}));
        assert!(
            unproved.contains("STILL SET") && unproved.contains("PIN tries then"),
            "{unproved}"
        );
        let proved = printed(json!({ "proved_at": "2026-11-22T10:00:00Z" }));
        assert!(
            !proved.contains("STILL SET") && !proved.contains("tries then"),
            "{proved}"
        );
        let shown_since = printed(json!({ "proved_at": "2026-11-22T08:00:00Z" }));
        assert!(shown_since.contains("PIN tries then"), "{shown_since}");
    }

    #[test]
    fn a_quarantine_without_a_fault_says_that_a_task_was_cancelled() {
        let said = printed(json!({ "state": "quarantined" }));
        assert!(said.contains("a task was cancelled"), "{said}");
    }
}
