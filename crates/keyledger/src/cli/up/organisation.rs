//! The organisation that `up` works for: made on the first start, opened on every further one.

use std::{
    fs::{File, OpenOptions, TryLockError},
    net::TcpListener,
    path::PathBuf,
};

use anyhow::Context as _;
use keyledger_service::trust::{InitOptions, OpenError, Organisation, Root, initialise};

use super::Up;
use crate::{
    cli::init,
    exit::{Exit, Failure},
    output::{Output, warning},
    when,
};

/// Where clients look for NATS unless told otherwise.
const USUAL_PORT: u16 = 4222;

/// Opens the organisation in the directory, or makes one for development.
pub(super) fn open_or_make(up: &Up, out: &mut Output<'_>) -> anyhow::Result<Organisation> {
    match Organisation::open(&up.dir) {
        Ok(organisation) => {
            agree(up, &organisation)?;
            Ok(organisation)
        }
        Err(OpenError::Missing { .. }) => make(up, out),
        Err(error) => Err(error.into()),
    }
}

fn make(up: &Up, out: &mut Output<'_>) -> anyhow::Result<Organisation> {
    let port = match up.port {
        // It is the organisation's for ever: contexts are written with it.
        Some(port) => match listen(port) {
            Ok(()) => port,
            Err(source) => {
                let problem = format!(
                    "port {port} of 127.0.0.1 cannot be listened on, and nothing was made: {source}"
                );
                return Err(Failure::new(Exit::Error, problem)
                    .remedy("stop what listens there, name another port, or leave out --port")
                    .into());
            }
        },
        None if is_free(USUAL_PORT) => USUAL_PORT,
        None => {
            let port = any_port().context("looking for a free port")?;
            if !out.is_json() {
                out.styled(
                    warning(),
                    &format!("port {USUAL_PORT} is taken: this organisation uses {port}"),
                )?;
            }
            port
        }
    };
    let title = up
        .organisation
        .as_ref()
        .map_or("Development", |title| title.as_str());
    let made = initialise(InitOptions {
        title: title.to_owned(),
        prefix: up.prefix.clone().unwrap_or_default(),
        directory: up.dir.clone(),
        root: Root::LocalFile,
        now: when::now(),
        url: format!("nats://127.0.0.1:{port}"),
    });
    let made = made.with_context(|| format!("making an organisation in {}", up.dir.display()))?;
    if !out.is_json() {
        out.line(format!(
            "made organisation {} in {}",
            made.title,
            made.directory().display()
        ))?;
        init::insecure(&made, out)?;
    }
    Ok(made)
}

/// What was chosen on the first start stays: creds, contexts and streams go by it.
fn agree(up: &Up, organisation: &Organisation) -> anyhow::Result<()> {
    let dir = organisation.directory().display();
    let differs = |what: &str, asked: String, is: String| {
        let problem = format!("{dir} was made with {what} {is}, not {asked}");
        Err(Failure::new(Exit::Usage, problem)
            .remedy(format!(
                "leave out --{what}, or name another directory with --dir"
            ))
            .into())
    };
    if let Some(prefix) = &up.prefix
        && *prefix != organisation.prefix()
    {
        return differs(
            "prefix",
            prefix.to_string(),
            organisation.prefix().to_string(),
        );
    }
    let port = port(organisation)?;
    match up.port {
        Some(asked) if asked != port => differs("port", asked.to_string(), port.to_string()),
        _ => Ok(()),
    }
}

/// The port on loopback that an organisation's clients connect to.
pub(super) fn port(organisation: &Organisation) -> anyhow::Result<u16> {
    let url: async_nats::ServerAddr = organisation
        .url
        .parse()
        .context("the organisation's address")?;
    let local = matches!(url.host(), "127.0.0.1" | "localhost" | "::1" | "[::1]");
    if local && url.scheme() == "nats" {
        return Ok(url.port());
    }
    let problem = format!(
        "{} was made for {}, which is not on loopback",
        organisation.title, organisation.url
    );
    Err(Failure::new(Exit::Usage, problem)
        .remedy("`up` is for one machine: start nats-server yourself, then `keyledger setup` and `keyledger serve`")
        .into())
}

/// Held for as long as it lives: one `up` a directory.
pub(super) fn lock(organisation: &Organisation) -> anyhow::Result<File> {
    let path: PathBuf = organisation.directory().join("server/up.lock");
    let failed = || format!("locking {}", path.display());
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let problem = format!(
                "another `keyledger up` runs in {}",
                organisation.directory().display()
            );
            Err(Failure::new(Exit::Error, problem)
                .remedy("use that one, or name another directory with --dir")
                .into())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(failed),
    }
}

/// True if nobody listens there on loopback.
pub(super) fn is_free(port: u16) -> bool {
    listen(port).is_ok()
}

fn listen(port: u16) -> std::io::Result<()> {
    TcpListener::bind(("127.0.0.1", port)).map(drop)
}

fn any_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
