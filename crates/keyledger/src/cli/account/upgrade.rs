//! Upgrading accounts to the newest version of the templates, after a look at what that changes.

use std::{collections::BTreeSet, io::IsTerminal as _, time::Duration};

use anyhow::Context as _;
use keyledger_domain::{
    Name,
    account::{self, Purpose},
    record::Ids,
};
use keyledger_wire::{Acknowledgement, query::AccountUpgrade};
use tokio::time::Instant;
use uuid::Uuid;

use super::accounts;
use crate::{
    args::Why,
    cli::{confirm::yes, pages, send::remarks},
    exit::{self, Exit, Failure},
    output::{Output, fault, good, warning},
    session::Session,
};

/// The pause between two looks whether every server holds the new JWTs.
const PAUSE: Duration = Duration::from_millis(100);
/// From when on an answer that does not come is taken for lost.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Upgrade accounts to the newest version of the templates: their users and roles get what those of new accounts have
///
/// An account stands on the version of the templates that it was made with. First this shows what each account gains and loses, and asks
/// for consent. Nobody needs new credentials: what a role may do stands in the JWT of the account, which is pushed to the servers.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger account upgrade --all --plan
  keyledger account upgrade --all
  keyledger account upgrade orders --yes")]
pub(crate) struct Upgrade {
    /// The account's name
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    name: Option<Name>,
    /// Upgrade every account that stands on an older version
    #[arg(long)]
    all: bool,
    /// Only show what would change
    #[arg(long)]
    plan: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    why: Why,
}

impl Upgrade {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let mut plan = due(session).await?;
        if let Some(name) = &self.name {
            plan.retain(|row| row.name == *name);
            let exists =
                !plan.is_empty() || accounts(session).await?.iter().any(|row| row.name == *name);
            if !exists {
                return Err(super::not_there(name).into());
            }
        }
        if self.plan && out.is_json() {
            return Ok(out.json(&plan)?);
        }
        if !out.is_json() {
            print(&plan, out)?;
        }
        if self.plan {
            return Ok(());
        }
        if !plan.is_empty() && !self.yes {
            ask(plan.len())?;
        }
        let done = carry_out(session, &plan, &self.why, out).await?;
        if out.is_json() {
            out.json(&done)?;
        }
        Ok(())
    }
}

/// Upgrades every account that stands on an older version, without asking; gives their names.
pub(crate) async fn all(
    session: &Session,
    why: &Why,
    out: &mut Output<'_>,
) -> anyhow::Result<Vec<Name>> {
    let plan = due(session).await?;
    carry_out(session, &plan, why, out).await?;
    Ok(plan.into_iter().map(|row| row.name).collect())
}

/// The accounts that stand on an older version, in the order in which they are upgraded: exporters first.
async fn due(session: &Session) -> anyhow::Result<Vec<AccountUpgrade>> {
    let mut due: Vec<AccountUpgrade> = pages::every(session, "accounts.upgrade")
        .await
        .context("asking what an upgrade would change")?;
    due.sort_by(|a, b| (a.stage, &a.name).cmp(&(b.stage, &b.name)));
    Ok(due)
}

/// Upgrades stage by stage. A server must hold what an account exports before it is told what others import.
async fn carry_out(
    session: &Session,
    plan: &[AccountUpgrade],
    why: &Why,
    out: &mut Output<'_>,
) -> anyhow::Result<Vec<Acknowledgement>> {
    // The id that was given is the first command's, and begins the conversation of all of them.
    let first = why.under.ids();
    let mut ids = first;
    let mut done = Vec::new();
    for stage in plan.chunk_by(|a, b| a.stage == b.stage) {
        for row in stage {
            let body = account::Upgrade {
                template: Some(row.to),
                reason: why.reason.clone(),
                ticket: why.under.ticket.clone(),
            };
            // Sent again under the same id, it is still done once.
            let send = async || session.command(&row.name, &body, ids).await;
            let acknowledgement = answered(session, send)
                .await
                .with_context(|| format!("upgrading account {}", row.name))?;
            ids = Ids {
                command: Uuid::now_v7(),
                ..first
            };
            if !out.is_json() {
                let revision = acknowledgement.revision;
                out.line(format!(
                    "upgraded {} to version {} of the templates, at revision {revision}",
                    row.name, row.to
                ))?;
                remarks(out, &acknowledgement)?;
            }
            done.push(acknowledgement);
        }
        let names = stage.iter().map(|row| row.name.clone()).collect();
        let missing = unconfirmed(session, names).await?;
        if !missing.is_empty() && !out.is_json() {
            let missing: Vec<_> = missing.iter().map(Name::as_str).collect();
            let said = format!(
                "note: not every server holds the new JWT yet of {}; `keyledger doctor` says why",
                missing.join(", ")
            );
            out.styled(warning(), &said)?;
        }
    }
    Ok(done)
}

/// Those of the accounts whose JWT is not on every server when the patience ends.
async fn unconfirmed(
    session: &Session,
    mut names: BTreeSet<Name>,
) -> anyhow::Result<BTreeSet<Name>> {
    let end = Instant::now() + session.patience();
    loop {
        let rows = answered(session, async || accounts(session).await).await?;
        for row in rows.iter().filter(|row| row.confirmed) {
            names.remove(&row.name);
        }
        if names.is_empty() || Instant::now() > end {
            return Ok(names);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks until there is an answer. A server that is told of another JWT of the service's account or of the asker's forgets to whom the answers
/// go that are on their way, and for a moment lets nobody through: what is asked meanwhile must be asked again.
async fn answered<T>(
    session: &Session,
    ask: impl AsyncFn() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let end = Instant::now() + session.patience();
    loop {
        match tokio::time::timeout(AGAIN_AFTER, ask()).await {
            Ok(Err(error)) if exit::code(&error) == Exit::Unreachable && Instant::now() < end => {
                tokio::time::sleep(PAUSE).await;
            }
            Ok(answer) => return answer,
            Err(_) if Instant::now() < end => {}
            Err(_) => return ask().await,
        }
    }
}

fn print(plan: &[AccountUpgrade], out: &mut Output<'_>) -> std::io::Result<()> {
    if plan.is_empty() {
        return out.line("nothing to upgrade: the newest version of the templates is in use");
    }
    for row in plan {
        let purpose = match row.purpose {
            Purpose::Client | Purpose::Plain => "",
            Purpose::System | Purpose::Service | Purpose::Views | Purpose::Agents => {
                ", one of this service's own"
            }
        };
        out.line(format!(
            "account {}{purpose}: version {} to {} of the templates",
            row.name, row.from, row.to
        ))?;
        if let Some(said) = &row.fault {
            out.styled(fault(), &format!("  its JWT cannot be made: {said}"))?;
        } else if row.gains.is_empty() && row.loses.is_empty() {
            out.line("  nothing changes for its users")?;
        }
        for gain in &row.gains {
            out.styled(good(), &format!("  + {gain}"))?;
        }
        for loss in &row.loses {
            out.styled(warning(), &format!("  - {loss}"))?;
        }
    }
    Ok(())
}

fn ask(accounts: usize) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        let problem = "nothing was upgraded, since there is no terminal to confirm it on";
        return Err(Failure::new(Exit::Usage, problem)
            .remedy("give --yes in a script")
            .into());
    }
    let what = match accounts {
        1 => "this account".to_owned(),
        many => format!("these {many} accounts"),
    };
    if yes(&format!("Upgrade {what}?"))? {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, "nothing was upgraded").into())
}
