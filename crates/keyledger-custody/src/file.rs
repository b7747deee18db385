//! Files that hold secrets: they have mode 0600, are never written over, and count only once they are on disk.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use zeroize::Zeroizing;

use crate::{
    file_error::{MAX_FILE_BYTES, SecretFileError},
    output::{Existing, Readers, write_output},
    secret::Secret,
};

/// Writes a new file that only its owner can read (mode 0600), and waits until it is on disk.
///
/// # Errors
///
/// [`SecretFileError::Exists`] if the file exists already; it is left as it is. [`SecretFileError::Missing`] if the directory does not
/// exist; [`SecretFileError::Io`] if the disk is full or the system refuses. Then no part of a file is left.
pub fn write_secret_file(path: &Path, bytes: &[u8]) -> Result<(), SecretFileError> {
    write_output(path, bytes, Readers::Owner, Existing::Kept)
}

/// Writes a secret file, and replaces one that exists: at any moment either the whole old file or the whole new one is there.
///
/// # Errors
///
/// [`SecretFileError::Missing`] if the directory does not exist; [`SecretFileError::NotAFile`] if `path` is something other than an
/// ordinary file, such as a link; [`SecretFileError::Io`] otherwise.
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

/// Reads a file that a service manager hands over: its group may read it too, if nobody may write it. systemd's
/// `LoadCredential=` makes such files (mode 0440) in a directory that only the service can read.
///
/// # Errors
///
/// As [`read_secret_file`].
pub fn read_credential_file(path: &Path) -> Result<Secret, SecretFileError> {
    read(path, |mode| SECRET(mode) || mode & 0o337 == 0)
}

/// True for a file's mode if only its owner may read or write it.
const SECRET: fn(u32) -> bool = |mode| mode & 0o077 == 0;

fn read(path: &Path, is_private: impl Fn(u32) -> bool) -> Result<Secret, SecretFileError> {
    let failed = |source| SecretFileError::of(path, source);
    let no_file = || SecretFileError::NotASecretFile {
        path: path.to_owned(),
    };
    // Checked before the file is opened: opening a named pipe may block for ever.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(no_file());
    }
    let mut file = File::open(path).map_err(failed)?;
    // Checked on the open file and not on the path, so that nobody can exchange the file in between.
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
        return Err(no_file());
    }
    check_mode(path, &metadata, is_private)?;
    // With its full size from the start: a buffer that grows leaves copies in memory.
    let length = usize::try_from(metadata.len()).expect("at most 1 MiB");
    let mut bytes = Zeroizing::new(vec![0; length]);
    file.read_exact(&mut bytes).map_err(failed)?;
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

/// Checks that only its owner can read a file, if another program is going to read it.
///
/// # Errors
///
/// [`SecretFileError::Missing`]; [`SecretFileError::Exposed`] if its group or anybody else may read or write it;
/// [`SecretFileError::Io`].
pub fn check_secret_file(path: &Path) -> Result<(), SecretFileError> {
    let metadata = fs::metadata(path).map_err(|source| SecretFileError::of(path, source))?;
    check_mode(path, &metadata, SECRET)
}

/// Checks that a directory with secrets is closed to other users. Its group may read it: the group says who runs the service.
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
