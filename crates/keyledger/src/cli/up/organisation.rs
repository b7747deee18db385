//! The organisation that `up` works for: made on the first start, opened on every further one.

use std::{
    fs::{File, OpenOptions, TryLockError},
    net::TcpListener,
    path::PathBuf,
};

use anyhow::Context as _;
use keyledger_service::trust::{InitOptions, Organisation, OrganisationError, Root, initialise};

use super::Up;
use crate::{
    cli::{init, shell::quoted},
    exit::{Exit, Failure},
    output::{Output, warning},
    place::ADMINISTRATOR,
    when,
};

/// The port on which clients look for NATS by default.
const USUAL_PORT: u16 = 4222;
/// The directory for the server's JetStream store, in the organisation's directory.
const JETSTREAM: &str = "server/jetstream";

/// Opens the organisation in the directory, or makes one for development.
pub(super) fn open_or_make(up: &Up, out: &mut Output<'_>) -> anyhow::Result<Organisation> {
    match Organisation::open(&up.dir) {
        Ok(organisation) => {
            agree(up, &organisation)?;
            Ok(organisation)
        }
        Err(OrganisationError::Missing { .. }) => make(up, out),
        Err(error) => Err(error.into()),
    }
}

fn make(up: &Up, out: &mut Output<'_>) -> anyhow::Result<Organisation> {
    let port = match up.port {
        // The port belongs to the organisation for ever, because its contexts contain it.
        Some(port) => match listen(port) {
            Ok(()) => port,
            Err(source) => {
                let problem =
                    format!("port {port} of 127.0.0.1 cannot be used, and nothing was made");
                return Err(Failure::new(Exit::Error, problem)
                    .because(source)
                    .remedy("stop the program that listens there, name another port, or leave out --port")
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

/// Refuses other values than those of the first start: creds, contexts and streams depend on them.
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

/// Refuses a directory that was set up on another server: its ledger is there, and not on the server of `up`. It is for `serve`.
pub(super) fn check_own_store(organisation: &Organisation) -> anyhow::Result<()> {
    let dir = organisation.directory();
    if !organisation.was_set_up() || dir.join(JETSTREAM).is_dir() {
        return Ok(());
    }
    let problem = format!(
        "{} was set up on another nats-server, at {}, which has its ledger; {JETSTREAM} does not",
        dir.display(),
        organisation.url
    );
    let word = quoted(&dir.display().to_string());
    Err(Failure::new(Exit::Usage, problem)
        .remedy(format!(
            "this directory is for `keyledger serve --dir {word}`, beside that server; a `keyledger up` whose {JETSTREAM} is lost is \
             restored from a backup of the whole directory"
        ))
        .into())
}

/// Writes the contexts of the nats CLI again if the directory was moved or copied: the commands that `up` prints use them.
pub(super) fn at_home(organisation: &Organisation, out: &mut Output<'_>) -> anyhow::Result<()> {
    let own = organisation.creds(ADMINISTRATOR);
    let elsewhere = organisation.context_looks_elsewhere(ADMINISTRATOR);
    // Creds that somebody keeps under another name stay there.
    let was_here = elsewhere.filter(|creds| creds.ends_with("creds/admin.creds"));
    if was_here.is_none() || !own.is_file() {
        return Ok(());
    }
    organisation
        .write_contexts()
        .context("writing the contexts of the nats CLI again")?;
    if !out.is_json() {
        out.line("the directory was moved: the contexts of the nats CLI were written again")?;
    }
    Ok(())
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

/// The lock of a directory, held as long as it lives: only one `up` may run in it.
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

/// True if nobody listens on this port of loopback.
pub(super) fn is_free(port: u16) -> bool {
    listen(port).is_ok()
}

fn listen(port: u16) -> std::io::Result<()> {
    TcpListener::bind(("127.0.0.1", port)).map(drop)
}

fn any_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use keyledger_wire::Prefix;

    use super::*;

    fn made(directory: PathBuf) -> Organisation {
        initialise(InitOptions {
            title: "Acme".to_owned(),
            prefix: Prefix::default(),
            directory,
            root: Root::LocalFile,
            now: when::now(),
            url: "nats://127.0.0.1:4222".to_owned(),
        })
        .unwrap()
    }

    #[test]
    fn a_directory_of_another_server_is_for_serve() {
        let home = tempfile::tempdir().unwrap();
        let organisation = made(home.path().join("acme"));
        check_own_store(&organisation).unwrap();
        fs::write(organisation.directory().join("set-up.json"), "{}").unwrap();
        let error = check_own_store(&organisation).unwrap_err();
        let remedy = crate::exit::remedy(&error).unwrap();
        assert!(remedy.contains("`keyledger serve --dir"), "{remedy}");
        // The directory that `up` made has it.
        fs::create_dir_all(organisation.directory().join(JETSTREAM)).unwrap();
        check_own_store(&organisation).unwrap();
    }

    #[test]
    fn the_contexts_of_a_directory_that_was_moved_are_written_anew() {
        let home = tempfile::tempdir().unwrap();
        let before = made(home.path().join("before"));
        let after = home.path().join("after");
        fs::rename(before.directory(), &after).unwrap();
        let moved = Organisation::open(&after).unwrap();
        assert!(moved.context_looks_elsewhere(ADMINISTRATOR).is_some());
        let mut text = Vec::new();
        let mut out = Output::fixed(&mut text, None, when::now());
        at_home(&moved, &mut out).unwrap();
        assert_eq!(moved.context_looks_elsewhere(ADMINISTRATOR), None);
        // Files that somebody keeps elsewhere stay as they are.
        let own = serde_json::json!({ "creds": "/run/secrets/ada.creds" }).to_string();
        fs::write(moved.context(ADMINISTRATOR), own).unwrap();
        at_home(&moved, &mut out).unwrap();
        assert!(moved.context_looks_elsewhere(ADMINISTRATOR).is_some());
    }
}
