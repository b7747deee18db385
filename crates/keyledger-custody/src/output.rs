//! Files that commands write for people. They are written completely or not at all, and never through a link.
//!
//! A file is written without a name, and gets its name once it is complete. So a process that is killed earlier leaves nothing, not
//! even a part of a secret. If the file system does not support files without a name, the file is written under another, new name in
//! the same directory (`O_EXCL` follows no link). So nothing is written to a link or a `.part` file that somebody planted.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::{fd::AsRawFd as _, unix::fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, linkat};

use crate::file_error::SecretFileError;

/// How many other names are tried. More than a few of them exist only if somebody planted them.
const TRIES: u32 = 100;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Its owner only: mode 0600.
    Owner,
    /// Everybody, as far as the process's umask allows: usually mode 0644.
    Everybody,
}

/// What happens to a file that exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and nothing is written.
    Kept,
    /// An ordinary file is replaced. This is for files that are written again and again, such as lists. Anything else stays.
    Replaced,
}

/// A file that is being written. It gets its name when it is [finished](Self::finish). If it is dropped earlier, it is removed.
#[derive(Debug)]
pub struct OutputFile {
    file: File,
    /// The name it has until it is finished; `None` if the file system supports files without a name.
    beside: Option<PathBuf>,
    path: PathBuf,
    existing: Existing,
}

impl OutputFile {
    /// Begins to write the file that will be called `path`.
    ///
    /// # Errors
    ///
    /// [`SecretFileError::Exists`] if there is a file that stays; [`SecretFileError::NotAFile`] if there is something other than an
    /// ordinary file, such as a link; [`SecretFileError::Missing`] if its directory does not exist; [`SecretFileError::Io`].
    pub fn begin(
        path: &Path,
        readers: Readers,
        existing: Existing,
    ) -> Result<Self, SecretFileError> {
        check_free(path, existing)?;
        let mode = match readers {
            Readers::Owner => 0o600,
            Readers::Everybody => 0o666, // less the umask
        };
        let (file, beside) = match nameless(path, mode) {
            Some(file) => (file, None),
            None => {
                let (file, beside) = first_free(path, |beside| {
                    let mut options = OpenOptions::new();
                    options.write(true).create_new(true).mode(mode).open(beside)
                })?;
                (file, Some(beside))
            }
        };
        Ok(Self {
            file,
            beside,
            path: path.to_owned(),
            existing,
        })
    }

    /// Waits until the file is on disk, and gives it its name.
    ///
    /// # Errors
    ///
    /// As [`Self::begin`]; no part of the file is left then.
    pub fn finish(mut self) -> Result<(), SecretFileError> {
        let failed = |source| SecretFileError::of(&self.path, source);
        self.file.sync_all().map_err(failed)?;
        match (self.existing, &self.beside) {
            (Existing::Kept, None) => name(&self.file, &self.path).map_err(failed)?,
            (Existing::Kept, Some(beside)) => match fs::hard_link(beside, &self.path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(failed(error));
                }
                // The file system has no hard links: a USB stick, for example.
                Err(_) => {
                    check_free(&self.path, self.existing)?;
                    fs::rename(beside, &self.path).map_err(failed)?;
                    self.beside = None;
                }
            },
            (Existing::Replaced, _) => {
                if self.beside.is_none() {
                    let named = first_free(&self.path, |beside| name(&self.file, beside));
                    self.beside = Some(named?.1);
                }
                check_free(&self.path, self.existing)?;
                if let Some(beside) = &self.beside {
                    fs::rename(beside, &self.path).map_err(failed)?;
                }
                self.beside = None;
            }
        }
        sync_directory_of(&self.path).map_err(failed)
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Some(beside) = &self.beside {
            drop(fs::remove_file(beside)); // half a file is none; the first error counts
        }
    }
}

/// A new file without a name, in the directory of `path`; `None` if the system has no such files, or no way to name them later.
#[cfg(target_os = "linux")]
fn nameless(path: &Path, mode: u32) -> Option<File> {
    use rustix::fs::{Mode, OFlags};

    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let directory = directory_of(path);
    let file = rustix::fs::open(directory, flags, Mode::from_raw_mode(mode)).ok()?;
    let file = File::from(file);
    open_as(&file).exists().then_some(file)
}

/// Only Linux has files without a name.
#[cfg(not(target_os = "linux"))]
const fn nameless(_: &Path, _: u32) -> Option<File> {
    None
}

/// Gives a name to a file that has none. A file that has this name already stays.
fn name(file: &File, path: &Path) -> io::Result<()> {
    Ok(linkat(
        CWD,
        open_as(file),
        CWD,
        path,
        AtFlags::SYMLINK_FOLLOW,
    )?)
}

/// Where the kernel shows an open file.
fn open_as(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Calls `make` with the first free name in the directory of `path`; returns its result and the name.
fn first_free<T>(
    path: &Path,
    make: impl Fn(&Path) -> io::Result<T>,
) -> Result<(T, PathBuf), SecretFileError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let process = std::process::id();
    for number in 0..TRIES {
        let beside = path.with_file_name(format!(".{name}.{process}.{number}.part"));
        match make(&beside) {
            Ok(made) => return Ok((made, beside)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(SecretFileError::of(path, source)),
        }
    }
    let source = io::Error::other("files are in the way that look like parts of it");
    Err(SecretFileError::of(path, source))
}

/// Writes a whole file.
///
/// # Errors
///
/// As [`OutputFile::begin`]; no part of the file is left then.
pub fn write_output(
    path: &Path,
    bytes: &[u8],
    readers: Readers,
    existing: Existing,
) -> Result<(), SecretFileError> {
    let mut output = OutputFile::begin(path, readers, existing)?;
    output
        .write_all(bytes)
        .map_err(|source| SecretFileError::of(path, source))?;
    output.finish()
}

/// Checks whether a file can be written, before anything is asked or made: its name must be free, and its directory writable.
///
/// # Errors
///
/// As [`OutputFile::begin`].
pub fn check_output(path: &Path, existing: Existing) -> Result<(), SecretFileError> {
    OutputFile::begin(path, Readers::Owner, existing).map(drop)
}

fn check_free(path: &Path, existing: Existing) -> Result<(), SecretFileError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(SecretFileError::of(path, source)),
    };
    let path = path.to_owned();
    match existing {
        Existing::Kept => Err(SecretFileError::Exists { path }),
        Existing::Replaced if found.is_file() => Ok(()),
        Existing::Replaced => Err(SecretFileError::NotAFile { path }),
    }
}

/// Writes the directory of `path` to disk: only then a new name is on disk.
fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(directory_of(path))?.sync_all()
}

/// The directory that a file is in.
fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_file_is_its_owners_and_nothing_else_stays() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ledger.jsonl");
        write_output(&path, b"x", Readers::Owner, Existing::Kept).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600);
        assert_eq!(names(home.path()), ["ledger.jsonl"]);
    }

    #[test]
    fn nothing_is_written_over_or_through_a_link() {
        let home = tempfile::tempdir().unwrap();
        let victim = home.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        let [link, dangling, folder] = ["link", "dangling", "folder"].map(|n| home.path().join(n));
        symlink(&victim, &link).unwrap();
        symlink(home.path().join("nowhere"), &dangling).unwrap();
        fs::create_dir(&folder).unwrap();
        let before = names(home.path());
        for path in [&victim, &link, &dangling, &folder] {
            let kept = write_output(path, b"x", Readers::Everybody, Existing::Kept);
            assert!(
                matches!(kept, Err(SecretFileError::Exists { .. })),
                "{kept:?}"
            );
        }
        for path in [&link, &dangling, &folder] {
            let refused = write_output(path, b"x", Readers::Everybody, Existing::Replaced);
            assert!(
                matches!(refused, Err(SecretFileError::NotAFile { .. })),
                "{refused:?}"
            );
        }
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(names(home.path()), before);
        write_output(&victim, b"x", Readers::Everybody, Existing::Replaced).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"x");
    }

    #[test]
    fn planted_parts_are_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let victim = home.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        let path = home.path().join("export");
        for planted in [
            "export.part".to_owned(),
            ".export.part".to_owned(),
            format!(".export.{}.0.part", std::process::id()),
            format!(".export.{}.1.part", std::process::id()),
        ] {
            symlink(&victim, home.path().join(planted)).unwrap();
        }
        write_output(&path, b"x", Readers::Owner, Existing::Kept).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
    }

    /// A process that is killed cleans nothing up, so nothing of a file may be visible until it is finished.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_has_no_name_until_it_is_finished() {
        let home = tempfile::tempdir().unwrap();
        for existing in [Existing::Kept, Existing::Replaced] {
            let path = home.path().join("orders.creds");
            let mut begun = OutputFile::begin(&path, Readers::Owner, existing).unwrap();
            begun.write_all(b"secret").unwrap();
            assert_eq!(names(home.path()), [""; 0]);
            begun.finish().unwrap();
            assert_eq!(names(home.path()), ["orders.creds"]);
            assert_eq!(fs::read(&path).unwrap(), b"secret");
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, 0o600);
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn what_is_not_finished_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("export");
        let mut begun = OutputFile::begin(&path, Readers::Owner, Existing::Kept).unwrap();
        begun.write_all(b"half").unwrap();
        drop(begun);
        check_output(&path, Existing::Kept).unwrap();
        assert_eq!(names(home.path()), [""; 0]);
        // Another program was faster: its file stays.
        let begun = OutputFile::begin(&path, Readers::Owner, Existing::Kept).unwrap();
        fs::write(&path, "theirs").unwrap();
        assert!(matches!(
            begun.finish(),
            Err(SecretFileError::Exists { .. })
        ));
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(names(home.path()), ["export"]);
    }
}
