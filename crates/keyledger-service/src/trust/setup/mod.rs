//! `keyledger setup`: streams, buckets, sealed material and the genesis events, made once and never changed.

mod error;
mod streams;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use async_nats::jetstream;
use bytes::Bytes;
use futures::future::BoxFuture;
use keyledger_custody::{SecretFileError, read_secret_file, write_secret_file};
use keyledger_domain::{
    EventCid,
    verify::{StoredEvent, export},
};
use keyledger_wire::{Prefix, ServerVersion};

use self::streams::{PAUSE, WORKS_WITHIN, is_there, make};
pub use self::{
    error::{SetupError, SetupReport},
    streams::ensure_inventory,
};
use super::{
    files::{Organisation, file},
    genesis,
};
use crate::{
    KnownGenesis,
    material::{MaterialBucket, MaterialError, Materials},
    store::{Append, AppendError, JetStreamStore, Store},
    streams::{material_config, tasks_config},
};

/// How long JetStream is waited for.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long a bucket may take until what was written to it can be read.
const READABLE_WITHIN: Duration = Duration::from_secs(20);

/// Makes what is missing of an organisation's streams and buckets, and writes the genesis events into an empty ledger.
///
/// Needs a client with the setup creds. May run twice, also after it was cut off: nothing that is there is changed.
/// `replicas` (1, 3 or 5) counts for what is made now.
///
/// # Errors
///
/// [`SetupError`].
pub fn setup<'a>(
    client: &'a async_nats::Client,
    organisation: &'a Organisation,
    replicas: usize,
) -> BoxFuture<'a, Result<SetupReport, SetupError>> {
    // Boxed as `Service::start` is: compiled here, once.
    Box::pin(set_up(client, organisation, replicas))
}

async fn set_up(
    client: &async_nats::Client,
    organisation: &Organisation,
    replicas: usize,
) -> Result<SetupReport, SetupError> {
    let server = client.server_info();
    ServerVersion::check(&server.server_name, &server.version)?;
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
    let tasks = tasks_config(&prefix, replicas);
    if !is_there(&context, &tasks.name).await? {
        make(&context, tasks, &mut report).await?;
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
    report.genesis_events = write(&store, &prefix, &genesis).await?;
    mark(&marker, organisation)?;
    Ok(report)
}

/// Writes the genesis events into an empty ledger; how many it wrote.
async fn write(
    store: &JetStreamStore,
    prefix: &Prefix,
    genesis: &[StoredEvent],
) -> Result<usize, SetupError> {
    let begin = Instant::now();
    loop {
        match store.append(appends(genesis, prefix), None).await {
            Ok(_) => return Ok(genesis.len()),
            // Another setup was faster, or the answer was lost.
            Err(AppendError::Conflict | AppendError::Unacknowledged(_))
                if is_written(store, prefix, genesis).await? =>
            {
                return Ok(0);
            }
            // The stream may have lost its leader meanwhile. Written twice is refused.
            Err(AppendError::Unacknowledged(_)) if begin.elapsed() < WORKS_WITHIN => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
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

/// What the organisation's directory knows of the trust bootstrap: all of its events where their file is there, else the
/// first.
///
/// # Errors
///
/// [`SetupError`] if the file is damaged.
pub fn known_genesis(organisation: &Organisation) -> Result<KnownGenesis, SetupError> {
    let events = if organisation.genesis_file().exists() {
        let events = read_genesis(organisation)?;
        let cids = events.iter().map(|event| EventCid::of(&event.payload));
        cids.collect()
    } else {
        // A directory that says nothing of it knows the operator all the same.
        organisation.genesis.parse().into_iter().collect()
    };
    Ok(KnownGenesis {
        operator: organisation.operator.clone(),
        events,
    })
}

/// The genesis events, after verifying them.
fn read_genesis(organisation: &Organisation) -> Result<Vec<StoredEvent>, SetupError> {
    let path = organisation.genesis_file();
    let bytes = read_secret_file(&path)?;
    let text = String::from_utf8_lossy(bytes.expose());
    let bad = |source| SetupError::Genesis {
        path: path.clone(),
        source: Box::new(source),
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

/// Uploads the sealed keys, and reads them back: the events that name them come after.
async fn upload(
    client: &async_nats::Client,
    organisation: &Organisation,
    prefix: &Prefix,
) -> Result<usize, SetupError> {
    let bucket = MaterialBucket::open(client.clone(), prefix).await?;
    let files = sealed_files(&organisation.directory().join(file::MATERIAL))?;
    for (entry, path) in &files {
        let sealed = read_secret_file(path)?;
        bucket.put(entry, sealed.expose().to_vec()).await?;
        read_back(&bucket, entry, sealed.expose()).await?;
    }
    Ok(files.len())
}

/// Reads an entry until it is there: a bucket of several replicas answers reads only a while after it was made.
async fn read_back(bucket: &MaterialBucket, entry: &str, sealed: &[u8]) -> Result<(), SetupError> {
    let begin = Instant::now();
    loop {
        let fault = match bucket.read(entry).await {
            Ok(Some(read)) if read == sealed => return Ok(()),
            Ok(_) => MaterialError::Unread(entry.to_owned()),
            Err(error) => error,
        };
        if begin.elapsed() > READABLE_WITHIN {
            return Err(fault.into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
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
