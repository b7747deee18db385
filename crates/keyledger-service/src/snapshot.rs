//! A snapshot of the fold in a local file, so that a start need not read the whole ledger.
//!
//! A cache, and a witness: one that is unreadable or of an older form is not used; one that is ours is held against the
//! stream, and where the stream contradicts it, the stream was rolled back or replaced.

use std::path::{Path, PathBuf};

use keyledger_custody::{MacKey, MacMismatch};
use keyledger_domain::{EventCid, Ledger, text::in_full, verify::HeadDigest};
use keyledger_wire::read_ordinary_file;
use serde::{Deserialize, Serialize};

use crate::handler::{Known, Live, Position};

/// What a snapshot's file begins with; the digit is its form's version.
const MAGIC: &[u8] = b"keyledger-snapshot-11\n";
/// The most bytes that are read of one: ten million keys take some 16 GiB.
const MAX_BYTES: u64 = 64 << 30;
/// The MAC behind the content, in bytes.
const TAG_BYTES: usize = 32;

/// Why a file is no snapshot of ours. The whole ledger is read instead.
#[derive(Debug, thiserror::Error)]
enum NotASnapshot {
    #[error("it is too short")]
    TooShort,
    /// It was written by another program, or under another root key.
    #[error(transparent)]
    Mac(#[from] MacMismatch),
    #[error("it is of another version")]
    AnotherVersion,
    #[error("its content is not readable")]
    Content(#[from] postcard::Error),
}

/// Where a snapshot lies, and the key that authenticates it.
pub struct Snapshot {
    path: PathBuf,
    key: MacKey,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
struct Content<L> {
    sequence: u64,
    /// The CID of the event at that sequence.
    cid: EventCid,
    digest: HeadDigest,
    /// Own events that are folded beyond that sequence: acknowledged, and not come by in the stream.
    own: Vec<(u64, EventCid)>,
    ledger: L,
}

/// A snapshot that is ours: what the ledger was when it was written.
pub struct Saved(Content<Ledger>);

impl std::fmt::Debug for Saved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Saved").field(&self.known()).finish()
    }
}

impl Saved {
    /// What the stream must hold.
    #[must_use]
    pub fn known(&self) -> Known {
        let own = self.0.own.iter().map(|(at, _)| *at).max();
        Known {
            sequence: self.0.sequence,
            cid: Some(self.0.cid),
            end: own.unwrap_or_default().max(self.0.sequence),
        }
    }

    /// The fold to go on with.
    #[must_use]
    pub fn live(self) -> Live {
        let Content {
            sequence,
            cid,
            digest,
            own,
            ledger,
        } = self.0;
        Live::from_snapshot(ledger, Position { sequence, digest }, cid, own)
    }
}

impl Snapshot {
    /// The snapshot at `path`.
    #[must_use]
    pub const fn new(path: PathBuf, key: MacKey) -> Self {
        Self { path, key }
    }

    /// Writes what is live. Commands wait while it is copied, about a second for a million keys. Of a ledger that is broken
    /// or in doubt none is written: the next start must find what this one found.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn save(&self, live: &Live) -> std::io::Result<()> {
        let ledger = live.ledger.read();
        if let Some(said) = live.broken().or_else(|| live.doubt()) {
            tracing::warn!(%said, "no snapshot is written");
            return Ok(());
        }
        let Some((position, cid, own)) = live.newest() else {
            return Ok(());
        };
        let content = Content {
            sequence: position.sequence,
            cid,
            digest: position.digest,
            own,
            ledger: &*ledger,
        };
        let mut bytes =
            postcard::to_extend(&content, MAGIC.to_vec()).map_err(std::io::Error::other)?;
        drop(ledger);
        let tag = self.key.tag(&bytes);
        bytes.extend_from_slice(&tag);
        let beside = self.path.with_extension("new");
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // What a run left that was cut off; and no link that somebody planted is followed.
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        write_private(&beside, &bytes)?;
        std::fs::rename(beside, &self.path)
    }

    /// Reads the snapshot, if it is there, is ours, and of this version's form.
    #[must_use]
    pub fn read(&self) -> Option<Saved> {
        let bytes = match read_ordinary_file(&self.path, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the snapshot is not used");
                return None;
            }
        };
        match self.parse(&bytes) {
            Ok(saved) => Some(saved),
            Err(error) => {
                let said = in_full(&error);
                tracing::warn!(path = %self.path.display(), %said, "the snapshot is not used");
                None
            }
        }
    }

    fn parse(&self, bytes: &[u8]) -> Result<Saved, NotASnapshot> {
        let split = bytes
            .len()
            .checked_sub(TAG_BYTES)
            .ok_or(NotASnapshot::TooShort)?;
        let (signed, tag) = bytes.split_at(split);
        self.key.verify(signed, tag)?;
        let body = signed
            .strip_prefix(MAGIC)
            .ok_or(NotASnapshot::AnotherVersion)?;
        Ok(Saved(postcard::from_bytes(body)?))
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use keyledger_custody::{Custody, RootKey};

    use super::*;

    #[test]
    fn what_is_no_file_is_no_snapshot_and_is_not_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let queue = home.path().join("queue");
        let made = std::process::Command::new("mkfifo").arg(&queue).status();
        assert!(made.unwrap().success());
        let endless = home.path().join("endless");
        std::os::unix::fs::symlink("/dev/zero", &endless).unwrap();
        for path in [queue, endless, home.path().to_owned()] {
            let key = Custody::open(RootKey::generate().unwrap()).mac_key("snapshot");
            let snapshot = Snapshot::new(path.clone(), key);
            let (out, read) = std::sync::mpsc::channel();
            std::thread::spawn(move || out.send(snapshot.read().is_none()));
            let patience = std::time::Duration::from_secs(30);
            assert_eq!(read.recv_timeout(patience), Ok(true), "{}", path.display());
        }
    }
}
