//! Keeps the files of an agent aside before it is enrolled anew, and tells which work was left in its journal.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use keyledger_domain::{Timestamp, text::in_full};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    config::JWT_FILE,
    directories::Directories,
    identity::{CURVE_FILE, FileIdentity, NKEY_FILE},
    run::{JOURNAL_FILE, Journal, Lock},
};

/// The files that were kept aside.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// The files' new paths.
    pub(super) files: Vec<PathBuf>,
    /// The work that was left in their journal.
    pub(super) left: LeftWork,
}

/// The work that was left in a journal that is kept aside.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LeftWork {
    /// Tasks that were open.
    Tasks(Vec<LeftTask>),
    /// Not known: the journal could not be read with these keys. Says why.
    Unknown(String),
}

/// A task that was open.
#[derive(Debug, Serialize)]
pub(super) struct LeftTask {
    /// Its id.
    pub(super) task: Uuid,
    /// How many reports of it were not delivered.
    pub(super) undelivered: usize,
}

impl Default for LeftWork {
    fn default() -> Self {
        Self::Tasks(Vec::new())
    }
}

/// A file cannot be kept aside: the source says why.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be renamed", path.display())]
pub(super) struct NotAside {
    path: PathBuf,
    source: io::Error,
}

/// Renames keys, JWT and journal to names that end in the date `now`. The settings stay. After a crash, running it again finishes the work:
/// the JWT is renamed last, because it shows that this agent is enrolled.
///
/// # Errors
///
/// `LockError` while an agent runs with these files; then nothing was changed. [`NotAside`].
pub(super) fn set_aside(directories: &Directories, now: Timestamp) -> anyhow::Result<Aside> {
    let _lock = Lock::take(&directories.state)?;
    let mut aside = Aside {
        files: Vec::new(),
        left: left(directories),
    };
    let ending: String = now.to_string().replace(['-', ':', '.'], "");
    for path in [
        directories.state.join(JOURNAL_FILE),
        directories.config.join(NKEY_FILE),
        directories.config.join(CURVE_FILE),
        directories.config.join(JWT_FILE),
    ] {
        aside.files.extend(rename(&path, &ending)?);
    }
    Ok(aside)
}

fn left(directories: &Directories) -> LeftWork {
    if !directories.state.join(JOURNAL_FILE).exists() {
        return LeftWork::default();
    }
    let identity = match FileIdentity::open(&directories.config) {
        Ok(identity) => Arc::new(identity),
        Err(error) => return LeftWork::Unknown(in_full(&error)),
    };
    match Journal::open(&directories.state, identity) {
        Ok(journal) => {
            let tasks = journal.left().into_iter();
            let tasks = tasks.map(|(task, undelivered)| LeftTask { task, undelivered });
            LeftWork::Tasks(tasks.collect())
        }
        Err(error) => LeftWork::Unknown(in_full(&error)),
    }
}

/// Renames a file, if it exists. The change is on disk before this returns. The file keeps its mode.
fn rename(path: &Path, ending: &str) -> Result<Option<PathBuf>, NotAside> {
    let failed = |source| NotAside {
        path: path.to_owned(),
        source,
    };
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{ending}"));
    let aside = PathBuf::from(aside);
    if fs::symlink_metadata(&aside).is_ok() {
        return Err(failed(io::Error::other(format!(
            "{} exists already: try again",
            aside.display()
        ))));
    }
    match fs::rename(path, &aside) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    }
    let directory = path.parent().unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(failed)?;
    Ok(Some(aside))
}
