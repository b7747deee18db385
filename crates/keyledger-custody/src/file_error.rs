//! Why a file was not read or written.

use std::{
    io,
    path::{Path, PathBuf},
};

/// The largest secret file that is read, in bytes: a creds file has 2 KiB, and nothing here comes near.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 20;

/// Why a secret file was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretFileError {
    /// There is one already, and a secret is never written over: move it away if it is not needed.
    #[error("{} exists already; move it away if nobody needs it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// There is none: look at the path.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Others than its owner may read or write it: do what the message says, and think of who has read it.
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
    /// Everybody on this machine may look into a directory of secrets: do what the message says.
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
    /// Something else than an ordinary file has the name of one that is to be written, a link perhaps: look what it is.
    #[error(
        "{} is no ordinary file, and nothing is written through a link or to a device; name another, or remove it",
        path.display()
    )]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// It is a directory, a socket or larger than 1 MiB: it is not a secret of ours; look at the path.
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
        /// What it said.
        #[source]
        source: io::Error,
    },
}

/// A path in a command that is to be copied.
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
