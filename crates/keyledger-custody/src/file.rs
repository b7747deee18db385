//! Files that hold secrets: mode 0600, never written over, on disk before they count.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{
    output::{Existing, Readers, write_output},
    secret::Secret,
};

/// The largest secret file that is read, in bytes: a creds file has 2 KiB, and nothing here comes near.
const MAX_FILE_BYTES: u64 = 1 << 20;

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

/// Writes a new file that only its owner can read (mode 0600), and waits until it is on disk.
///
/// # Errors
///
/// [`SecretFileError::Exists`] if there is one already; it is left as it is. [`SecretFileError::Missing`] if the
/// directory does not exist; [`SecretFileError::Io`] if the disk is full or refuses: nothing stays behind.
pub fn write_secret_file(path: &Path, bytes: &[u8]) -> Result<(), SecretFileError> {
    write_output(path, bytes, Readers::Owner, Existing::Kept)
}

/// Writes a secret file in place of another, or anew: at any moment either the old or the new one is there, whole.
///
/// # Errors
///
/// [`SecretFileError::Missing`] if the directory does not exist; [`SecretFileError::NotAFile`] if something else than a file is there, a
/// link too; [`SecretFileError::Io`] otherwise.
pub fn replace_secret_file(path: &Path, bytes: &[u8]) -> Result<(), SecretFileError> {
    write_output(path, bytes, Readers::Owner, Existing::Replaced)
}

/// Reads a file that only its owner can read.
///
/// # Errors
///
/// [`SecretFileError::Missing`]; [`SecretFileError::Exposed`] if its group or anybody else may read or write it;
/// [`SecretFileError::NotASecretFile`] if it is no ordinary file or larger than 1 MiB; [`SecretFileError::Io`].
pub fn read_secret_file(path: &Path) -> Result<Secret, SecretFileError> {
    read(path, SECRET)
}

/// The same of a file that a service manager hands over: its group may read it too, if nobody may write it. systemd's
/// `LoadCredential=` makes such files (mode 0440), in a directory that only the service can look into.
///
/// # Errors
///
/// As [`read_secret_file`].
pub fn read_credential_file(path: &Path) -> Result<Secret, SecretFileError> {
    read(path, |mode| SECRET(mode) || mode & 0o337 == 0)
}

/// Holds of a file's mode that only its owner may read or write it.
const SECRET: fn(u32) -> bool = |mode| mode & 0o077 == 0;

fn read(path: &Path, is_private: impl Fn(u32) -> bool) -> Result<Secret, SecretFileError> {
    let failed = |source| SecretFileError::of(path, source);
    let no_file = || SecretFileError::NotASecretFile {
        path: path.to_owned(),
    };
    // Before it is opened: a queue would be waited for without end.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(no_file());
    }
    let mut file = File::open(path).map_err(failed)?;
    // Asked of the open file, not of the path: nobody can exchange it in between.
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
        return Err(no_file());
    }
    check_mode(path, &metadata, is_private)?;
    // Of full size from the start: a buffer that grows leaves copies behind.
    let length = usize::try_from(metadata.len()).expect("at most 1 MiB");
    let mut bytes = Zeroizing::new(vec![0; length]);
    file.read_exact(&mut bytes).map_err(failed)?;
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

/// Holds that only its owner can read a file that somebody else will read.
///
/// # Errors
///
/// [`SecretFileError::Missing`]; [`SecretFileError::Exposed`] if its group or anybody else may read or write it;
/// [`SecretFileError::Io`].
pub fn check_secret_file(path: &Path) -> Result<(), SecretFileError> {
    let metadata = fs::metadata(path).map_err(|source| SecretFileError::of(path, source))?;
    check_mode(path, &metadata, SECRET)
}

/// Holds that not everybody can look into a directory where secrets lie. Its group may: it says who runs the service.
///
/// # Errors
///
/// [`SecretFileError::Missing`]; [`SecretFileError::OpenDirectory`]; [`SecretFileError::Io`].
pub fn check_secret_directory(path: &Path) -> Result<(), SecretFileError> {
    let metadata = fs::metadata(path).map_err(|source| SecretFileError::of(path, source))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o007 != 0 {
        let path = path.to_owned();
        return Err(SecretFileError::OpenDirectory { path, mode });
    }
    Ok(())
}

fn check_mode(
    path: &Path,
    metadata: &fs::Metadata,
    is_private: impl Fn(u32) -> bool,
) -> Result<(), SecretFileError> {
    let mode = metadata.permissions().mode() & 0o7777;
    if !is_private(mode) {
        let path = path.to_owned();
        return Err(SecretFileError::Exposed { path, mode });
    }
    Ok(())
}

/// A new name is on disk only when its directory is.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(directory_of(path))?.sync_all()
}

/// The directory that a file is in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
