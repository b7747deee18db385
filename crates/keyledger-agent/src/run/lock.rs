//! One agent at a time works with one state.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// The lock's name in the agent's state.
const LOCK: &str = "lock";

/// The lock of an agent's state; let go when dropped, and by the system when the process dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the state is not locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another agent works with it: `keyledger-agent status` shows it.
    #[error(
        "another agent runs already, with the state in {}: `keyledger-agent status` shows it, `systemctl --user stop \
         keyledger-agent` ends it",
        state.display()
    )]
    Taken {
        /// The state's directory.
        state: PathBuf,
    },
    /// A queue, a device or a directory lies in its place: move it away.
    #[error("{} is no ordinary file: move it away", path.display())]
    NotAFile {
        /// The lock's file.
        path: PathBuf,
    },
    /// The file system refuses: the source says why.
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
    /// Takes the lock of the state in that directory.
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
        // A queue would be waited for without end.
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
