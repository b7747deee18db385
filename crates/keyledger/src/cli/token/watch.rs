//! Watching a token: each step as it happens, with what the person must do now.

use async_nats::Subscriber;
use futures::StreamExt as _;
use keyledger_domain::{
    Event, Name, Record,
    name::{Aggregate, HistoryId},
    token,
    views::TokenRow,
};
use keyledger_wire::notice::Notice;
use serde_json::json;
use uuid::Uuid;

use super::show;
use crate::{
    exit::{Exit, Failure},
    heard::Listening,
    output::{self, Output},
    session::Session,
    when,
};

/// Watch a token: each step of its task, and what the person at it must do now
///
/// It ends with Ctrl-C, or when the token is retired or destroyed. With `--wait`, a command that files a task ends with the task.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  keyledger token watch 12345678")]
pub(super) struct Watch {
    /// The token's serial number
    name: Name,
}

impl Watch {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let watching = Watching::begin(session, &self.name).await?;
        let row = show::row(session, &self.name).await?;
        if matches!(row.state.as_str(), "retired" | "destroyed") {
            return over(&row, out);
        }
        watching.until_ended(session, out, None).await
    }
}

/// A listener to everything that happens to a token.
pub(super) struct Watching {
    name: Name,
    notices: Subscriber,
    events: Listening,
    /// How many messages on the subject of notices were no notices. A notice is not signed, so other messages are not shown.
    unreadable: u64,
}

impl Watching {
    /// Begins to listen.
    pub(super) async fn begin(session: &Session, name: &Name) -> anyhow::Result<Self> {
        let prefix = session.client().prefix();
        let history = HistoryId::new(Aggregate::Token, name.clone());
        Ok(Self {
            name: name.clone(),
            notices: session.subscribe(prefix.notice(name.as_str())).await?,
            events: session.events(prefix.history(&history)).await?,
            unreadable: 0,
        })
    }

    /// Prints what happens until the task ends, or for ever if no task is given.
    ///
    /// # Errors
    ///
    /// If the task failed.
    pub(super) async fn until_ended(
        mut self,
        session: &Session,
        out: &mut Output<'_>,
        task: Option<Uuid>,
    ) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                message = self.notices.next() => {
                    let message = message.ok_or_else(lost)?;
                    let Ok(notice) = serde_json::from_slice::<Notice>(&message.payload) else {
                        self.unreadable += 1;
                        continue;
                    };
                    if task.is_none() || notice.task == task {
                        tell(&notice, out)?;
                    }
                }
                heard = self.events.next() => {
                    let record = heard?.ok_or_else(lost)?.record;
                    let Event::Token(event) = &record.event else { continue };
                    say(&record, event, out)?;
                    if task.is_none() && is_last(event) {
                        return Ok(());
                    }
                    if let (Some(task), Some((ended, done))) = (task, end(event))
                        && ended == task
                    {
                        settled(session, &self.name, record.revision).await?;
                        return done.map_or_else(
                            |(why, remedy)| Err(Failure::new(Exit::Rejected, format!("token {}: {why}", self.name)).remedy(remedy).into()),
                            |()| Ok(()),
                        );
                    }
                }
                denied = session.denied() => return Err(Failure::from(denied).into()),
                _ = tokio::signal::ctrl_c() => return Ok(()),
            }
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if self.unreadable > 0 {
            let (name, many) = (&self.name, self.unreadable);
            eprintln!(
                "note: skipped {many} messages on the subject of token {name}'s notices that were no notices"
            );
        }
    }
}

/// Waits a moment: the event arrives here while the service is still folding it, and the next question must see it.
async fn settled(session: &Session, name: &Name, revision: u32) -> anyhow::Result<()> {
    const TRIES: u32 = 50;
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
    for _ in 0..TRIES {
        let row = show::row(session, name).await?;
        if row.revision >= revision {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// True if the event ends the token's use: no agent will do anything with it again.
const fn is_last(event: &token::Event) -> bool {
    matches!(event, token::Event::Retired(_) | token::Event::Destroyed(_))
}

/// The failure if there is nothing to watch.
fn over(row: &TokenRow, out: &mut Output<'_>) -> anyhow::Result<()> {
    if out.is_json() {
        return Ok(out.json_line(&json!({ "serial": row.name, "state": row.state }))?);
    }
    let (name, state) = (&row.name, &row.state);
    out.line(format!(
        "token {name} is {state}: nothing will happen to it"
    ))?;
    Ok(())
}

fn lost() -> Failure {
    Failure::new(Exit::Unreachable, "the connection was lost").remedy(
        "the task continues, but is no longer shown: `keyledger token show SERIAL` shows its progress",
    )
}

/// A step, and what the person must do now.
fn tell(notice: &Notice, out: &mut Output<'_>) -> anyhow::Result<()> {
    if out.is_json() {
        return Ok(out.json_line(notice)?);
    }
    let at = notice
        .at
        .as_ref()
        .map(|at| format!(" {at}"))
        .unwrap_or_default();
    match notice.prompt {
        Some(prompt) => {
            out.styled(
                output::warning(),
                &format!("  {}{at}: {}", notice.step.as_str(), prompt.sentence()),
            )?;
        }
        None => out.line(format!("  {}{at}", notice.step.as_str()))?,
    }
    Ok(())
}

/// What the ledger says.
fn say(record: &Record, event: &token::Event, out: &mut Output<'_>) -> anyhow::Result<()> {
    use token::Event as E;
    if out.is_json() {
        let line = json!({
            "at": record.occurred_at, "event": record.event.past(), "revision": record.revision, "data": event,
        });
        return Ok(out.json_line(&line)?);
    }
    let name = &record.history.name;
    let at = when::moment(record.occurred_at);
    let (style, text) = match event {
        E::TaskProgressed(_) => return Ok(()), // the notice was printed already
        E::SecretsEscrowed(_) => (output::faint(), "its secrets are in custody".to_owned()),
        E::EscrowedKeyReleased(given) => (
            output::faint(),
            format!("given to the agent from custody: {}", given.escrowed.key),
        ),
        E::KeysMade(made) => {
            let keys: Vec<_> = made
                .keys
                .iter()
                .map(|k| format!("{} {}", k.place, k.key))
                .collect();
            (
                output::faint(),
                format!("made and attested: {}", keys.join(", ")),
            )
        }
        E::Provisioned(p) => (
            output::good(),
            format!("PROVISIONED, attested up to {}", p.root),
        ),
        E::Verified(p) => (
            output::good(),
            format!("VERIFIED, attested up to {}", p.root),
        ),
        E::Quarantined(q) => (output::fault(), format!("QUARANTINED: {}", q.fault)),
        E::TaskFailed(f) => (
            output::fault(),
            format!("FAILED ({}): {}", f.code.as_str(), f.detail),
        ),
        _ => (output::faint(), record.event.past().replace('_', " ")),
    };
    out.styled(style, &format!("{at}  token {name} {text}"))?;
    Ok(())
}

/// Why a task failed, and what to do.
type Undone = (String, &'static str);

/// The task that an event ends, and whether it succeeded.
fn end(event: &token::Event) -> Option<(Uuid, Result<(), Undone>)> {
    use token::Event as E;
    Some(match event {
        E::Provisioned(p) | E::Verified(p) => (p.task, Ok(())),
        E::WasReset(e) | E::Unblocked(e) | E::SecretsRotated(e) => (e.task, Ok(())),
        E::Quarantined(q) => (
            q.task,
            Err((
                format!("its evidence does not fit: {}", q.fault),
                "do not use it; find out why, then reset it with `keyledger token reset`",
            )),
        ),
        E::TaskFailed(f) => (f.task, Err((f.detail.to_string(), f.code.remedy()))),
        E::TaskCancelled(e) => (
            e.task,
            Err((
                "the task was cancelled".to_owned(),
                "file it again if that was not intended",
            )),
        ),
        _ => return None,
    })
}
