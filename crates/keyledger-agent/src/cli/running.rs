//! Asks the running agent.

use std::{
    io::{self, Read as _},
    os::unix::net::UnixStream,
    time::Duration,
};

use anyhow::Context as _;
use keyledger_wire::local::SOCKET;

use crate::{
    directories::Directories,
    exit::{CliError, Exit},
    run::AgentStatus,
};

/// The longest wait for an answer. A running agent answers at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// The status of the running agent.
pub(super) fn status(directories: &Directories) -> anyhow::Result<AgentStatus> {
    let path = directories.runtime.join(SOCKET);
    let socket = match UnixStream::connect(&path) {
        Ok(socket) => socket,
        Err(error) => {
            use io::ErrorKind::{ConnectionRefused, NotFound};
            if !matches!(error.kind(), ConnectionRefused | NotFound) {
                return Err(error).with_context(|| format!("asking at {}", path.display()));
            }
            let problem = "no agent runs here for this user";
            return Err(CliError::new(Exit::Unreachable, problem)
                .remedy("start it with `systemctl --user start keyledger-agent`, or `keyledger-agent run`")
                .into());
        }
    };
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.shutdown(std::net::Shutdown::Write)?; // a client that sends nothing asks for the status
    let mut text = String::new();
    socket
        .take(MAX_BYTES)
        .read_to_string(&mut text)
        .context("the agent does not answer")?;
    serde_json::from_str(&text).context("the running agent has another version: restart it")
}
