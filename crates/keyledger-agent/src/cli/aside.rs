//! What an agent was before it is enrolled anew: kept aside, and told what was left in it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use keyledger_domain::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    config::JWT_FILE,
    directories::Directories,
    identity::{CURVE_FILE, FileIdentity, NKEY_FILE},
    in_full::in_full,
    run::{JOURNAL_FILE, Journal, Lock},
};

/// What was kept aside.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// Where the files are now.
    pub(super) files: Vec<PathBuf>,
    /// What their journal still had to do.
    pub(super) left: LeftWork,
}

/// What a journal that is kept aside still had to do.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LeftWork {
    /// Tasks that were open.
    Tasks(Vec<LeftTask>),
    /// Nobody knows: the journal could not be read with these keys.
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

/// Why not everything was kept aside: the file system refuses, the source says why.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be kept aside", path.display())]
pub(super) struct NotAside {
    path: PathBuf,
    source: io::Error,
}

/// Gives keys, JWT and journal names with the date `now`, which nobody reads; the settings stay. Running it again after a
/// crash finishes it: the JWT, which says that this agent is enrolled, goes last.
///
/// # Errors
///
/// `LockError` while an agent runs with them, which loses nothing; [`NotAside`].
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

/// Renames a file that is there, on disk before this returns. Its mode stays.
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
            "{} is there already: try again",
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
