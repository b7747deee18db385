//! A directory that appears whole or not at all.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use keyledger_custody::{SecretFileError, write_secret_file};
use uuid::Uuid;

/// A directory beside the one it is to become. Removed, with all that was written, unless it is published.
#[derive(Debug)]
pub(super) struct Draft {
    at: PathBuf,
    target: PathBuf,
    published: bool,
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
        check_empty(&target)?;
        let sibling = format!(".{}.{}", name.to_string_lossy(), Uuid::now_v7().simple());
        let at = target.with_file_name(sibling);
        make_private(&at)?;
        Ok(Self {
            at,
            target,
            published: false,
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
