//! What must survive a crash: tasks that were taken, their sealed secrets, reports to deliver.
//!
//! Lines are appended, each signed with the agent's nkey and chained to the one before it, and count once they are on disk.
//! When a task has ended the file is written anew without its secrets. Nothing in it is secret in clear.

mod book;
mod entry;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use data_encoding::BASE64URL_NOPAD;
use keyledger_custody::{
    Delivery, Secret, SecretFileError, check_secret_file, replace_secret_file, seal_to,
};
use keyledger_domain::{
    token::{Report, Serial},
    verify::Signatures,
};
use uuid::Uuid;

pub(crate) use book::Book;
pub(crate) use entry::{Filed, JournalEntry};
pub use entry::{JournalLineError, RejectedReport};

use super::trust::SignedTask;
use crate::{
    clock,
    identity::{Identity, IdentityError},
};

/// The name of its file in the agent's state.
pub const FILE: &str = "journal";
/// The largest journal that is read, in bytes: an open task has some 100 KiB, and 64 of them are held at most.
const MAX_BYTES: u64 = 64 << 20;

/// Why the journal is not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A line was changed, added or taken away by somebody else, or is another agent's: do what the message says.
    #[error("line {line} of {} is not what this agent wrote there", path.display())]
    Forged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        source: JournalLineError,
    },
    /// It belongs to an agent with other keys: do what the message says.
    #[error(
        "{} is the journal of another agent ({agent}): put that one's keys back, or begin anew with \
         `keyledger-agent enrol --name WORKSTATION --anew`, which keeps the old journal aside",
        path.display()
    )]
    Another {
        /// The file.
        path: PathBuf,
        /// Whose it says it is.
        agent: String,
    },
    /// A queue, a device or a directory lies in its place: move it away.
    #[error("{} is no ordinary file: move it away, and look at who put it there", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// It is longer than any journal of an agent.
    #[error("{} has more than {MAX_BYTES} bytes: move it away", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// The disk is full, or refuses.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// See the source.
    #[error("the journal's file")]
    File(#[from] SecretFileError),
    /// What holds the agent's key does not sign or open.
    #[error("the journal cannot be signed, or what it keeps not be opened")]
    Identity(#[from] IdentityError),
    /// It could not be sealed.
    #[error("sealing what is to be kept")]
    Seal(#[from] keyledger_custody::DeliveryError),
    /// What was kept is not what is written down.
    #[error("what was kept as {what:?} cannot be read")]
    Kept {
        /// What it was kept as.
        what: String,
        /// What is wrong with it.
        #[source]
        source: data_encoding::DecodeError,
    },
    /// The task has ended meanwhile.
    #[error("task {0} has ended")]
    Ended(Uuid),
}

impl JournalError {
    /// What the person should do about it, where the message does not say that.
    pub(crate) fn remedy(&self) -> Option<String> {
        let Self::Forged { path, .. } = self else {
            return None;
        };
        let path = keyledger_domain::text::shell_word(&path.display().to_string());
        Some(format!(
            "nothing in this journal is trusted now. Move it away (`mv {path} {path}.forged`), find out who wrote to it, and start the \
             agent again: it takes open tasks anew and goes on from what the tokens show"
        ))
    }
}

/// The journal, open: one process has it, behind the lock of the agent's state.
#[expect(
    missing_debug_implementations,
    reason = "it holds the identity, which is secret"
)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// What of the file counts, in bytes.
    length: u64,
    /// True if behind that there may be half a line, left by a write that failed.
    torn: bool,
    place: entry::JournalPosition,
    book: Book,
    identity: Arc<dyn Identity>,
}

impl Journal {
    /// Opens the journal in `directory`, or begins one. A last line that was not written to its end is cut off.
    ///
    /// # Errors
    ///
    /// [`JournalError::Forged`], [`JournalError::Another`], [`JournalError::TooLong`], [`JournalError::NotAFile`],
    /// [`JournalError::File`] if others can read it, [`JournalError::Io`].
    pub fn open(directory: &Path, identity: Arc<dyn Identity>) -> Result<Self, JournalError> {
        let path = directory.join(FILE);
        let failed = |source| JournalError::Io {
            path: path.clone(),
            source,
        };
        if !path.exists() {
            let (bytes, _) = written(&Book::default(), &*identity)?;
            replace_secret_file(&path, &bytes)?;
        }
        check_secret_file(&path)?;
        // Before it is opened: a queue would be waited for without end.
        if !fs::metadata(&path).map_err(failed)?.is_file() {
            return Err(JournalError::NotAFile { path });
        }
        let mut file = appending(&path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length > MAX_BYTES {
            return Err(JournalError::TooLong { path });
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let mut journal = Self {
            length: whole as u64,
            torn: false,
            place: entry::JournalPosition::default(),
            book: Book::default(),
            file,
            identity,
            path: path.clone(),
        };
        journal.read(&bytes[..whole])?;
        if whole < bytes.len() {
            tracing::warn!(file = %path.display(), bytes = bytes.len() - whole, "the journal's last line was torn: cut off");
            journal.file.set_len(whole as u64).map_err(failed)?;
            journal.file.sync_all().map_err(failed)?;
        }
        if whole == 0 {
            journal.rewrite()?; // even its first line was torn
        }
        Ok(journal)
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        let agent = self.identity.public_nkey();
        if let Some(agent) = entry::author(bytes).filter(|author| author != agent) {
            let path = self.path.clone();
            return Err(JournalError::Another { path, agent });
        }
        let mut signatures = Signatures::default();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let number = self.place.line() + 1;
            let read = self.place.read(line, agent, &mut signatures);
            let checked = read.and_then(|entry| match entry {
                JournalEntry::Opened { version, .. } if version != entry::VERSION => {
                    Err(JournalLineError::Version(version))
                }
                JournalEntry::Opened { .. } if number != 1 => {
                    Err(JournalLineError::SecondBeginning)
                }
                entry if number == 1 && !matches!(entry, JournalEntry::Opened { .. }) => {
                    Err(JournalLineError::NoBeginning)
                }
                entry => Ok(entry),
            });
            let entry = checked.map_err(|source| JournalError::Forged {
                path: self.path.clone(),
                line: number,
                source,
            })?;
            self.book.fold(entry);
        }
        Ok(())
    }

    /// What it amounts to.
    pub(crate) const fn book(&self) -> &Book {
        &self.book
    }

    /// The tasks that have not ended, and how many reports of each were not delivered.
    #[must_use]
    pub fn left(&self) -> Vec<(Uuid, usize)> {
        let tasks = self.book.tasks.iter();
        tasks.map(|open| (open.task, open.undelivered())).collect()
    }

    /// Notes that a task was taken.
    pub(crate) fn take(&mut self, task: Uuid, signed: SignedTask) -> Result<(), JournalError> {
        self.append(JournalEntry::Taken { task, signed })
    }

    /// Keeps a secret of a task, sealed to the agent itself.
    pub(crate) fn keep(
        &mut self,
        task: Uuid,
        what: &str,
        secret: &Secret,
    ) -> Result<(), JournalError> {
        self.open_task(task)?;
        let sealed = seal_to(self.identity.curve_nkey(), secret.expose())?;
        self.append(JournalEntry::Kept {
            task,
            what: what.to_owned(),
            sender: sealed.sender,
            sealed: BASE64URL_NOPAD.encode(&sealed.ciphertext),
        })
    }

    /// A secret that was kept.
    pub(crate) fn kept(&self, task: Uuid, what: &str) -> Result<Option<Secret>, JournalError> {
        let Some((sender, sealed)) = self.open_task(task)?.kept.get(what) else {
            return Ok(None);
        };
        let ciphertext = BASE64URL_NOPAD.decode(sealed.as_bytes());
        let delivery = Delivery {
            sender: sender.clone(),
            ciphertext: ciphertext.map_err(|source| JournalError::Kept {
                what: what.to_owned(),
                source,
            })?,
        };
        Ok(Some(self.identity.open(&delivery)?))
    }

    /// Notes a report to deliver; gives its message id, which is the old one if this very report was asked before.
    ///
    /// What is told again while it still waits to be delivered is not delivered twice.
    pub(crate) fn file(
        &mut self,
        task: Uuid,
        report: Report,
        asked: bool,
    ) -> Result<Uuid, JournalError> {
        let open = self.open_task(task)?;
        if asked && let Some(message) = open.asked_as(&report) {
            return Ok(message);
        }
        if !asked
            && let Some(last) = open.reports.back()
            && last.pending
            && last.filed.report == report
        {
            return Ok(last.filed.message);
        }
        let message = Uuid::now_v7();
        self.append(JournalEntry::Filed(Filed {
            task,
            message,
            asked,
            report,
        }))?;
        Ok(message)
    }

    /// Delivers a report of an open task once more if it was delivered: its answer is wanted, and was not kept.
    pub(crate) fn ask_again(&mut self, message: Uuid) {
        self.book.ask_again(message);
    }

    /// Notes that a report was delivered.
    pub(crate) fn delivered(&mut self, message: Uuid) -> Result<(), JournalError> {
        self.append(JournalEntry::Delivered { message })
    }

    /// Notes that the service refuses a report for good.
    pub(crate) fn refuse(&mut self, refused: RejectedReport) -> Result<(), JournalError> {
        self.append(JournalEntry::Refused(refused))
    }

    /// What was refused, of each task in one.
    pub(crate) fn refused(&self) -> Vec<RejectedReport> {
        self.book.refused.iter().cloned().collect()
    }

    /// Forgets which reports of a token were refused but in one task; on disk with the next task that ends.
    pub(crate) fn forget_refused(&mut self, serial: Serial, but: Uuid) {
        self.book.forget_refused(serial, but);
    }

    /// Notes that a task has ended, and wipes what was kept of it.
    pub(crate) fn end(&mut self, task: Uuid) -> Result<(), JournalError> {
        self.append(JournalEntry::Ended { task })?;
        self.rewrite()
    }

    fn open_task(&self, task: Uuid) -> Result<&book::TakenTask, JournalError> {
        self.book.task(task).ok_or(JournalError::Ended(task))
    }

    /// Appends a line, and waits until it is on disk.
    fn append(&mut self, entry: JournalEntry) -> Result<(), JournalError> {
        let mut place = self.place;
        let line = place.write(&entry, clock::now(), &*self.identity)?;
        let failed = |source| JournalError::Io {
            path: self.path.clone(),
            source,
        };
        if self.torn {
            self.file.set_len(self.length).map_err(failed)?;
        }
        self.torn = true;
        let mut file = &self.file;
        file.write_all(&line)
            .and_then(|()| file.sync_data())
            .map_err(failed)?;
        self.torn = false;
        self.length += line.len() as u64;
        self.place = place;
        self.book.fold(entry);
        Ok(())
    }

    /// Writes the file anew with what counts, and overwrites the old one, as far as the file system lets it.
    fn rewrite(&mut self) -> Result<(), JournalError> {
        let failed = |source| JournalError::Io {
            path: self.path.clone(),
            source,
        };
        let (bytes, place) = written(&self.book, &*self.identity)?;
        let mut old = OpenOptions::new()
            .write(true)
            .open(&self.path)
            .map_err(failed)?;
        replace_secret_file(&self.path, &bytes)?;
        let file = appending(&self.path).map_err(failed)?;
        let old_length = self.length;
        self.file = file;
        self.torn = false;
        self.length = bytes.len() as u64;
        self.place = place;
        // What was sealed is of no use without the curve key; so a disk that refuses this is no reason to stop.
        drop(io::copy(&mut io::repeat(0).take(old_length), &mut old).and_then(|_| old.sync_data()));
        Ok(())
    }
}

/// The bytes of a journal that amounts to `book`.
fn written(
    book: &Book,
    identity: &dyn Identity,
) -> Result<(Vec<u8>, entry::JournalPosition), IdentityError> {
    let mut place = entry::JournalPosition::default();
    let mut bytes = Vec::new();
    for entry in book.entries(identity.public_nkey()) {
        bytes.append(&mut place.write(&entry, clock::now(), identity)?);
    }
    Ok((bytes, place))
}

fn appending(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .mode(0o600)
        .open(path)
}
