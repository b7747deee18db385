//! A snapshot of the fold in a local file, so that a start need not read the whole ledger.
//!
//! Only a cache: authenticated under the root key, held against the stream, and thrown away if anything differs.

use std::path::{Path, PathBuf};

use keyledger_custody::MacKey;
use keyledger_domain::{EventCid, Ledger, verify::HeadDigest};
use serde::{Deserialize, Serialize};

use crate::{
    handler::{Live, Position},
    store::Store,
};

/// What a snapshot's file begins with; the digit is its form's version.
const MAGIC: &[u8] = b"keyledger-snapshot-10\n";
/// The MAC behind the content, in bytes.
const TAG_BYTES: usize = 32;

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
    ledger: L,
}

impl Snapshot {
    /// The snapshot at `path`.
    #[must_use]
    pub const fn new(path: PathBuf, key: MacKey) -> Self {
        Self { path, key }
    }

    /// Writes what is live. Commands wait while it is copied, about a second for a million keys.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn save(&self, live: &Live) -> std::io::Result<()> {
        let Some((position, cid)) = live.newest() else {
            return Ok(());
        };
        let content = Content {
            sequence: position.sequence,
            cid,
            digest: position.digest,
            ledger: &*live.ledger.read(),
        };
        let mut bytes =
            postcard::to_extend(&content, MAGIC.to_vec()).map_err(std::io::Error::other)?;
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

    /// Reads the snapshot, if it is there, is ours, and the stream still holds what it was made of.
    pub async fn load(&self, store: &dyn Store) -> Option<Live> {
        let bytes = std::fs::read(&self.path).ok()?;
        match self.read(&bytes, store).await {
            Ok(live) => Some(live),
            Err(said) => {
                tracing::warn!(path = %self.path.display(), %said, "the snapshot is not used");
                None
            }
        }
    }

    async fn read(&self, bytes: &[u8], store: &dyn Store) -> Result<Live, String> {
        let split = bytes
            .len()
            .checked_sub(TAG_BYTES)
            .ok_or("it is too short")?;
        let (signed, tag) = bytes.split_at(split);
        self.key.verify(signed, tag).map_err(|e| e.to_string())?;
        let body = signed
            .strip_prefix(MAGIC)
            .ok_or("it is of another version")?;
        let content: Content<Ledger> = postcard::from_bytes(body).map_err(|e| e.to_string())?;
        let at = store
            .read(content.sequence - 1, 1)
            .await
            .map_err(|e| e.to_string())?;
        let same = at.first().is_some_and(|e| {
            e.sequence == content.sequence && EventCid::of(&e.payload) == content.cid
        });
        if !same {
            return Err(format!(
                "the stream holds another event at {}",
                content.sequence
            ));
        }
        let position = Position {
            sequence: content.sequence,
            digest: content.digest,
        };
        Ok(Live::from_snapshot(content.ledger, position, content.cid))
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
