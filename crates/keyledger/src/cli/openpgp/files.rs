//! Files without secrets: certificates, requests, responses.

use std::{fs::File, io::Read as _, path::Path};

use anyhow::Context as _;
use keyledger_custody::{
    Existing, Readers, SecretFileError, check_output, openpgp::Certificate, write_output,
};

use crate::exit::{Exit, Failure};

/// Reads a file, at most `max` bytes and one more: with the extra byte the caller sees that the file is too large.
pub(crate) fn read(path: &Path, max: usize) -> anyhow::Result<Vec<u8>> {
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .with_context(|| path.display().to_string())?;
    Ok(bytes)
}

/// Reads and verifies a certificate.
pub(super) fn certificate(path: &Path) -> anyhow::Result<Certificate> {
    let bytes = read(path, 2 * Certificate::MAX_BYTES)?;
    Certificate::parse(&bytes).map_err(|error| refused(path, error))
}

/// The failure of a file with the wrong content: trying again does not help.
pub(crate) fn refused(path: &Path, error: impl Into<anyhow::Error>) -> anyhow::Error {
    let problem = format!("{}: {:#}", path.display(), error.into());
    Failure::new(Exit::Rejected, problem).into()
}

/// The failure if a rule refuses.
pub(crate) fn rejected(error: impl Into<anyhow::Error>) -> anyhow::Error {
    Failure::new(Exit::Rejected, format!("{:#}", error.into())).into()
}

/// Refuses, before anything is asked or made, a file that exists already or cannot be written.
pub(crate) fn check_absent(path: &Path) -> anyhow::Result<()> {
    check_output(path, Existing::Kept).map_err(|error| unwritten(path, error))
}

/// Writes a new file that everybody may read.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_output(path, bytes, Readers::Everybody, Existing::Kept)
        .map_err(|error| unwritten(path, error))
}

/// Writes a new file that only its owner may read.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_output(path, bytes, Readers::Owner, Existing::Kept)
        .map_err(|error| unwritten(path, error))
}

/// Writes a file, and replaces one that exists: at any moment either the old or the new one is there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_output(path, bytes, Readers::Everybody, Existing::Replaced)
        .map_err(|error| unwritten(path, error))
}

/// The failure if a file was not written.
pub(crate) fn unwritten(path: &Path, error: SecretFileError) -> anyhow::Error {
    match error {
        SecretFileError::Exists { .. } => exists(path),
        error @ SecretFileError::NotAFile { .. } => {
            Failure::new(Exit::Usage, error.to_string()).into()
        }
        SecretFileError::Missing { .. } => {
            let parent = path.parent().unwrap_or(path).display();
            Failure::new(Exit::Usage, format!("there is no directory {parent}"))
                .remedy("make it first")
                .into()
        }
        error => anyhow::Error::from(error),
    }
}

fn exists(path: &Path) -> anyhow::Error {
    let problem = format!(
        "{} exists already, and nothing is written over",
        path.display()
    );
    Failure::new(Exit::Usage, problem)
        .remedy("name another file, or move it away if nobody needs it")
        .into()
}
