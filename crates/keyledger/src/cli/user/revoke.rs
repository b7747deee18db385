//! Revoking a user, and waiting until every server refuses it.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use keyledger_domain::{
    Event, Name,
    name::{Aggregate, HistoryId},
    user,
};
use serde::Serialize;
use serde_json::json;

use crate::{
    args::Reasoned,
    cli::{confirm::yes, history, order, send, shell},
    exit::{Exit, Failure},
    heard::Listening,
    output::{Output, warning},
    session::Session,
};

/// Revoke a NATS user: its connections are cut and it cannot connect again
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger user revoke orders --reason 'laptop stolen' --ticket SEC-1123
  keyledger user revoke orders --reason 'laptop stolen' --wait")]
pub(crate) struct Revoke {
    /// The user's name
    name: Name,
    /// Wait until every server refuses it, and print how long that took
    #[arg(long)]
    wait: bool,
    /// Do not ask, even if this command's own creds are revoked
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    why: Reasoned,
}

order!(Revoke => "revoked", user::Revoke, |this| user::Revoke {
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

/// A confirmed revocation.
#[derive(Serialize)]
struct Confirmed {
    /// Milliseconds until the last server refused it.
    took_ms: u64,
    /// The servers.
    servers: Vec<String>,
}

impl Revoke {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let name = self.name.clone();
        let is_own = session.is_of(&name);
        if is_own && !self.yes {
            confirm(&name)?;
        }
        match self.revoke(session, out).await {
            // The acknowledgement was lost with the connection. That the server cut it is the best proof.
            Err(_) if session.was_revoked(&name) => print_own(&name, out)?,
            // The server cut the connection without a reason, and has refused it since. The revocation is the likely reason, but not proved.
            Err(_) if is_own && session.is_refused() => return Err(unanswered(&name).into()),
            done => done?,
        }
        if is_own && !out.is_json() {
            say_what_next(session, out)?;
        }
        Ok(())
    }

    async fn revoke(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        if !self.wait {
            return send::send(session, out, self).await;
        }
        let name = self.name.clone();
        let id = HistoryId::new(Aggregate::User, name.clone());
        let subject = session.client().prefix().event(&id, "revocation_confirmed");
        // Listening begins before the command is sent, because the event arrives within milliseconds.
        let mut events = session.events(subject).await?;
        let done = send::order_of(session, self).await?;
        let confirmed = tokio::select! {
            confirmed = wait(&mut events) => confirmed?,
            denied = session.denied() => return Err(Failure::from(denied).into()),
            () = tokio::time::sleep(session.patience()) => {
                // Perhaps it was confirmed before, or the event was missed while the connection was lost.
                earlier(session, &name).await?.ok_or_else(|| unconfirmed(&name))?
            }
        };
        if out.is_json() {
            let mut value = serde_json::to_value(&done)?;
            value["confirmed"] = serde_json::to_value(&confirmed)?;
            out.json(&value)?;
            return Ok(());
        }
        send::print::<Self>(out, &done)?;
        let Confirmed { took_ms, servers } = confirmed;
        let servers = if servers.is_empty() {
            "every server".to_owned()
        } else {
            servers.join(", ")
        };
        out.line(format!("refused by {servers} after {took_ms} ms"))?;
        Ok(())
    }
}

/// Asks the person at the terminal, if there is one, before this command's own creds are revoked.
fn confirm(name: &Name) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        return Ok(());
    }
    let question = format!("{name} is the user of these creds: they will stop working. Revoke it?");
    match yes(&question)? {
        true => Ok(()),
        false => Err(Failure::new(Exit::Usage, format!("user {name}: nothing was revoked")).into()),
    }
}

/// What to do after this command's own creds were revoked.
fn say_what_next(session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
    let said = match session.dir() {
        Some(dir) => {
            let word = shell::quoted(&dir.display().to_string());
            format!(
                "note: to go on in {word}, put another administrator's creds into creds/admin.creds there, and run \
                 `keyledger contexts --dir {word}`"
            )
        }
        None => "note: these creds no longer work: use others with --creds or --context".to_owned(),
    };
    Ok(out.styled(warning(), &said)?)
}

/// Prints the result for a user that revoked itself.
fn print_own(name: &Name, out: &mut Output<'_>) -> anyhow::Result<()> {
    if out.is_json() {
        out.json(&json!({ "id": name, "state": "revoked", "acknowledged": false }))?;
        return Ok(());
    }
    out.line(format!(
        "revoked {name}: it is the user of these creds, so the server cut this connection; the revocation is in force"
    ))?;
    Ok(())
}

/// The failure of a user that revoked itself, got no answer, and has been refused since.
fn unanswered(name: &Name) -> Failure {
    let problem = format!(
        "user {name}: the command was not answered, and the server no longer accepts these creds: the user was probably revoked"
    );
    Failure::new(Exit::Rejected, problem).remedy(format!(
        "ask another administrator to look with `keyledger user show {name}`"
    ))
}

async fn wait(events: &mut Listening) -> anyhow::Result<Confirmed> {
    let heard = events.next().await?;
    let record = heard
        .context("the connection was lost while waiting")?
        .record;
    match record.event {
        Event::User(user::Event::RevocationConfirmed(confirmed)) => Ok(Confirmed {
            took_ms: confirmed.took_ms,
            servers: confirmed.servers.iter().map(ToString::to_string).collect(),
        }),
        other => anyhow::bail!("{} arrived instead of a confirmation", other.type_name()),
    }
}

async fn earlier(session: &Session, name: &Name) -> anyhow::Result<Option<Confirmed>> {
    let entries = history::of(session, Aggregate::User, name).await?;
    let took = entries
        .iter()
        .filter(|entry| entry.event == "revocation_confirmed")
        .flat_map(|entry| &entry.changes)
        .find(|change| change.field == "revocation_took_ms")
        .and_then(|change| change.to.as_u64());
    Ok(took.map(|took_ms| Confirmed {
        took_ms,
        servers: Vec::new(),
    }))
}

fn unconfirmed(name: &Name) -> Failure {
    let problem = format!(
        "user {name} is revoked, and not every server has confirmed yet that it refuses it"
    );
    Failure::new(Exit::Error, problem)
        .remedy("the service keeps pushing; `keyledger doctor` shows which account is unconfirmed")
}
