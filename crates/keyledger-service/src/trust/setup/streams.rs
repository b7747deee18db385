//! Streams and buckets: made where they are not there, never changed.

use std::time::{Duration, Instant};

use async_nats::jetstream::{
    self,
    context::{CreateStreamErrorKind, GetStreamErrorKind},
    stream::{Config, ConsumerLimits, DiscardPolicy, RetentionPolicy, StorageType},
};
use keyledger_wire::Prefix;

use super::{SetupError, SetupReport, TIMEOUT};
use crate::store::check;

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
    let mut context = jetstream::with_prefix(client.clone(), &prefix.imported_api());
    context.set_timeout(TIMEOUT);
    let config = inventory_config(prefix, replicas);
    if is_there(&context, &config.name).await? {
        return Ok(false);
    }
    make(&context, config, &mut SetupReport::default()).await?;
    Ok(true)
}

/// What is wrong with the settings of the tasks' stream or of the inventory bucket. One that is away for a moment has no wrong setting.
pub(crate) async fn views_fault(client: &async_nats::Client, prefix: &Prefix) -> Option<String> {
    let own = jetstream::new(client.clone());
    let views = jetstream::with_prefix(client.clone(), &prefix.imported_api());
    for (context, made) in [
        (own, tasks_config(prefix, 1)),
        (views, inventory_config(prefix, 1)),
    ] {
        let Some(found) = settings(context, &made.name).await else {
            continue;
        };
        if let Err(fault) = check(&found, &made) {
            return Some(fault.to_string());
        }
    }
    None
}

async fn settings(mut context: jetstream::Context, stream: &str) -> Option<Config> {
    context.set_timeout(LOOKED_WITHIN);
    let stream = context.get_stream(stream).await.ok()?;
    Some(stream.cached_info().config.clone())
}

/// How long a look at a stream's settings may take.
const LOOKED_WITHIN: Duration = Duration::from_secs(2);

/// How many may watch the inventory at once.
const MAX_WATCHERS: i32 = 1_024;
/// How long a watcher may be away until its consumer goes.
const WATCHER_GONE: Duration = Duration::from_secs(3_600);

/// How long a cluster that was just started may take until JetStream works for an account. Whoever was asked and lost its lead
/// meanwhile does not answer.
pub(super) const WORKS_WITHIN: Duration = Duration::from_secs(30);
/// The pause between two tries.
pub(super) const PAUSE: Duration = Duration::from_millis(200);
/// JetStream's code for too few servers to place a stream on: also of a cluster that is not complete yet.
const NO_SUITABLE_PEERS: u64 = 10_005;
/// JetStream's code for a stream whose files could not be made: also where they are just made, or removed, for a request that was given
/// up before.
const STORE_FAILED: u64 = 10_049;

pub(super) async fn is_there(
    context: &jetstream::Context,
    stream: &str,
) -> Result<bool, SetupError> {
    let begin = Instant::now();
    loop {
        let Err(error) = context.get_stream(stream).await else {
            return Ok(true);
        };
        match error.kind() {
            GetStreamErrorKind::JetStream(e) if e.code() == 404 => return Ok(false),
            GetStreamErrorKind::JetStream(e) if comes_yet(&e) && begin.elapsed() < WORKS_WITHIN => {
                tokio::time::sleep(PAUSE).await;
            }
            GetStreamErrorKind::Request if begin.elapsed() < WORKS_WITHIN => {
                tokio::time::sleep(PAUSE).await;
            }
            _ => {
                return Err(SetupError::JetStream {
                    what: format!("to tell of stream {stream}"),
                    said: error.to_string(),
                });
            }
        }
    }
}

pub(super) async fn make(
    context: &jetstream::Context,
    config: Config,
    report: &mut SetupReport,
) -> Result<(), SetupError> {
    let begin = Instant::now();
    loop {
        let stream = config.name.clone();
        let Err(error) = context.create_stream(config.clone()).await else {
            report.made.push(stream);
            return Ok(());
        };
        match error.kind() {
            // Somebody made it since we looked: another setup.
            CreateStreamErrorKind::JetStream(e)
                if e.error_code() == jetstream::ErrorCode::STREAM_NAME_EXIST =>
            {
                return Ok(());
            }
            CreateStreamErrorKind::JetStream(e)
                if comes_yet(&e) && begin.elapsed() < WORKS_WITHIN =>
            {
                tokio::time::sleep(PAUSE).await;
            }
            // Made or not: the same once more is the same stream.
            CreateStreamErrorKind::TimedOut if begin.elapsed() < WORKS_WITHIN => {
                tokio::time::sleep(PAUSE).await;
            }
            _ => {
                return Err(SetupError::JetStream {
                    what: format!("to make stream {stream}"),
                    said: error.to_string(),
                });
            }
        }
    }
}

/// True of an answer that a server gives while it or its cluster is starting.
fn comes_yet(error: &jetstream::Error) -> bool {
    error.code() == 503 || [NO_SUITABLE_PEERS, STORE_FAILED].contains(&error.error_code().0)
}

/// Sealed material: on disk, one value an entry, erased on destruction.
pub(crate) fn material_config(prefix: &Prefix, replicas: usize) -> Config {
    Config {
        description: Some("Sealed keys".to_owned()),
        ..bucket_config(&prefix.material_bucket(), StorageType::File, replicas)
    }
}

/// Tasks: each goes to one agent, and leaves when the agent says that it has ended.
pub(super) fn tasks_config(prefix: &Prefix, replicas: usize) -> Config {
    Config {
        name: prefix.tasks_stream(),
        description: Some("Tasks of workstations' agents".to_owned()),
        subjects: vec![prefix.tasks()],
        retention: RetentionPolicy::WorkQueue,
        storage: StorageType::File,
        num_replicas: replicas,
        // The service files an open task again when it starts; the ledger knows better than a full queue.
        max_messages: MAX_TASKS,
        discard: DiscardPolicy::New,
        duplicate_window: Duration::from_secs(120),
        ..Config::default()
    }
}

/// How many tasks may wait.
const MAX_TASKS: i64 = 100_000;

/// The inventory: a view, in memory.
fn inventory_config(prefix: &Prefix, replicas: usize) -> Config {
    Config {
        description: Some("The inventory: a view of the ledger".to_owned()),
        // Whoever may watch makes consumers: neither any number of them, nor for ever.
        max_consumers: MAX_WATCHERS,
        consumer_limits: Some(ConsumerLimits {
            inactive_threshold: WATCHER_GONE,
            max_ack_pending: 0,
        }),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_starting_cluster_says_is_asked_again_and_nothing_else() {
        let said = |code: u16, err_code: u64| -> jetstream::Error {
            let said = serde_json::json!({ "code": code, "err_code": err_code, "description": "" });
            serde_json::from_value(said).unwrap()
        };
        // No quorum yet; too few servers yet; the files of a try that was given up are still being made.
        assert!(comes_yet(&said(503, 10_008)));
        assert!(comes_yet(&said(400, 10_005)));
        assert!(comes_yet(&said(500, 10_049)));
        // Too little storage; a setting that is refused.
        assert!(!comes_yet(&said(500, 10_047)));
        assert!(!comes_yet(&said(400, 10_052)));
    }
}
