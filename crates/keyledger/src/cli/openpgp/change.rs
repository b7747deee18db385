//! What all changes of a certificate have in common: they are signed here, or requested from the offline machine.

use std::{
    io::{self, BufRead as _, IsTerminal as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use keyledger_custody::{
    Passphrase, SealedFile,
    openpgp::{
        Certificate, CertifyKey, UserId,
        offline::{Ask, Request, ask},
    },
};
use keyledger_domain::{Timestamp, text::plain};
use serde_json::json;

use super::files;
use crate::{
    cli::{passphrase, shell},
    exit::{Exit, Failure},
    output::Output,
    when,
};

/// The certificate and its signer.
#[derive(Debug, clap::Args)]
pub(super) struct CertificateChange {
    /// The certificate; with --key it is replaced
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// The user id to name in the request, if it has several [default: the first]
    #[arg(long, value_name = "USER ID")]
    of: Option<UserId>,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    agree: Agree,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct By {
    /// The sealed certify key: sign here
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Write a request for the offline machine to this file, and sign nothing
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
}

/// Whether to ask, and where the passphrase comes from.
#[derive(Debug, clap::Args)]
pub(crate) struct Agree {
    /// Sign without asking; for scripts that have read the request
    #[arg(long)]
    yes: bool,
    /// The file with the certify key's passphrase, mode 0600 [default: asked for at the terminal]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl CertificateChange {
    /// Reads the certificate as it is now.
    pub(super) fn certificate(&self) -> anyhow::Result<Certificate> {
        files::certificate(&self.certificate)
    }

    /// Makes the changes `asks`, or writes a request for them.
    pub(super) fn run(
        self,
        certificate: &Certificate,
        asks: Vec<Ask>,
        out: &mut Output<'_>,
    ) -> anyhow::Result<()> {
        let first = certificate.user_ids().first().map(|view| view.id.clone());
        let id = self.of.or(first).context("a certificate has a user id")?;
        let now = when::now();
        let request = ask(certificate, id, asks, now).map_err(files::rejected)?;
        match (self.by.key, self.by.request) {
            (Some(key), _) => {
                let key = self.agree.opened(&key, &request, now, out)?;
                let response = key.answer(&request, now).map_err(files::rejected)?;
                let changed = response.accept(&request).map_err(files::rejected)?;
                files::replace(&self.certificate, changed.to_armored().as_bytes())?;
                written(&self.certificate, &changed, out)
            }
            (None, Some(path)) => {
                files::write_new(&path, &request.to_json())?;
                asked(&path, &self.certificate, &request, out)
            }
            (None, None) => unreachable!("clap demands one of the two"),
        }
    }
}

impl Agree {
    /// Shows what will be signed at `now`, asks, and opens the key.
    pub(crate) fn opened(
        &self,
        key: &Path,
        request: &Request,
        now: Timestamp,
        out: &mut Output<'_>,
    ) -> anyhow::Result<CertifyKey> {
        let sealed = SealedFile::read(key).with_context(|| key.display().to_string())?;
        let certificate = request.content().certificate().fingerprint();
        let found = sealed.holds().fingerprint();
        if found != Some(certificate) {
            let found = found.map_or_else(
                || format!("holds a {}", sealed.holds().in_words()),
                |found| format!("is of {found}"),
            );
            let problem = format!(
                "{} {found}, and the request is for {certificate}",
                key.display()
            );
            return Err(Failure::new(Exit::Rejected, problem).into());
        }
        self.to(&request.describe(when::to_moment(now)), out)?;
        let passphrase = self.passphrase("the certify key")?;
        sealed
            .open_certify_key(&passphrase)
            .with_context(|| key.display().to_string())
    }

    /// Shows `words`, which say what will be signed, and asks.
    pub(crate) fn to(&self, words: &str, out: &mut Output<'_>) -> anyhow::Result<()> {
        if out.is_json() {
            eprint!("{}", plain(words));
        } else {
            out.line(words)?;
        }
        self.confirm()
    }

    /// Reads or asks for the passphrase of `what`.
    pub(crate) fn passphrase(&self, what: &str) -> anyhow::Result<Passphrase> {
        match &self.passphrase_file {
            Some(file) => passphrase::from_file(file),
            None => passphrase::ask(what),
        }
    }

    fn confirm(&self) -> anyhow::Result<()> {
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            let problem = "there is no terminal to ask at, and nothing was signed";
            let remedy = "read what is shown, then give --yes";
            return Err(Failure::new(Exit::Usage, problem).remedy(remedy).into());
        }
        eprint!("Sign all of this? Type yes: ");
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        if answer.trim() == "yes" {
            return Ok(());
        }
        Err(Failure::new(Exit::Rejected, "nothing was signed").into())
    }
}

/// Prints that a certificate was written.
pub(super) fn written(
    path: &Path,
    certificate: &Certificate,
    out: &mut Output<'_>,
) -> anyhow::Result<()> {
    let fingerprint = certificate.fingerprint();
    if out.is_json() {
        out.json(&json!({ "certificate": fingerprint, "file": path }))?;
        return Ok(());
    }
    out.line(format!(
        "wrote certificate {fingerprint} to {}",
        path.display()
    ))?;
    Ok(())
}

fn asked(
    path: &Path,
    certificate: &Path,
    request: &Request,
    out: &mut Output<'_>,
) -> anyhow::Result<()> {
    if out.is_json() {
        out.json(&json!({
            "request": path, "sha256": request.digest(), "nonce": request.nonce(),
            "certificate": request.content().certificate().fingerprint(),
        }))?;
        return Ok(());
    }
    let word = |path: &Path| shell::quoted(&path.display().to_string());
    let (file, certificate) = (word(path), word(certificate));
    out.line(format!(
        "wrote the request {}, SHA-256 {}",
        path.display(),
        request.digest()
    ))?;
    out.line(format!(
        "there:      keyledger offline sign {file} --key CERTIFY_KEY --out response.json"
    ))?;
    out.line(format!(
        "back here:  keyledger openpgp accept response.json --request {file} --certificate {certificate}"
    ))?;
    Ok(())
}
