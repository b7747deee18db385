//! `keyledger openpgp export`: certificates in the forms that other programs read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use keyledger_custody::openpgp::{Certificate, ssh, wkd};
use serde_json::json;

use super::files;
use crate::{
    exit::{Exit, Failure},
    output::Output,
};

/// Write certificates as a keyring, as lines for authorized_keys, or as a Web Key Directory
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger openpgp export alice.asc bob.asc --keyring > team.asc
  keyledger openpgp export alice.asc --ssh >> authorized_keys
  keyledger openpgp export alice.asc bob.asc --wkd /srv/www --domain example.org")]
pub(super) struct Export {
    /// The certificates
    #[arg(value_name = "FILE", required = true)]
    certificates: Vec<PathBuf>,
    #[command(flatten)]
    form: ExportForm,
    /// Only addresses of this domain; may be given several times
    #[arg(long, value_name = "DOMAIN", requires = "wkd")]
    domain: Vec<String>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct ExportForm {
    /// A keyring, armored, to standard output
    #[arg(long)]
    keyring: bool,
    /// A line for each authenticate subkey that is valid now, to standard output
    #[arg(long)]
    ssh: bool,
    /// The files that a web server has to serve, below this directory
    #[arg(long, value_name = "DIR")]
    wkd: Option<PathBuf>,
}

impl Export {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let read = self
            .certificates
            .iter()
            .map(|path| files::certificate(path));
        let certificates: Vec<_> = read.collect::<anyhow::Result<_>>()?;
        if self.form.keyring {
            keyring(&certificates, out)
        } else if self.form.ssh {
            authorized_keys(&certificates, out)
        } else {
            let directory = self.form.wkd.context("clap demands one of the three")?;
            web_key_directory(&certificates, &self.domain, &directory, out)
        }
    }
}

fn keyring(certificates: &[Certificate], out: &mut Output<'_>) -> anyhow::Result<()> {
    let armored = Certificate::armored(certificates);
    if out.is_json() {
        let fingerprints: Vec<_> = certificates.iter().map(Certificate::fingerprint).collect();
        out.json(&json!({ "certificates": fingerprints, "keyring": armored }))?;
    } else {
        out.raw(armored.as_bytes())?;
    }
    Ok(())
}

fn authorized_keys(certificates: &[Certificate], out: &mut Output<'_>) -> anyhow::Result<()> {
    let now = out.now();
    let of = |certificate| ssh::of_certificate(certificate, now);
    let lines: Vec<_> = certificates.iter().flat_map(of).collect();
    if out.is_json() {
        out.json(&json!({ "authorized_keys": lines }))?;
        return Ok(());
    }
    if lines.is_empty() {
        let problem = "no authenticate subkey of these certificates is valid now";
        let remedy = "`keyledger openpgp show FILE` says which there are";
        return Err(Failure::new(Exit::Rejected, problem).remedy(remedy).into());
    }
    for line in lines {
        out.line(line)?;
    }
    Ok(())
}

fn web_key_directory(
    certificates: &[Certificate],
    domains: &[String],
    directory: &Path,
    out: &mut Output<'_>,
) -> anyhow::Result<()> {
    let tree = wkd::tree(certificates, domains, out.now());
    if tree.is_empty() {
        let problem = "no user id of these certificates has an address there";
        return Err(Failure::new(Exit::Rejected, problem).into());
    }
    let mut written = Vec::new();
    for (path, bytes) in &tree {
        let path = directory.join(path);
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        files::replace(&path, bytes)?;
        written.push(path);
    }
    if out.is_json() {
        out.json(&json!({ "files": written }))?;
        return Ok(());
    }
    for path in written {
        out.line(format!("wrote {}", path.display()))?;
    }
    Ok(())
}
