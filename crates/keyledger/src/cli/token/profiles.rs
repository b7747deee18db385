//! Provisioning profiles: the shipped ones and your own.

use std::{io::Read as _, path::Path};

use anyhow::Context as _;
use keyledger_domain::token::Profile;
use serde_json::json;

use crate::{
    exit::{Exit, Failure},
    output::Output,
    table::Table,
};

/// The largest profile, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// Show the shipped provisioning profiles, or one as TOML, as a start for your own
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger token profiles
  keyledger token profiles person > ours.toml
  keyledger token profiles --check ours.toml")]
pub(super) struct Profiles {
    /// The profile to show as TOML
    #[arg(conflicts_with = "check")]
    name: Option<String>,
    /// Read a file and say whether it is a valid profile
    #[arg(long, value_name = "FILE")]
    check: Option<std::path::PathBuf>,
}

impl Profiles {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        if let Some(file) = &self.check {
            let profile = from_file(file)?;
            if out.is_json() {
                out.json(&profile)?;
            } else {
                out.line(format!("{} is a profile: {}", profile.name, profile.about))?;
            }
            return Ok(());
        }
        if let Some(name) = &self.name {
            let toml = Profile::shipped_toml(name).ok_or_else(|| unknown(name))?;
            if out.is_json() {
                out.json(&json!({ "name": name, "toml": toml }))?;
            } else {
                out.raw(toml.as_bytes())?;
            }
            return Ok(());
        }
        let shipped: Vec<_> = Profile::shipped_names()
            .filter_map(Profile::shipped)
            .collect();
        if out.is_json() {
            out.json(&shipped)?;
            return Ok(());
        }
        let mut table = Table::new(&["NAME", "PIV", "OPENPGP", "ABOUT"]);
        for profile in &shipped {
            let slots: Vec<_> = profile.piv.keys().map(ToString::to_string).collect();
            table.row([
                profile.name.to_string().into(),
                slots.join(" ").into(),
                if profile.openpgp.is_some() {
                    "S E A"
                } else {
                    ""
                }
                .into(),
                profile.about.to_string().into(),
            ]);
        }
        out.table(&table)?;
        Ok(())
    }
}

/// A shipped profile, or one in a file: a name with a dot or a slash is a file.
pub(super) fn profile(text: &str) -> anyhow::Result<Profile> {
    if text.contains(['.', '/']) {
        from_file(Path::new(text))
    } else {
        Profile::shipped(text).ok_or_else(|| unknown(text).into())
    }
}

fn from_file(file: &Path) -> anyhow::Result<Profile> {
    let shown = file.display();
    let size = std::fs::metadata(file)
        .with_context(|| format!("reading profile {shown}"))?
        .len();
    if size > MAX_BYTES {
        let problem = format!("profile {shown} has {size} bytes, and at most {MAX_BYTES} are read");
        return Err(Failure::new(Exit::Usage, problem).into());
    }
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
        .with_context(|| format!("reading profile {shown}"))?;
    Profile::read(&text).map_err(|error| {
        Failure::new(Exit::Usage, format!("profile {shown}"))
            .because(error)
            .remedy("begin with a shipped one: `keyledger token profiles person`")
            .into()
    })
}

fn unknown(name: &str) -> Failure {
    let names: Vec<_> = Profile::shipped_names().collect();
    Failure::new(Exit::Usage, format!("there is no shipped profile {name:?}")).remedy(format!(
        "one of {}; a file of your own needs a `.` or a `/` in its name",
        names.join(", ")
    ))
}
