//! What `setup` says.

use std::{io, path::PathBuf};

use keyledger_custody::SecretFileError;
use keyledger_domain::verify::export;
use keyledger_wire::UnsupportedServer;

use crate::{
    material::MaterialError,
    refused::AnyError,
    store::{AppendError, OpenError, ReadError},
};

/// What `setup` found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetupReport {
    /// Streams and buckets that were not there, and were made.
    pub made: Vec<String>,
    /// Entries of material that were uploaded.
    pub uploaded: usize,
    /// How many genesis events were written; 0 if they were there.
    pub genesis_events: usize,
}

/// Why an organisation was not set up. Run it again when what it says is done: what is there stays as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The server is too old: upgrade it.
    #[error(transparent)]
    UnsupportedServer(#[from] UnsupportedServer),
    /// JetStream refuses or does not answer.
    #[error("JetStream refuses {what}; are these the setup creds, and is JetStream on?")]
    JetStream {
        /// What was asked.
        what: String,
        /// What it said.
        #[source]
        source: AnyError,
    },
    /// The ledger's stream was made before, and is gone. A server without its encryption key, or with another
    /// storage directory, looks the same: making the stream anew would destroy it for good.
    #[error(
        "stream {stream} was set up before and is not there: look for the server's storage directory or encryption \
         key; only if nothing is to be recovered, remove {} and set up again",
        marker.display()
    )]
    Vanished {
        /// Its name.
        stream: String,
        /// The file that says it was set up.
        marker: PathBuf,
    },
    /// The stream holds somebody else's ledger: use another prefix, or another server.
    #[error(
        "stream {stream} holds another organisation's ledger: it begins with {found}, and this one's begins with \
         {expected}; use another prefix or another server"
    )]
    OtherLedger {
        /// Its name.
        stream: String,
        /// The CID of its first event.
        found: String,
        /// The CID of this organisation's first event.
        expected: String,
    },
    /// The stream is there and has settings that the ledger cannot live with: they are never changed here.
    #[error(transparent)]
    Stream(#[from] OpenError),
    /// The ledger's stream cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The genesis events were not written.
    #[error("writing the genesis events")]
    Append(#[from] AppendError),
    /// The material bucket cannot be used.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// `genesis.jsonl` is not what `init` wrote: restore it from a backup.
    #[error("{} is not what `keyledger init` wrote", path.display())]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<export::ExportError>,
    },
    /// A file of the organisation's directory was not read or written.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// A directory was not read: the source says why.
    #[error("{}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
}
