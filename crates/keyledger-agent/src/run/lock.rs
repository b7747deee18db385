//! The lock that lets only one agent work with a state directory.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// The name of the lock's file in the state directory.
const LOCK: &str = "lock";

/// The lock of an agent's state directory. It is released when this is dropped, or when the process dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the state directory cannot be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another agent uses it: `keyledger-agent status` shows it.
    #[error(
        "another agent runs already with the state in {}: `keyledger-agent status` shows it, `systemctl --user stop \
         keyledger-agent` stops it",
        state.display()
    )]
    Taken {
        /// The state directory.
        state: PathBuf,
    },
    /// The path is not a file but a pipe, a device or a directory: move it away.
    #[error("{} is not an ordinary file: move it away", path.display())]
    NotAFile {
        /// The lock's file.
        path: PathBuf,
    },
    /// The file system fails: the source says why.
    #[error("{}", path.display())]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

impl Lock {
    /// Locks the state directory.
    ///
    /// # Errors
    ///
    /// [`LockError`].
    pub fn take(state: &Path) -> Result<Self, LockError> {
        let path = state.join(LOCK);
        let failed = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        // Opening a pipe would wait for ever.
        if fs::metadata(&path).is_ok_and(|there| !there.is_file()) {
            return Err(LockError::NotAFile { path });
        }
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Taken {
                state: state.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}
