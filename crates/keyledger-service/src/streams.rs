//! The settings of the service's streams and buckets, and whether those that exist still have them.

use std::time::Duration;

use async_nats::jetstream::{
    self,
    stream::{Config, ConsumerLimits, DiscardPolicy, RetentionPolicy, StorageType},
};
use keyledger_wire::Prefix;

use crate::store::check;

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

/// Sealed material: on disk, one value an entry, erased on destruction.
pub(crate) fn material_config(prefix: &Prefix, replicas: usize) -> Config {
    Config {
        description: Some("Sealed keys".to_owned()),
        ..bucket_config(&prefix.material_bucket(), StorageType::File, replicas)
    }
}

/// Tasks: each goes to one agent, and leaves when the agent says that it has ended.
pub(crate) fn tasks_config(prefix: &Prefix, replicas: usize) -> Config {
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
pub(crate) fn inventory_config(prefix: &Prefix, replicas: usize) -> Config {
    Config {
        description: Some("The inventory: a view of the ledger".to_owned()),
        // Whoever may watch makes consumers: neither any number of them, nor for ever.
        max_consumers: MAX_WATCHERS,
        consumer_limits: Some(ConsumerLimits {
            inactive_threshold: WATCHER_GONE,
            max_ack_pending: 0,
        }),
        // Entries are written many at a time.
        allow_atomic_publish: true,
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
