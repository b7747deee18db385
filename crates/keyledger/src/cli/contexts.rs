//! `keyledger contexts`: contexts of the `nats` CLI, for a directory that was moved, or for a user's creds.

use std::path::PathBuf;

use anyhow::Context as _;
use keyledger_domain::text::shell_word;
use keyledger_service::trust::fit;
use keyledger_wire::{
    creds::{Holder, MAX_BYTES},
    read_ordinary_text,
};
use serde_json::json;

use super::openpgp::files;
use crate::{
    connect::Connection,
    exit::{Exit, Failure},
    output::Output,
    place,
};

/// Write contexts of the nats CLI: again for an organisation's directory, or one for a creds file
///
/// A context says where to connect, as which user, and where answers arrive: the server lets a user listen only on its own inboxes, so
/// `nats --creds FILE` needs --inbox-prefix too. For roles that see everything, `nats kv` works on KEYS_INVENTORY. If the directory
/// was moved or copied, its contexts still name the old place: this command corrects them. Needs no server.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger contexts --dir /srv/keyledger
  keyledger contexts --creds orders.creds --out orders.json

Then: nats --context ./orders.json req keys.queries.inventory.locate '{}'")]
pub(crate) struct Contexts {
    /// The file to write a context for --creds to; it must not exist
    #[arg(long, value_name = "FILE", requires = "creds")]
    out: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

impl Contexts {
    pub(crate) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        match (&self.out, self.connection.named_creds()) {
            (Some(file), Some(creds)) => self.of_creds(file, creds, out),
            (None, Some(_)) => Err(Failure::new(
                Exit::Usage,
                "a context for creds needs an output file",
            )
            .remedy("name it with --out FILE.json; leave --creds out for the contexts of --dir")
            .into()),
            (_, None) => self.of_directory(out),
        }
    }

    fn of_directory(&self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let dir = self.connection.dir_or_default();
        let organisation = place::organisation(&dir)?;
        let written = organisation.write_contexts()?;
        if out.is_json() {
            return Ok(out.json(&json!({ "written": written }))?);
        }
        for file in &written {
            out.line(format!("wrote {}", file.display()))?;
        }
        let home = shell_word(&organisation.contexts().display().to_string());
        out.line(format!("for the nats CLI: export XDG_CONFIG_HOME={home}"))?;
        Ok(())
    }

    fn of_creds(
        &self,
        file: &std::path::Path,
        creds: &std::path::Path,
        out: &mut Output<'_>,
    ) -> anyhow::Result<()> {
        files::check_absent(file)?;
        let text = read_ordinary_text(creds, MAX_BYTES)
            .with_context(|| format!("the creds file {}", creds.display()))?;
        let holder = Holder::of(&text).ok_or_else(|| {
            let problem = format!("{} holds no user's JWT", creds.display());
            Failure::new(Exit::Usage, problem)
                .remedy("give the file that `keyledger user issue` wrote")
        })?;
        // The nats CLI reads the path relative to the directory that it is started in.
        let creds = std::path::absolute(creds).context("where the creds file is")?;
        let around = self.connection.dir_around();
        let holder = match around.and_then(|dir| place::organisation(&dir).ok()) {
            Some(organisation) => organisation.with_role(holder),
            None => holder,
        };
        let mut context = self.connection.as_context()?;
        context["description"] = holder.name.as_str().into();
        fit(&mut context, &creds, &holder, &self.connection.prefix()?);
        files::write_private(file, format!("{context:#}\n").as_bytes())?;
        if out.is_json() {
            return Ok(out.json(&json!({ "written": [file] }))?);
        }
        let path = std::path::absolute(file).context("where the context is")?;
        let word = shell_word(&path.display().to_string());
        out.line(format!("wrote {}: nats --context {word} …", file.display()))?;
        Ok(())
    }
}
