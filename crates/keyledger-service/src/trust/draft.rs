//! A directory that appears whole or not at all.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use keyledger_custody::{SecretFileError, write_secret_file};
use uuid::Uuid;

/// A directory beside the one it is to become. Removed, with all that was written, unless it is published; what a process left that
/// was killed is removed by the next draft of the same directory.
#[derive(Debug)]
pub(super) struct Draft {
    at: PathBuf,
    target: PathBuf,
    published: bool,
    /// Says as long as it is open that this draft is being written.
    _lock: File,
}

/// Why a directory was not written. Nothing of it stays behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// There is something already, and nothing is written over: choose another directory, or move that one away.
    #[error("{} is not empty: nothing is written over; choose another directory", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The path names no directory that could be made.
    #[error("{} cannot be made: name a directory in an existing one", path.display())]
    NoPlace {
        /// The path.
        path: PathBuf,
    },
    /// The file system refused: the source says why.
    #[error("{}", path.display())]
    Io {
        /// What was being written.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// A file was not written: the source says why.
    #[error(transparent)]
    File(#[from] SecretFileError),
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> DraftError {
    let path = path.to_owned();
    move |source| DraftError::Io { path, source }
}

impl Draft {
    /// Begins one, mode 0700. Missing parents of `target` are made.
    pub(super) fn begin(target: &Path) -> Result<Self, DraftError> {
        let target = std::path::absolute(target).map_err(failed(target))?;
        let no_place = || DraftError::NoPlace {
            path: target.clone(),
        };
        let name = target.file_name().ok_or_else(no_place)?;
        let parent = target.parent().ok_or_else(no_place)?;
        fs::create_dir_all(parent).map_err(failed(parent))?;
        // Contexts name files by where they are: links on the way would break when they move.
        let target = parent.canonicalize().map_err(failed(parent))?.join(name);
        let beside = format!(".{}.", name.to_string_lossy());
        remove_abandoned(target.parent().ok_or_else(no_place)?, &beside);
        check_empty(&target)?;
        let at = target.with_file_name(format!("{beside}{}", Uuid::now_v7().simple()));
        make_private(&at)?;
        let lock = File::open(&at).map_err(failed(&at))?;
        lock.try_lock().map_err(|e| failed(&at)(e.into()))?;
        Ok(Self {
            at,
            target,
            published: false,
            _lock: lock,
        })
    }

    /// Where it will be.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Where a file is until then. Its directory, one deep, is made.
    pub(super) fn place(&self, file: &str) -> Result<PathBuf, DraftError> {
        let path = self.at.join(file);
        let parents: Vec<_> = path
            .ancestors()
            .skip(1)
            .take_while(|parent| *parent != self.at)
            .collect();
        for parent in parents.into_iter().rev() {
            if !parent.is_dir() {
                make_private(parent)?;
            }
        }
        Ok(path)
    }

    /// Writes a file, mode 0600, and waits until it is on disk.
    pub(super) fn write(&self, file: &str, bytes: impl AsRef<[u8]>) -> Result<(), DraftError> {
        Ok(write_secret_file(&self.place(file)?, bytes.as_ref())?)
    }

    /// Lets it appear.
    pub(super) fn publish(mut self) -> Result<PathBuf, DraftError> {
        sync(&self.at)?;
        check_empty(&self.target)?;
        fs::rename(&self.at, &self.target).map_err(failed(&self.target))?;
        self.published = true;
        if let Some(parent) = self.target.parent() {
            sync(parent)?;
        }
        Ok(self.target.clone())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published {
            // Nothing more can be done about a file system that refuses this too.
            drop(fs::remove_dir_all(&self.at));
        }
    }
}

/// Removes the drafts that nobody writes any more: secrets are in them, of an organisation that never was.
///
/// What cannot be removed stays: it is in nobody's way.
fn remove_abandoned(directory: &Path, beside: &str) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.strip_prefix(beside));
        let is_draft = id.is_some_and(|id| id.parse::<uuid::fmt::Simple>().is_ok());
        // Not through a link.
        if !is_draft || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if File::open(entry.path()).is_ok_and(|draft| draft.try_lock().is_ok()) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

fn make_private(path: &Path) -> Result<(), DraftError> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(failed(path))
}

fn check_empty(path: &Path) -> Result<(), DraftError> {
    let not_empty = || DraftError::NotEmpty {
        path: path.to_owned(),
    };
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().map_or(Ok(()), |_| Err(not_empty())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => Err(not_empty()),
        Err(source) => Err(DraftError::Io {
            path: path.to_owned(),
            source,
        }),
    }
}

/// A new name is on disk only when its directory is. [`write_secret_file`] did that for the files.
fn sync(directory: &Path) -> Result<(), DraftError> {
    File::open(directory)
        .and_then(|d| d.sync_all())
        .map_err(failed(directory))
}
