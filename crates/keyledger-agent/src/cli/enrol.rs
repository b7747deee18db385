//! `keyledger-agent enrol`: enrols this workstation's agent with an organisation.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use keyledger_domain::Name;
use keyledger_wire::Enrolment;
use serde_json::json;

use super::{
    aside::{Aside, LeftTask, LeftWork, set_aside},
    running,
};
use crate::{
    clock,
    config::{AgentClaims, AgentConfig, CONFIG_FILE, ConfigError, JWT_FILE},
    directories::Directories,
    exit::{CliError, Exit},
    identity::{FileIdentity, Identity as _, NKEY_FILE},
    output::{Output, warning},
};

/// Make this workstation's agent known to the ledger, in two steps
///
/// First, `--name` makes the agent's keys on this workstation, where they stay, and shows the command that the administrator
/// runs. Then, `--accept` takes over the file that the administrator sends back. The file holds no secret.
///
/// A name can be enrolled once. An agent that was revoked or has expired needs another name, and with it gets new keys and an
/// empty journal. Its old files are kept beside the new ones, under names that end in the date.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger-agent enrol --name alice-laptop
  keyledger-agent enrol --accept alice-laptop.enrolment
  ssh admin@server cat alice-laptop.enrolment | keyledger-agent enrol --accept -

If the agent was revoked or has expired, stop it, and run `keyledger-agent enrol --name alice-laptop-2`.")]
pub(crate) struct EnrolWorkstation {
    /// The name of this workstation in the ledger
    #[arg(
        long,
        value_name = "WORKSTATION",
        required_unless_present = "accept",
        conflicts_with = "accept"
    )]
    name: Option<Name>,
    /// Make new keys and an empty journal even if the name is the enrolled one; another name always does
    #[arg(long, requires = "name")]
    anew: bool,
    /// The file from the administrator; - reads standard input
    #[arg(long, value_name = "FILE")]
    accept: Option<PathBuf>,
}

impl EnrolWorkstation {
    pub(super) fn run(self, directories: &Directories, out: &mut Output<'_>) -> anyhow::Result<()> {
        directories.make()?;
        match (self.name, self.accept) {
            (Some(name), _) => begin(&name, self.anew, directories, out),
            (None, Some(file)) => accept(&file, directories, out),
            (None, None) => {
                Err(CliError::new(Exit::Usage, "give --name WORKSTATION or --accept FILE").into())
            }
        }
    }
}

fn begin(
    name: &Name,
    anew: bool,
    directories: &Directories,
    out: &mut Output<'_>,
) -> anyhow::Result<()> {
    let aside = if anew || is_to_be_new(name, directories)? {
        set_aside(directories, clock::now())?
    } else {
        Aside::default()
    };
    let identity = FileIdentity::make(&directories.config)?;
    let nkey = identity.public_nkey();
    let command = format!("keyledger agent enrol {name} --nkey {nkey} --out {name}.enrolment");
    if out.is_json() {
        return Ok(out.json(&json!({
            "workstation": name, "nkey": nkey, "administrator_runs": command,
            "then": format!("keyledger-agent enrol --accept {name}.enrolment"),
            "kept_aside": aside.files, "left": aside.left,
        }))?);
    }
    tell_aside(&aside, out)?;
    out.line(format!("The agent's public nkey is {nkey}."))?;
    out.line(format!(
        "Its seed is in {} and stays there.\n",
        directories.config.display()
    ))?;
    out.line(format!("An administrator runs:\n  {command}\n"))?;
    out.line(format!(
        "Then, here:\n  keyledger-agent enrol --accept {name}.enrolment"
    ))?;
    Ok(())
}

/// True if this name needs new keys: the workstation is enrolled under another name, or its keys were moved away by hand.
///
/// # Errors
///
/// `ConfigError` if the settings cannot be read: then it is not known to which name the keys belong.
fn is_to_be_new(name: &Name, directories: &Directories) -> anyhow::Result<bool> {
    if !directories.config.join(NKEY_FILE).exists() {
        return Ok(true);
    }
    if !directories.config.join(JWT_FILE).exists() {
        return Ok(false); // the enrolment was begun and never accepted: show the same keys again
    }
    match AgentConfig::read(&directories.config) {
        Ok(config) => Ok(config.workstation != *name),
        Err(ConfigError::NotEnrolled { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn tell_aside(aside: &Aside, out: &mut Output<'_>) -> io::Result<()> {
    if aside.files.is_empty() {
        return Ok(());
    }
    out.line("The agent's old files are kept aside:")?;
    for file in &aside.files {
        out.line(format!("  {}", file.display()))?;
    }
    match &aside.left {
        LeftWork::Tasks(tasks) if tasks.is_empty() => {
            out.line("No task was open in the old journal.")?
        }
        LeftWork::Tasks(tasks) => {
            for LeftTask { task, undelivered } in tasks {
                let text = format!("Task {task} was open. Reports not delivered: {undelivered}.");
                out.styled(warning(), text)?;
            }
            out.styled(
                warning(),
                "The new agent does not continue these tasks: the administrator cancels them and files them again for the new name.",
            )?;
        }
        LeftWork::Unknown(why) => out.styled(
            warning(),
            format!("Which tasks were open in the old journal is not known: {why}."),
        )?,
    }
    out.line("")
}

fn accept(file: &Path, directories: &Directories, out: &mut Output<'_>) -> anyhow::Result<()> {
    let identity = FileIdentity::open(&directories.config)?;
    let bytes = read(file).with_context(|| format!("reading {}", file.display()))?;
    let enrolment = Enrolment::read(&bytes).with_context(|| file.display().to_string())?;
    let claims = AgentClaims::of(&enrolment.jwt, identity.public_nkey())?;
    let config = AgentConfig::accept(&directories.config, &enrolment)?;
    let config_file = directories.config.join(CONFIG_FILE);
    if out.is_json() {
        return Ok(out.json(&json!({
            "enrolled": true, "workstation": config.workstation, "url": config.url, "operator": config.operator,
            "config": config_file, "expires": claims.exp,
        }))?);
    }
    out.line(format!(
        "{} is enrolled with the organisation of operator {}.",
        config.workstation, config.operator
    ))?;
    out.line(
        "Ask the administrator for the operator's nkey by another way, such as the telephone, and compare the two: the holder of that key \
         commands the tokens here.",
    )?;
    let start = if running::status(directories).is_ok() {
        "Restart the running agent to use it: `systemctl --user restart keyledger-agent`."
    } else {
        "Start the agent with `keyledger-agent run`, or let systemd start it: `keyledger-agent unit --help` says how."
    };
    out.line(format!("Settings: {}. {start}", config_file.display()))?;
    Ok(())
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = Enrolment::MAX_BYTES as u64 + 1; // one byte more shows that the file is too long
    if file == Path::new("-") {
        io::stdin().take(limit).read_to_end(&mut bytes)?;
    } else {
        File::open(file)?.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
