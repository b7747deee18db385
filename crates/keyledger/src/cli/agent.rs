//! `keyledger agent`: the agents of workstations.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use keyledger_domain::{
    Name, Role,
    name::Aggregate,
    user,
    views::{OperatorRow, TokenRow, UserRow},
};
use keyledger_wire::{AGENTS_ACCOUNT, Enrolment, query::Nothing};

use crate::{
    args::Why,
    cli::{history, openpgp::files, pages, shell, user as users},
    connect::Connection,
    exit::{Exit, Failure, is_refused_for},
    output::{self, Output},
    session::Session,
    table::Table,
    when::{self, Period},
};

/// Enrol the agents of workstations, which carry out tasks on YubiKeys.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger agent enrol ada-laptop --nkey UABC --out ada-laptop.enrolment
  keyledger agent list

`keyledger-agent enrol` on the workstation shows the public nkey, and takes the file.
`keyledger user revoke ada-laptop --reason TEXT` ends an agent.")]
pub(crate) struct Agent {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Enrol(Enrol),
    /// List the agents
    #[command(after_help = "Example:\n  keyledger agent list")]
    List,
    /// Show an agent: its user, and the tokens and tasks at its workstation
    #[command(after_help = "Example:\n  keyledger agent show ada-laptop")]
    Show {
        /// The workstation's name
        name: Name,
    },
    /// Show an agent's history: who did what, when and why, and what it changed
    #[command(after_help = "Example:\n  keyledger agent history ada-laptop")]
    History {
        /// The workstation's name
        name: Name,
    },
}

/// Enrol a workstation's agent: issues its NATS user, and writes a file with everything it needs to start, without any secret
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger agent enrol ada-laptop --nkey UABC --out ada-laptop.enrolment
  keyledger agent enrol lab-pc --nkey UABC --agent-url tls://nats.acme.example:4222 --expires-days 180d --out lab-pc.enrolment")]
struct Enrol {
    /// The workstation's name: chosen once, never used again
    name: Name,
    /// The agent's public nkey, as `keyledger-agent enrol` shows it
    #[arg(long)]
    nkey: String,
    /// The file to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Where the agent reaches NATS [default: the same servers as this command]
    #[arg(long = "agent-url", value_name = "URL")]
    url: Option<String>,
    /// The principal it stands for: a workstation
    #[arg(long)]
    principal: Option<Name>,
    /// When it expires: 30d, 4w, 36h, or a date like 2027-03-01; at most 365d [default: 180d]
    #[arg(long, value_name = "PERIOD", value_parser = when::parse_users_period, visible_alias = "expires")]
    expires_days: Option<Period>,
    #[command(flatten)]
    why: Why,
}

impl Agent {
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        if let Verb::Enrol(enrol) = &self.verb
            && fs::symlink_metadata(&enrol.out).is_ok()
        {
            let problem = format!(
                "{} exists already, and nobody was enrolled",
                enrol.out.display()
            );
            return Err(Failure::new(Exit::Usage, problem)
                .remedy("name another file with --out")
                .into());
        }
        if let Verb::Enrol(enrol) = &self.verb {
            files::check_absent(&enrol.out)?;
        }
        let session = self.connection.open().await?;
        match self.verb {
            Verb::Enrol(enrol) => enrol.run(&session, out).await,
            Verb::List => list(&session, out).await,
            Verb::Show { name } => show(&session, &name, out).await,
            Verb::History { name } => history::run(&session, out, Aggregate::User, &name).await,
        }
    }
}

impl Enrol {
    async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let ids = self.why.under.ids();
        let period = self.expires_days.unwrap_or(Period::Days(180));
        let (expires_days, expires_at) = period.fields();
        let body = user::Issue {
            account: Name::new(AGENTS_ACCOUNT).expect("it is a name"),
            nkey: Some(self.nkey),
            seal_to: None,
            role: Some(Role::Agent),
            principal: self.principal,
            expires_days,
            expires_at,
            keys: None,
            publish: None,
            subscribe: None,
            reason: self.why.reason,
            ticket: self.why.under.ticket,
        };
        let done = session
            .command(&self.name, &body, ids)
            .await
            .with_context(|| format!("enrolling agent {}", self.name))?;
        let signing: keyledger_domain::views::InventoryRow = session
            .query(
                &format!("inventory.show.{}", keyledger_domain::LEDGER_SIGNING_KEY),
                &Nothing {},
            )
            .await
            .context("asking for the ledger's signing key")?;
        let operator: OperatorRow = session
            .query("operator", &Nothing {})
            .await
            .context("asking for the operator")?;
        let url = self.url.unwrap_or_else(|| session.url().to_owned());
        let enrolment = Enrolment {
            version: Enrolment::VERSION,
            workstation: self.name.clone(),
            url,
            prefix: session.client().prefix().to_string(),
            jwt: done
                .jwt
                .clone()
                .context("the JWT did not come with the answer")?,
            signers: signing.nkey.into_iter().collect(),
            operator: operator.nkey,
        };
        let mut text = serde_json::to_vec_pretty(&enrolment)?;
        text.push(b'\n');
        files::write_new(&self.out, &text)?;
        if out.is_json() {
            let mut said = serde_json::to_value(&done)?;
            said["operator"] = enrolment.operator.into();
            out.json(&said)?;
        } else {
            out.line(format!(
                "enrolled {} at revision {}: {}",
                done.id,
                done.revision,
                self.out.display()
            ))?;
            out.line(format!(
                "operator {}: tell the person at the workstation in another way",
                enrolment.operator
            ))?;
            out.styled(
                output::faint(),
                &format!(
                    "on the workstation: keyledger-agent enrol --accept {}",
                    shell::quoted(&self.out.display().to_string())
                ),
            )?;
        }
        Ok(())
    }
}

async fn show(session: &Session, name: &Name, out: &mut Output<'_>) -> anyhow::Result<()> {
    let row = users::of(session, name)
        .await
        .map_err(|error| unknown(name, error))?;
    if row.role != Some(Role::Agent) {
        let problem = format!("{name} is a user, and no agent");
        return Err(Failure::new(Exit::Rejected, problem)
            .remedy(format!(
                "`keyledger user show {name}` shows it; `keyledger agent list` lists the agents"
            ))
            .into());
    }
    let tokens: Vec<TokenRow> = pages::every(session, "tokens")
        .await
        .context("listing tokens")?;
    let is_here = |token: &TokenRow| {
        let task = token.task.as_ref().map(|task| &task.workstation);
        token.workstation.as_ref() == Some(name) || task == Some(name)
    };
    let tokens: Vec<TokenRow> = tokens.into_iter().filter(is_here).collect();
    if out.is_json() {
        return Ok(out.json(&serde_json::json!({ "user": row, "tokens": tokens }))?);
    }
    users::show(&row, out)?;
    if tokens.is_empty() {
        out.styled(output::faint(), "no token was seen there")?;
        return Ok(());
    }
    out.line("")?;
    let mut table = Table::new(&["TOKEN", "STATE", "PRINCIPAL", "TASK", "FILED"]);
    for token in &tokens {
        let task = token.task.as_ref().filter(|task| task.workstation == *name);
        table.row([
            token.name.to_string().into(),
            token.state.as_str().into(),
            token.principal.as_ref().map_or("", Name::as_str).into(),
            task.map(|task| history::word(&task.kind))
                .unwrap_or_default()
                .into(),
            task.map(|task| when::dated(task.filed_at, out.now()))
                .unwrap_or_default()
                .into(),
        ]);
    }
    Ok(out.table(&table)?)
}

/// The user asked for an agent, and need not know that an agent is a NATS user.
fn unknown(name: &Name, error: anyhow::Error) -> anyhow::Error {
    if !is_refused_for(&error, "not_found") {
        return error;
    }
    Failure::new(Exit::Rejected, format!("there is no agent {name}"))
        .remedy("`keyledger agent list` lists the agents")
        .into()
}

async fn list(session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
    let rows: Vec<UserRow> = pages::every(session, &format!("credentials.{AGENTS_ACCOUNT}"))
        .await
        .context("listing agents")?;
    let rows: Vec<_> = rows
        .into_iter()
        .filter(|row| row.role == Some(Role::Agent))
        .collect();
    if out.is_json() {
        return Ok(out.json(&rows)?);
    }
    if rows.is_empty() {
        out.styled(output::faint(), "no agents: `keyledger agent enrol` makes one, for the nkey that `keyledger-agent enrol` shows")?;
        return Ok(());
    }
    let now = out.now();
    let mut table = Table::new(&["WORKSTATION", "STATE", "EXPIRES", "NKEY"]);
    for row in &rows {
        table.row([
            row.name.to_string().into(),
            users::state(row),
            row.expires_at
                .map_or("never".to_owned(), |at| when::dated(at, now))
                .into(),
            row.nkey.as_str().into(),
        ]);
    }
    out.table(&table)?;
    Ok(())
}
