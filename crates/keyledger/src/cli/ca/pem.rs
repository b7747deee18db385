//! Certificates and lists as PEM.

use std::{fs, path::Path};

use anyhow::Context as _;

use crate::output::Output;

/// Writes a file, or prints.
pub(super) fn write(out: &mut Output<'_>, file: Option<&Path>, pem: &str) -> anyhow::Result<()> {
    match file {
        // Written anew each time: a CRL is fetched again and again.
        Some(file) => fs::write(file, pem).with_context(|| format!("writing {}", file.display())),
        None => Ok(out.raw(pem.as_bytes())?),
    }
}
