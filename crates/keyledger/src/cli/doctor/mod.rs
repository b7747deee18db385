//! `keyledger doctor`: is everything as it should be?

mod judge;

use std::{fmt, time::Instant};

use anstyle::Style;
use keyledger_domain::text::shell_word;
use keyledger_wire::{
    CommandError,
    query::{Nothing, ServiceStatus},
};
use serde::Serialize;

use crate::{
    connect::Connection,
    exit::{self, Exit, Failure},
    output::{self, Output},
    place,
    session::Session,
};

/// Check connection, servers, durability, streams, clocks, trust, and what expires soon
///
/// Each line says ok, warn or fail, and what to do. Exits with 1 if anything fails, with 6 if somebody should look at something.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  keyledger doctor\n  keyledger doctor --json")]
pub(crate) struct Doctor {
    #[command(flatten)]
    connection: Connection,
}

/// One finding.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    level: Level,
    what: String,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

impl Finding {
    pub(super) fn ok(what: &str, found: impl fmt::Display) -> Self {
        Self {
            level: Level::Ok,
            what: what.to_owned(),
            found: found.to_string(),
            remedy: None,
        }
    }

    fn warn(what: &str, found: impl fmt::Display, remedy: &str) -> Self {
        let remedy = Some(remedy.to_owned());
        Self {
            level: Level::Warn,
            what: what.to_owned(),
            found: found.to_string(),
            remedy,
        }
    }

    pub(super) fn fail(what: &str, found: impl fmt::Display, remedy: &str) -> Self {
        Self {
            level: Level::Fail,
            ..Self::warn(what, found, remedy)
        }
    }
}

impl Doctor {
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let findings = self.examine().await;
        if out.is_json() {
            out.json(&findings)?
        } else {
            print(&findings, out)?
        }
        let count = |level| findings.iter().filter(|f| f.level == level).count();
        let (failed, warned) = (count(Level::Fail), count(Level::Warn));
        let all = findings.len();
        let (exit, said) = if failed > 0 {
            (Exit::Error, format!("{failed} of {all} checks failed"))
        } else if warned > 0 {
            (Exit::Warned, format!("{warned} of {all} checks warn"))
        } else {
            return Ok(());
        };
        Err(Failure::new(exit, said).told().into())
    }

    async fn examine(&self) -> Vec<Finding> {
        let session = match self.connection.open().await {
            Ok(session) => session,
            Err(error) => {
                let remedy = "is nats-server up there, and are these its creds? --server, --creds, --context, --dir";
                return vec![Finding::fail("connection", format!("{error:#}"), remedy)];
            }
        };
        let mut findings = connection(&session);
        findings.extend(contexts(&session));
        findings.extend(files(&session));
        match answers(&session).await {
            Ok((within, status)) => {
                findings.push(within);
                for finding in judge::all(&status) {
                    // The connected server is one of those that answered, and need not be shown twice.
                    if !findings.contains(&finding) {
                        findings.push(finding);
                    }
                }
            }
            Err(error) => {
                let advice = exit::remedy(&error).filter(|_| {
                    !matches!(
                        error.downcast_ref(),
                        Some(CommandError::NobodyServes { .. })
                    )
                });
                let remedy = advice.unwrap_or_else(|| {
                    "start it with `keyledger up` or `keyledger serve`; an account must import it"
                        .to_owned()
                });
                findings.push(Finding::fail("service", format!("{error:#}"), &remedy));
            }
        }
        findings
    }
}

/// How fast the service answers, and what it says about itself. For that the service asks every server, and waits for slow ones.
async fn answers(session: &Session) -> anyhow::Result<(Finding, ServiceStatus)> {
    let asked = Instant::now();
    let _: serde_json::Value = session.query("operator", &Nothing {}).await?;
    let ms = asked.elapsed().as_secs_f64() * 1e3;
    let status = session.query("status", &Nothing {}).await?;
    Ok((Finding::ok("answer", format!("within {ms:.1} ms")), status))
}

/// Secrets in the directory that other users than their owner can read.
fn files(session: &Session) -> Option<Finding> {
    let dir = session.dir()?;
    let folders = ["creds", "sealed", "material", "offline"];
    let entries = folders
        .iter()
        .filter_map(|folder| dir.join(folder).read_dir().ok());
    let entries = entries.flatten().flatten().map(|entry| entry.path());
    let mut open: Vec<_> = entries.filter(|path| place::is_open(path)).collect();
    open.sort_unstable();
    let words: Vec<_> = open
        .iter()
        .map(|path| shell_word(&path.display().to_string()))
        .collect();
    let first = words.first()?;
    let found = format!("{} can be read by others, as {first}", words.len());
    let remedy = format!("chmod go= {}", words.join(" "));
    Some(Finding::warn("files", found, &remedy))
}

/// The finding that the contexts of the `nats` CLI name another directory than their own, because it was moved or copied.
fn contexts(session: &Session) -> Option<Finding> {
    let dir = session.dir()?;
    let organisation = place::organisation(dir).ok()?;
    let elsewhere = organisation.context_looks_elsewhere(place::ADMINISTRATOR)?;
    let word = shell_word(&dir.display().to_string());
    let remedy = format!("`keyledger contexts --dir {word}` writes them again");
    Some(Finding::warn(
        "contexts",
        format!("the contexts of the nats CLI name creds in another place: {elsewhere}"),
        &remedy,
    ))
}

fn connection(session: &Session) -> Vec<Finding> {
    let info = session.client().nats().server_info();
    let found = format!("{} ({}:{})", info.server_name, info.host, info.port);
    vec![
        Finding::ok("connection", found),
        judge::version(&info.server_name, &info.version),
    ]
}

fn print(findings: &[Finding], out: &mut Output<'_>) -> std::io::Result<()> {
    for Finding {
        level,
        what,
        found,
        remedy,
    } in findings
    {
        let (word, style) = match level {
            Level::Ok => ("ok  ", output::good()),
            Level::Warn => ("warn", output::warning()),
            Level::Fail => ("fail", output::fault()),
        };
        let line = format!("{word}  {what}: {found}");
        out.styled(
            if *level == Level::Ok {
                Style::new()
            } else {
                style
            },
            &line,
        )?;
        if let Some(remedy) = remedy {
            out.line(format!("      → {remedy}"))?;
        }
    }
    Ok(())
}
