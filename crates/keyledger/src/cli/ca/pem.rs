//! Certificates and lists as PEM.

use std::path::Path;

use crate::{cli::openpgp::files, output::Output};

/// Writes a file, or prints.
pub(super) fn write(out: &mut Output<'_>, file: Option<&Path>, pem: &str) -> anyhow::Result<()> {
    match file {
        // The file is replaced each time, because a CRL is fetched again and again.
        Some(file) => {
            files::replace(file, pem.as_bytes())?;
            if !out.is_json() {
                out.line(format!("wrote {}", file.display()))?;
            }
            Ok(())
        }
        None => Ok(out.raw(pem.as_bytes())?),
    }
}
