//! Why a file was not read or written.

use std::{
    io,
    path::{Path, PathBuf},
};

/// The largest secret file that is read, in bytes. A creds file has 2 KiB, and no file of ours is much larger.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 20;

/// Why a secret file was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretFileError {
    /// The file exists already, and a secret is never written over: move it away if nobody needs it.
    #[error("{} exists already; move it away if nobody needs it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file does not exist: check the path.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Other users than its owner may read or write it: do what the message says, and consider who may have read it.
    #[error(
        "{} has mode {mode:04o}: others can read it; `chmod 600 {}`, and replace the secret if they did",
        path.display(),
        word(path)
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Every user of this machine may read a directory of secrets: do what the message says.
    #[error(
        "{} has mode {mode:04o}: everybody can look into it; `chmod 700 {}`",
        path.display(),
        word(path)
    )]
    OpenDirectory {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The path of a file to be written belongs to something other than an ordinary file, such as a link: look what it is.
    #[error(
        "{} is no ordinary file, and nothing is written through a link or to a device; name another, or remove it",
        path.display()
    )]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// It is a directory or a socket, or larger than 1 MiB, so it is no secret of ours: check the path.
    #[error("{} is no file of at most {MAX_FILE_BYTES} bytes", path.display())]
    NotASecretFile {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused: the source says why.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The file system's error.
        #[source]
        source: io::Error,
    },
}

/// A path as a word of a shell command that the reader copies.
fn word(path: &Path) -> String {
    keyledger_domain::text::shell_word(&path.display().to_string())
}

impl SecretFileError {
    pub(crate) fn of(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists { path },
            io::ErrorKind::NotFound => Self::Missing { path },
            _ => Self::Io { path, source },
        }
    }
}
