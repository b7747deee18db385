//! What every file of the exchange begins with.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The version of the format.
pub(super) const VERSION: u32 = 1;

/// What a file is, as its field `format` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileFormat {
    /// It asks for something.
    #[serde(rename = "keyledger-request")]
    Request,
    /// It answers a request.
    #[serde(rename = "keyledger-response")]
    Response,
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Request => "request",
            Self::Response => "response",
        })
    }
}

/// Why bytes are no request or no response of a kind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It is too large: look at the file.
    #[error("it has {bytes} bytes, and at most {most} are read")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        most: usize,
    },
    /// It is not of this format: the source says where it stops to be. Look at the path; or make the request anew with `keyledger
    /// ca` or `keyledger openpgp`, the response with `keyledger offline`.
    #[error("it is no {wanted} of Keyledger")]
    Malformed {
        /// What it should be.
        wanted: FileFormat,
        /// Where it stops to be one.
        #[source]
        source: serde_json::Error,
    },
    /// It is the other of the two files: give the right one.
    #[error("it is a {found}, and a {wanted} is asked for")]
    OtherFormat {
        /// What it is.
        found: FileFormat,
        /// What it should be.
        wanted: FileFormat,
    },
    /// A newer Keyledger wrote it: upgrade this one.
    #[error("it has version {found}, and this Keyledger reads version {VERSION}")]
    OtherVersion {
        /// Its version.
        found: u64,
    },
    /// It asks for something else: give the right file.
    #[error("it is of kind {found:?}, and {wanted:?} is asked for")]
    OtherKind {
        /// Of which kind it is, shortened.
        found: String,
        /// Of which it should be.
        wanted: &'static str,
    },
}

/// What files of every version have.
#[derive(Deserialize)]
struct Head {
    format: FileFormat,
    version: u64,
    kind: String,
}

/// The kind of a request of at most `most` bytes, which says what to read it as: see
/// [`RequestKind::KIND`](super::RequestKind::KIND).
///
/// # Errors
///
/// [`FileError`], but for [`FileError::OtherKind`].
pub fn kind_of(request: &[u8], most: usize) -> Result<String, FileError> {
    head(request, FileFormat::Request, most).map(|head| head.kind)
}

/// Reads a file of this format and kind: all of it, and nothing else.
pub(super) fn read<T: DeserializeOwned>(
    bytes: &[u8],
    wanted: FileFormat,
    kind: &'static str,
    most: usize,
) -> Result<T, FileError> {
    let head = head(bytes, wanted, most)?;
    if head.kind != kind {
        return Err(FileError::OtherKind {
            found: head.kind.chars().take(40).collect(),
            wanted: kind,
        });
    }
    serde_json::from_slice(bytes).map_err(|source| FileError::Malformed { wanted, source })
}

/// A file as it is written: in lines, the last one ended.
pub(super) fn write(file: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(file).expect("texts and numbers are always JSON");
    bytes.push(b'\n');
    bytes
}

fn head(bytes: &[u8], wanted: FileFormat, most: usize) -> Result<Head, FileError> {
    if bytes.len() > most {
        let bytes = bytes.len();
        return Err(FileError::TooLarge { bytes, most });
    }
    let head: Head =
        serde_json::from_slice(bytes).map_err(|source| FileError::Malformed { wanted, source })?;
    let found = head.format;
    if found != wanted {
        return Err(FileError::OtherFormat { found, wanted });
    }
    if head.version != u64::from(VERSION) {
        let found = head.version;
        return Err(FileError::OtherVersion { found });
    }
    Ok(head)
}
