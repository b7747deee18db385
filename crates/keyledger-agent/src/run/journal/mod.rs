//! The journal: what must survive a crash. It holds the tasks that were taken, their sealed secrets, and the reports to deliver.
//!
//! Each line is signed with the agent's nkey and chained to the line before it, and counts once it is on disk. When a task has ended,
//! the file is written anew without the task's secrets. Secrets are in the file only in sealed form.

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

/// The name of the journal's file in the state directory.
pub const FILE: &str = "journal";
/// The largest journal that is read, in bytes. An open task takes some 100 KiB, and at most 64 tasks are open.
const MAX_BYTES: u64 = 64 << 20;

/// Why the journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Somebody else changed, added or removed a line: see [`JournalLineError`].
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
    /// The journal belongs to an agent with other keys: do what the message says.
    #[error(
        "{} is the journal of another agent ({agent}): put that agent's keys back, or enrol with new keys by \
         `keyledger-agent enrol --name WORKSTATION --anew`, which keeps the old journal under another name",
        path.display()
    )]
    Another {
        /// The file.
        path: PathBuf,
        /// The agent that its first line names.
        agent: String,
    },
    /// The path is not a file but a pipe, a device or a directory: move it away.
    #[error("{} is not an ordinary file: move it away, and find out who put it there", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The file is longer than an agent's journal can become.
    #[error("{} has more than {MAX_BYTES} bytes: move it away", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// The disk is full, or fails.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// The file cannot be used: the source says what to do.
    #[error("the journal's file")]
    File(#[from] SecretFileError),
    /// The holder of the agent's keys does not sign or open.
    #[error("the agent's keys do not sign the journal, or do not open what it keeps")]
    Identity(#[from] IdentityError),
    /// A secret cannot be sealed.
    #[error("a secret to keep cannot be sealed")]
    Seal(#[from] keyledger_custody::DeliveryError),
    /// A secret that was kept is not in the form in which it was written.
    #[error("the secret that was kept as {what:?} cannot be read")]
    Kept {
        /// The name under which it was kept.
        what: String,
        /// What is wrong with it.
        #[source]
        source: data_encoding::DecodeError,
    },
    /// The task has ended in the meantime.
    #[error("task {0} has ended")]
    Ended(Uuid),
}

impl JournalError {
    /// What to do about it, if the message does not say that.
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

/// The open journal. The lock of the agent's state allows one process to open it.
#[expect(
    missing_debug_implementations,
    reason = "it holds the identity, which is secret"
)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// The length of the part of the file that counts, in bytes.
    length: u64,
    /// True if a write failed and may have left half a line behind that part.
    torn: bool,
    place: entry::JournalPosition,
    book: Book,
    identity: Arc<dyn Identity>,
}

impl Journal {
    /// Opens the journal in `directory`, or begins one. Cuts off a last line that is incomplete.
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
        // Check before opening: opening a pipe would wait for ever.
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
            tracing::warn!(file = %path.display(), bytes = bytes.len() - whole, "the journal's last line was incomplete and was cut off");
            journal.file.set_len(whole as u64).map_err(failed)?;
            journal.file.sync_all().map_err(failed)?;
        }
        if whole == 0 {
            journal.rewrite()?; // even its first line was incomplete
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

    /// The state that its lines add up to.
    pub(crate) const fn book(&self) -> &Book {
        &self.book
    }

    /// The tasks that have not ended, and for each how many reports were not delivered.
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

    /// Files a report to deliver, and returns its message id. If the walk asked the same report before, that is the old id.
    ///
    /// The same report, told again while it still waits for delivery, is not delivered twice.
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

    /// Marks a delivered report for another delivery: its answer is needed again, and was not kept.
    pub(crate) fn ask_again(&mut self, message: Uuid) {
        self.book.ask_again(message);
    }

    /// Notes that a report was delivered.
    pub(crate) fn delivered(&mut self, message: Uuid) -> Result<(), JournalError> {
        self.append(JournalEntry::Delivered { message })
    }

    /// Notes that the service rejected a report for good.
    pub(crate) fn refuse(&mut self, refused: RejectedReport) -> Result<(), JournalError> {
        self.append(JournalEntry::Refused(refused))
    }

    /// The rejected reports, one entry for each task.
    pub(crate) fn refused(&self) -> Vec<RejectedReport> {
        self.book.refused.iter().cloned().collect()
    }

    /// Forgets the rejected reports of a token, except those of one task. On disk this happens when the next task ends.
    pub(crate) fn forget_refused(&mut self, serial: Serial, but: Uuid) {
        self.book.forget_refused(serial, but);
    }

    /// Notes that a task has ended, and wipes the secrets that were kept for it.
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

    /// Writes the file anew with what still counts, and overwrites the old file with zeros, as far as the file system allows that.
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
        // The sealed secrets are of no use without the curve key, so a failure here is no reason to stop.
        drop(io::copy(&mut io::repeat(0).take(old_length), &mut old).and_then(|_| old.sync_data()));
        Ok(())
    }
}

/// The bytes of a journal whose lines add up to `book`.
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
