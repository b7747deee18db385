//! Finding a nats-server that is recent enough.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use keyledger_wire::ServerVersion;

use crate::{
    cli::shell,
    exit::{Exit, Failure},
};

const NAME: &str = "nats-server";
const VARIABLE: &str = "KEYLEDGER_NATS_SERVER";

/// Finds the nats-server that the variable names, the first recent enough one on `PATH`, or the one that `./dev` installed.
pub(super) fn nats_server() -> anyhow::Result<PathBuf> {
    if let Some(named) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        let path = PathBuf::from(named);
        return match version(&path) {
            Some(found) if found.is_supported() => Ok(path),
            Some(found) => {
                let problem = format!(
                    "{VARIABLE} names {}, which is {found}, and Keyledger needs {} or later: {}",
                    path.display(),
                    ServerVersion::MINIMUM,
                    ServerVersion::WHY
                );
                Err(Failure::new(Exit::Usage, problem)
                    .remedy("name a later one, or unset it")
                    .into())
            }
            None => {
                let problem = format!(
                    "{VARIABLE} names {}, which is no nats-server",
                    path.display()
                );
                Err(Failure::new(Exit::Usage, problem)
                    .remedy("correct it, or unset it")
                    .into())
            }
        };
    }
    let mut too_old = Vec::new();
    for path in shell::all_on_path(NAME)
        .into_iter()
        .chain(shell::in_tools(NAME))
    {
        match version(&path) {
            Some(found) if found.is_supported() => return Ok(path),
            Some(found) => too_old.push(format!("{} is {found}", path.display())),
            None => {}
        }
    }
    Err(missing(&too_old).into())
}

fn missing(too_old: &[String]) -> Failure {
    let least = ServerVersion::MINIMUM;
    let old = if too_old.is_empty() {
        String::new()
    } else {
        format!(" ({})", too_old.join(", "))
    };
    Failure::new(Exit::Error, format!("there is no nats-server of version {least} or later{old}")).remedy(
        "in the repository `./dev up` installs one; else put one on PATH: https://github.com/nats-io/nats-server/releases, \
         `brew install nats-server`, or `go install github.com/nats-io/nats-server/v2@latest`",
    )
}

fn version(program: &Path) -> Option<ServerVersion> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().strip_prefix("nats-server:")?.parse().ok()
}
