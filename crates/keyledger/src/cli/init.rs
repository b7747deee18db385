//! `keyledger init`: an organisation's trust, made offline.

use std::path::PathBuf;

use anyhow::Context as _;
use keyledger_custody::KdfCost;
use keyledger_domain::text::Title;
use keyledger_service::trust::{InitOptions, Organisation, Root, RootKind, check_url, initialise};
use keyledger_wire::Prefix;
use serde_json::json;

use super::passphrase;
use crate::{
    exit::{Exit, Failure},
    output::{Output, warning},
    place::DEFAULT_DIR,
    when,
};

/// Make an organisation's trust: operator, accounts, roles, first creds. Offline; needs no server
///
/// Writes a directory (mode 0700, files 0600), completely or not at all. It must not exist, or be empty:
///
///   keyledger.json       names and public nkeys, for serve, setup and up; nothing secret
///   genesis.jsonl        the first entries of the ledger, signed by the operator
///   server/trust.conf    for a server's configuration: operator, system account, account JWTs
///   jwt/                 the JWTs, one a file; public
///   sealed/              the root key, sealed under the passphrase: everything else is sealed under it
///   material/            sealed keys; `keyledger setup` uploads them
///   offline/             the operator's identity, sealed: nothing online needs it, so lock it away
///   creds/service.creds  SECRET: the running service
///   creds/system.creds   SECRET: the running service in the system account; root of your NATS
///   creds/setup.creds    SECRET: makes streams; for `setup` only
///   creds/admin.creds    SECRET: the first administrator
///   contexts/            contexts of the nats CLI: export XDG_CONFIG_HOME=DIR/contexts
///   README.txt           all of this again
///
/// Then: start nats-server with server/trust.conf (nats-config/ shows how), `keyledger setup`, `keyledger serve`.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  keyledger init --organisation 'Acme Ltd' --dir /etc/keyledger --url tls://nats.acme.example:4222
  keyledger init --organisation 'Acme Ltd' --dir acme --prefix acme.security.keys --passphrase-file passphrase"
)]
pub(crate) struct Init {
    /// What people call the organisation
    #[arg(long, value_name = "TITLE")]
    organisation: Title,
    /// The directory to write
    #[arg(long, value_name = "DIR", env = "KEYLEDGER_DIR", default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// The prefix of all subjects
    #[arg(long, env = "KEYLEDGER_PREFIX", default_value_t)]
    prefix: Prefix,
    /// Where clients will connect
    #[arg(long, default_value = "nats://127.0.0.1:4222")]
    url: String,
    /// The file with the root key's passphrase, mode 0600 [default: asked for twice at the terminal]
    #[arg(long, value_name = "FILE", env = "KEYLEDGER_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
    /// Keep the root key unsealed in a file: everybody who can read it has every key. For development only
    #[arg(long, conflicts_with = "passphrase_file")]
    insecure_local_root_key: bool,
}

impl Init {
    pub(crate) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        // Not checked by clap, which would repeat the value, and a password in it.
        check_url(&self.url)
            .map_err(|bad| Failure::new(Exit::Usage, format!("--url is wrong: {bad}")))?;
        let root = match (self.insecure_local_root_key, &self.passphrase_file) {
            (true, _) => Root::LocalFile,
            (false, Some(file)) => Root::Passphrase(passphrase::from_file(file)?, KdfCost::USUAL),
            (false, None) => {
                Root::Passphrase(passphrase::ask_twice("the root key")?, KdfCost::USUAL)
            }
        };
        let made = initialise(InitOptions {
            title: self.organisation.to_string(),
            prefix: self.prefix,
            directory: self.dir.clone(),
            root,
            now: when::now(),
            url: self.url,
        });
        let made = made.map_err(|error| occupied(&self.dir, error.into()))?;
        print(&made, out)
    }
}

/// The failure if the directory cannot be used as it is.
fn occupied(dir: &std::path::Path, error: anyhow::Error) -> anyhow::Error {
    let is_occupied = dir
        .read_dir()
        .is_ok_and(|mut entries| entries.next().is_some());
    if !is_occupied {
        return error.context("making the organisation");
    }
    let problem = format!(
        "{} is not empty, and existing files are never replaced",
        dir.display()
    );
    Failure::new(Exit::Usage, problem)
        .remedy("name another directory with --dir")
        .into()
}

fn print(made: &Organisation, out: &mut Output<'_>) -> anyhow::Result<()> {
    let dir = made.directory();
    if out.is_json() {
        out.json(&json!({
            "directory": dir, "title": made.title, "prefix": made.prefix().as_str(), "url": made.url,
            "operator": made.operator, "genesis": made.genesis,
        }))?;
        return Ok(());
    }
    out.line(format!("made {} in {}", made.title, dir.display()))?;
    out.line(format!("operator {}", made.operator))?;
    out.line(format!(
        "what lies where: {}",
        dir.join("README.txt").display()
    ))?;
    match made.root {
        RootKind::LocalFile => insecure(made, out)?,
        RootKind::Passphrase => {
            out.line(format!(
                "lock this away, because nothing online needs it: {}",
                made.operator_identity().display()
            ))?;
        }
    }
    let quoted = crate::cli::shell::quoted(&dir.display().to_string());
    out.line(format!("next, with nats-server up: keyledger setup --dir {quoted} && keyledger serve --dir {quoted}"))?;
    Ok(())
}

/// Warns that a root key is stored unsealed.
pub(super) fn insecure(organisation: &Organisation, out: &mut Output<'_>) -> anyhow::Result<()> {
    let path = organisation.root_file();
    let text = format!(
        "DEVELOPMENT ONLY: the root key is stored unsealed in {}; everybody who can read it has every key",
        path.display()
    );
    out.styled(warning().bold(), &text).context("saying so")
}
