//! Files that hold nothing secret: certificates, requests, responses.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::Path,
};

use anyhow::Context as _;
use keyledger_custody::openpgp::Certificate;

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

/// Refuses a file that is there already, before anything was asked or made.
pub(crate) fn check_absent(path: &Path) -> anyhow::Result<()> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    Err(exists(path))
}

/// Writes a new file, which everybody may read.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = match opened {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists(path)),
        opened => opened.with_context(|| path.display().to_string())?,
    };
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.with_context(|| path.display().to_string())
}

/// Writes a file in place of another: at any moment either the old or the new one is there.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    write_new(&fresh, bytes)?;
    fs::rename(&fresh, path).with_context(|| path.display().to_string())
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
