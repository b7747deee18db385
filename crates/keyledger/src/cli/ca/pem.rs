//! Certificates and lists as PEM.

use std::{fs, path::Path};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::output::Output;

/// Writes a file, or prints.
pub(super) fn write(out: &mut Output<'_>, file: Option<&Path>, pem: &str) -> anyhow::Result<()> {
    match file {
        // Written anew each time: a CRL is fetched again and again.
        Some(file) => fs::write(file, pem).with_context(|| format!("writing {}", file.display())),
        None => Ok(out.raw(pem.as_bytes())?),
    }
}

/// PEM (RFC 7468).
pub(super) fn armoured(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}
