//! Files that hold nothing secret: certificates, requests, responses.

use std::{fs::File, io::Read as _, path::Path};

use anyhow::Context as _;
use keyledger_custody::{
    Existing, Readers, SecretFileError, check_output, openpgp::Certificate, write_output,
};

use crate::exit::{Exit, Failure};

/// Reads a file of at most `max` bytes and one more, by which whoever reads it sees that there are too many.
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

/// A file that does not hold what it should: trying again does not help.
pub(crate) fn refused(path: &Path, error: impl Into<anyhow::Error>) -> anyhow::Error {
    let problem = format!("{}: {:#}", path.display(), error.into());
    Failure::new(Exit::Rejected, problem).into()
}

/// A rule said no.
pub(crate) fn rejected(error: impl Into<anyhow::Error>) -> anyhow::Error {
    Failure::new(Exit::Rejected, format!("{:#}", error.into())).into()
}

/// Refuses a file that is there already, or cannot be written, before anything was asked or made.
pub(crate) fn check_absent(path: &Path) -> anyhow::Result<()> {
    check_output(path, Existing::Kept).map_err(|error| unwritten(path, error))
}

/// Writes a new file, which everybody may read.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_output(path, bytes, Readers::Everybody, Existing::Kept)
        .map_err(|error| unwritten(path, error))
}

/// Writes a new file, which only its owner may read.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_output(path, bytes, Readers::Owner, Existing::Kept)
        .map_err(|error| unwritten(path, error))
}

/// Writes a file in place of another, or anew: at any moment either the old or the new one is there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_output(path, bytes, Readers::Everybody, Existing::Replaced)
        .map_err(|error| unwritten(path, error))
}

/// Why a file was not written.
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
