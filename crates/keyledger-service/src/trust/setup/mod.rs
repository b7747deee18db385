//! `keyledger setup`: streams, buckets, sealed material and the genesis events, made once and never changed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use async_nats::jetstream::{
    self,
    context::{CreateStreamErrorKind, GetStreamErrorKind},
    stream::{Config, DiscardPolicy, StorageType},
};
use bytes::Bytes;
use keyledger_custody::{SecretFileError, read_secret_file, write_secret_file};
use keyledger_domain::{
    EventCid,
    verify::{StoredEvent, export},
};
use keyledger_wire::Prefix;

use super::{
    files::{Organisation, file},
    genesis, templates,
};
use crate::{
    material::{MaterialBucket, MaterialError, Materials},
    store::{Append, AppendError, JetStreamStore, OpenError, ReadError, Store},
};

/// How long JetStream is waited for.
const TIMEOUT: Duration = Duration::from_secs(10);

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
    /// JetStream refuses or does not answer.
    #[error("JetStream refuses {what}: {said}; are these the setup creds, and is JetStream on?")]
    JetStream {
        /// What was asked.
        what: String,
        /// What it said.
        said: String,
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
        source: export::ExportError,
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

/// Makes what is missing of an organisation's streams and buckets, and writes the genesis events into an empty ledger.
///
/// Needs a client with the setup creds. May run twice, also after it was cut off: nothing that is there is changed.
/// `replicas` (1, 3 or 5) counts for what is made now.
///
/// # Errors
///
/// [`SetupError`].
pub async fn setup(
    client: &async_nats::Client,
    organisation: &Organisation,
    replicas: usize,
) -> Result<SetupReport, SetupError> {
    let prefix = organisation.prefix();
    let genesis = read_genesis(organisation)?;
    let mut report = SetupReport::default();
    let mut context = jetstream::new(client.clone());
    context.set_timeout(TIMEOUT);

    let events = JetStreamStore::config(&prefix, replicas);
    let marker = organisation.directory().join(file::SET_UP);
    if !is_there(&context, &events.name).await? {
        if marker.exists() {
            return Err(SetupError::Vanished {
                stream: events.name,
                marker,
            });
        }
        make(&context, events, &mut report).await?;
    }
    let material = material_config(&prefix, replicas);
    if !is_there(&context, &material.name).await? {
        make(&context, material, &mut report).await?;
    }
    if ensure_inventory(client, &prefix, replicas).await? {
        report
            .made
            .push(Prefix::bucket_stream(&prefix.inventory_bucket()));
    }

    let store = JetStreamStore::open(client.clone(), &prefix).await?;
    if is_written(&store, &prefix, &genesis).await? {
        mark(&marker, organisation)?;
        return Ok(report);
    }
    // Material before the events that name it; never again after them: what was destroyed stays destroyed.
    report.uploaded = upload(client, organisation, &prefix).await?;
    match store.append(appends(&genesis, &prefix)).await {
        Ok(_) => report.genesis_events = genesis.len(),
        // Another setup was faster, or the answer was lost.
        Err(AppendError::Conflict | AppendError::Unacknowledged(_))
            if is_written(&store, &prefix, &genesis).await? => {}
        Err(error) => return Err(error.into()),
    }
    mark(&marker, organisation)?;
    Ok(report)
}

/// Makes the inventory bucket if it is not there: it lives in memory, so a restart of the server takes it away. True if it was
/// made, and is empty.
///
/// The running service may do this too.
///
/// # Errors
///
/// [`SetupError::JetStream`].
pub async fn ensure_inventory(
    client: &async_nats::Client,
    prefix: &Prefix,
    replicas: usize,
) -> Result<bool, SetupError> {
    // It lives in the account of the views, whose API is imported under a prefix.
    let mut context = jetstream::with_prefix(client.clone(), &templates::views_api(prefix));
    context.set_timeout(TIMEOUT);
    let config = inventory_config(prefix, replicas);
    if is_there(&context, &config.name).await? {
        return Ok(false);
    }
    make(&context, config, &mut SetupReport::default()).await?;
    Ok(true)
}

async fn is_there(context: &jetstream::Context, stream: &str) -> Result<bool, SetupError> {
    match context.get_stream(stream).await {
        Ok(_) => Ok(true),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(e) if e.code() == 404 => Ok(false),
            _ => Err(SetupError::JetStream {
                what: format!("to tell of stream {stream}"),
                said: error.to_string(),
            }),
        },
    }
}

async fn make(
    context: &jetstream::Context,
    config: Config,
    report: &mut SetupReport,
) -> Result<(), SetupError> {
    let stream = config.name.clone();
    match context.create_stream(config).await {
        Ok(_) => {
            report.made.push(stream);
            Ok(())
        }
        // Somebody made it since we looked: another setup.
        Err(error)
            if matches!(error.kind(), CreateStreamErrorKind::JetStream(e)
                if e.error_code() == jetstream::ErrorCode::STREAM_NAME_EXIST) =>
        {
            Ok(())
        }
        Err(error) => Err(SetupError::JetStream {
            what: format!("to make stream {stream}"),
            said: error.to_string(),
        }),
    }
}

/// True if the ledger begins with these genesis events; false if it is empty.
async fn is_written(
    store: &JetStreamStore,
    prefix: &Prefix,
    genesis: &[StoredEvent],
) -> Result<bool, SetupError> {
    let stored = store.read(0, 1).await?;
    let Some(first) = stored.first() else {
        return Ok(false);
    };
    let found = EventCid::of(&first.payload);
    let expected = genesis.first().map(|event| EventCid::of(&event.payload));
    if Some(found) == expected && first.sequence == 1 {
        return Ok(true);
    }
    Err(SetupError::OtherLedger {
        stream: prefix.events_stream(),
        found: found.to_string(),
        expected: expected.map(|cid| cid.to_string()).unwrap_or_default(),
    })
}

/// The genesis events, after verifying them.
fn read_genesis(organisation: &Organisation) -> Result<Vec<StoredEvent>, SetupError> {
    let path = organisation.genesis_file();
    let bytes = read_secret_file(&path)?;
    let text = String::from_utf8_lossy(bytes.expose());
    let bad = |source| SetupError::Genesis {
        path: path.clone(),
        source,
    };
    genesis::check(&text, &organisation.prefix(), &organisation.operator).map_err(bad)?;
    let mut events = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let parsed = export::parse_line(text)
            .map_err(|source| bad(export::ExportError::Line { line, source }))?;
        if let export::Line::Event(stored) = parsed {
            events.push(stored);
        }
    }
    Ok(events)
}

/// The genesis events as one batch: compare-and-set stands on the first event of each history.
fn appends(genesis: &[StoredEvent], prefix: &Prefix) -> Vec<Append> {
    let mut begun = std::collections::HashSet::new();
    let append = |event: &StoredEvent| {
        // `keys.events.key.orders-db.generated` without its last token is the history.
        let history = event
            .subject
            .rsplit_once('.')
            .map_or("", |(history, _)| history);
        let expected = begun
            .insert(history.to_owned())
            .then(|| (format!("{history}.>"), 0));
        Append {
            subject: event.subject.clone(),
            expected,
            headers: KNOWN_HEADERS
                .iter()
                .filter_map(|name| Some((*name, event.headers.get(*name)?.clone())))
                .collect(),
            payload: Bytes::copy_from_slice(&event.payload),
        }
    };
    debug_assert!(
        genesis
            .iter()
            .all(|e| e.subject.starts_with(prefix.as_str()))
    );
    genesis.iter().map(append).collect()
}

/// The headers of an event, as the bootstrap writes them.
const KNOWN_HEADERS: [&str; 9] = {
    use keyledger_wire::header as h;
    [
        h::NATS_MSG_ID,
        h::CORRELATION_ID,
        h::CAUSATION_ID,
        h::EVENT_TYPE,
        h::AGGREGATE_ID,
        h::SCHEMA_VERSION,
        h::CID,
        h::SIGNATURE,
        h::SIGNER,
    ]
};

/// Uploads the sealed keys that are not in the bucket yet.
async fn upload(
    client: &async_nats::Client,
    organisation: &Organisation,
    prefix: &Prefix,
) -> Result<usize, SetupError> {
    let bucket = MaterialBucket::open(client.clone(), prefix).await?;
    let mut uploaded = 0;
    for (entry, path) in sealed_files(&organisation.directory().join(file::MATERIAL))? {
        let sealed = read_secret_file(&path)?;
        if bucket.read(&entry).await?.as_deref() != Some(sealed.expose()) {
            bucket.put(&entry, sealed.expose().to_vec()).await?;
            uploaded += 1;
        }
    }
    Ok(uploaded)
}

/// Entries of the material bucket, with the files they are in.
fn sealed_files(directory: &Path) -> Result<Vec<(String, PathBuf)>, SetupError> {
    let failed = |source| SetupError::Io {
        path: directory.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(entry) = name.strip_suffix(".sealed") {
            files.push((entry.to_owned(), path.clone()));
        }
    }
    files.sort();
    Ok(files)
}

/// Remembers that the ledger's stream was there once.
fn mark(marker: &Path, organisation: &Organisation) -> Result<(), SetupError> {
    let text = format!(
        "{:#}\n",
        serde_json::json!({ "genesis": organisation.genesis })
    );
    match write_secret_file(marker, text.as_bytes()) {
        Ok(()) | Err(SecretFileError::Exists { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Sealed material: on disk, one value an entry, erased on destruction.
fn material_config(prefix: &Prefix, replicas: usize) -> Config {
    Config {
        description: Some("Sealed keys".to_owned()),
        ..bucket_config(&prefix.material_bucket(), StorageType::File, replicas)
    }
}

/// The inventory: a view, in memory.
fn inventory_config(prefix: &Prefix, replicas: usize) -> Config {
    Config {
        description: Some("The inventory: a view of the ledger".to_owned()),
        ..bucket_config(&prefix.inventory_bucket(), StorageType::Memory, replicas)
    }
}

/// A KV bucket (ADR-8) of one value an entry.
fn bucket_config(bucket: &str, storage: StorageType, replicas: usize) -> Config {
    Config {
        name: Prefix::bucket_stream(bucket),
        subjects: vec![Prefix::bucket_entry(bucket, ">")],
        storage,
        num_replicas: replicas,
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        allow_direct: true,
        duplicate_window: Duration::from_secs(120),
        ..Config::default()
    }
}
