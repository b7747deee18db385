//! The settings of streams and buckets: what the ledger's is made with, and what is wrong with one that was changed.

use std::{collections::BTreeSet, time::Duration};

use async_nats::jetstream::{self, stream::StorageType};
use keyledger_wire::Prefix;

use super::JetStreamStore;

/// How long the server remembers message ids. No event is sent twice under one id: what a lost acknowledgement leaves open
/// is settled by compare-and-set. The default of 2 minutes costs the server some 100 bytes an event of that time.
const DUPLICATES: Duration = Duration::from_secs(5);

/// Settings that an administrator may choose: they neither lose nor change what is held. The name says which stream is looked at.
const FREE: [&str; 5] = [
    "name",
    "description",
    "metadata",
    "num_replicas",
    "placement",
];
/// Settings that `nats stream edit` does not set back: nats-server takes these changes, but not their opposites.
const LASTING: [&str; 11] = [
    "allow_msg_counter",
    "allow_msg_schedules",
    "allow_msg_ttl",
    "deny_delete",
    "deny_purge",
    "first_seq",
    "max_consumers",
    "persist_mode",
    "retention",
    "sealed",
    "storage",
];

/// Why the ledger's stream cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is not there. It is never made by the service: a stream whose encryption key is missing looks the same.
    #[error(
        "stream {stream} is not there: run `keyledger setup` once; if it was there before, do NOT create it anew, but look for its storage or encryption key"
    )]
    Missing {
        /// Its name.
        stream: String,
    },
    /// A setting is not the one that the stream was made with: it may lose, change or give away what the stream holds.
    #[error("stream {stream} has {setting} = {found}, and needs {needed}: {remedy}")]
    Setting {
        /// Its name.
        stream: String,
        /// The setting, as nats-server calls it.
        setting: String,
        /// What it is.
        found: String,
        /// What it must be.
        needed: String,
        /// How to mend it.
        remedy: String,
    },
    /// JetStream does not answer.
    #[error("JetStream does not answer: {0}")]
    Unreachable(String),
    /// Events were deleted: by a limit that was set for a while, or on the disk.
    #[error(
        "stream {stream} holds {held} of its {stored} events: the others were deleted; export what is left, and restore the stream's storage \
         from a backup or a replica"
    )]
    Deleted {
        /// Its name.
        stream: String,
        /// How many events it holds.
        held: u64,
        /// How many were stored.
        stored: u64,
    },
}

impl JetStreamStore {
    /// The settings of the ledger's stream.
    #[must_use]
    pub fn config(prefix: &Prefix, replicas: usize) -> jetstream::stream::Config {
        jetstream::stream::Config {
            name: prefix.events_stream(),
            description: Some("The ledger: never deleted, never changed".to_owned()),
            subjects: vec![prefix.events()],
            storage: StorageType::File,
            num_replicas: replicas,
            deny_delete: true,
            deny_purge: true,
            allow_direct: true,
            allow_atomic_publish: true,
            // No compression: with S2 nats-server damages a replicated stream when its leader is killed.
            compression: None,
            duplicate_window: DUPLICATES,
            ..jetstream::stream::Config::default()
        }
    }
}

pub(super) fn missing(stream: &str, error: &jetstream::context::GetStreamError) -> OpenError {
    use jetstream::context::GetStreamErrorKind as Kind;
    match error.kind() {
        Kind::JetStream(e) if e.code() == 404 => OpenError::Missing {
            stream: stream.to_owned(),
        },
        _ => OpenError::Unreachable(error.to_string()),
    }
}

/// Holds the settings of a stream or bucket against those that it was made with: all but those in [`FREE`].
///
/// Compares what both are in JSON, so that no setting that this client knows of is forgotten.
pub(crate) fn check(
    found: &jetstream::stream::Config,
    made: &jetstream::stream::Config,
) -> Result<(), OpenError> {
    let (is, needed) = (settings(found), settings(made));
    let names: BTreeSet<&String> = is.keys().chain(needed.keys()).collect();
    let Some(setting) = names
        .into_iter()
        .find(|name| is.get(*name) != needed.get(*name))
    else {
        return Ok(());
    };
    let said = |settings: &Settings| match settings.get(setting) {
        None => "none".to_owned(),
        Some(value) => said(setting, value),
    };
    Err(OpenError::Setting {
        stream: found.name.clone(),
        setting: setting.clone(),
        found: said(&is),
        needed: said(&needed),
        remedy: match made.storage {
            // Only the inventory bucket, in an account whose JetStream no creds of the organisation may edit.
            StorageType::Memory => VIEW.to_owned(),
            StorageType::File => remedy(&found.name, setting, needed.contains_key(setting)),
        },
    })
}

type Settings = serde_json::Map<String, serde_json::Value>;

/// The settings that are not free, without those that limit and allow nothing: nats-server and its clients write these as they like.
fn settings(config: &jetstream::stream::Config) -> Settings {
    let config = serde_json::to_value(config).expect("settings are JSON with text keys");
    let serde_json::Value::Object(mut settings) = config else {
        unreachable!("a structure is an object");
    };
    settings.retain(|name, value| !FREE.contains(&name.as_str()) && !says_nothing(value));
    settings
}

/// True of no limit, of what is off, and of nothing.
fn says_nothing(value: &serde_json::Value) -> bool {
    use serde_json::Value as V;
    match value {
        V::Null | V::Bool(false) => true,
        V::Bool(true) => false,
        V::Number(number) => number.as_i64().is_some_and(|number| number <= 0),
        V::String(text) => matches!(text.as_str(), "" | "none" | "default"),
        V::Array(values) => values.is_empty(),
        V::Object(fields) => fields.values().all(says_nothing),
    }
}

/// A setting's value in words: a time in its units, text as it is, anything else in JSON.
fn said(setting: &str, value: &serde_json::Value) -> String {
    match (setting, value) {
        ("duplicate_window" | "max_age" | "subject_delete_marker_ttl", value) => {
            let nanoseconds = value.as_u64().unwrap_or_default();
            format!("{:?}", Duration::from_nanos(nanoseconds))
        }
        (_, serde_json::Value::String(text)) => text.clone(),
        (_, value) => value.to_string(),
    }
}

/// What puts a setting of a view in memory right.
const VIEW: &str = "it is only a view, in memory: stop nats-server, in a cluster all servers before the first is started again, \
     and it is made anew";

/// How the `nats` CLI becomes the user of the setup. The creds alone are not enough: nats-server lets a user listen on its own
/// inboxes only, and the context names them.
const AS_SETUP: &str =
    "`keyledger contexts --dir DIR --creds DIR/creds/setup.creds --out setup.json` once";

/// What puts a setting right. `is_wanted` where the stream was made with it.
fn remedy(stream: &str, setting: &str, is_wanted: bool) -> String {
    match setting {
        // With S2, nats-server 2.15.1 damages a replicated stream within a few kill -9 of its leader.
        "compression" => format!(
            "{AS_SETUP}; `nats --context ./setup.json stream edit {stream} --compression none --force`, then restart each nats-server in \
             order, one after another: a server compresses on until it is restarted"
        ),
        // A denial that is missing can be set again.
        "deny_delete" | "deny_purge" if is_wanted => edit(stream),
        lasting if LASTING.contains(&lasting) => format!(
            "nats-server does not take this back. Stop the service; {AS_SETUP}; `nats --context ./setup.json stream backup {stream} BACKUP`, \
             and keep BACKUP; copy its backup.json to FILE, and put the setting right there. Try both in another nats-server: \
             `nats --server URL stream restore BACKUP --config FILE --replicas 1`. Setup creds of an organisation that an earlier version \
             made may not restore: go on only if `nats --context ./setup.json pub '$JS.SNAPSHOT.RESTORE.TRY' x` is not refused. Then \
             `nats --context ./setup.json stream rm {stream}`, and `nats --context ./setup.json stream restore BACKUP --config FILE`"
        ),
        _ => edit(stream),
    }
}

fn edit(stream: &str) -> String {
    format!("{AS_SETUP}; set it back by `nats --context ./setup.json stream edit {stream}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jetstream::stream::{
        Compression, Config, ConsumerLimits, DiscardPolicy, PersistenceMode, Placement, Republish,
        RetentionPolicy, Source, SubjectTransform,
    };

    fn made() -> Config {
        JetStreamStore::config(&Prefix::default(), 1)
    }

    /// The setting that is found fault with, and its remedy.
    fn fault(spoil: impl Fn(&mut Config)) -> Option<(String, String)> {
        let mut found = made();
        spoil(&mut found);
        match check(&found, &made()) {
            Ok(()) => None,
            Err(OpenError::Setting {
                setting, remedy, ..
            }) => Some((setting, remedy)),
            Err(other) => panic!("{other}"),
        }
    }

    /// Every setting, changed; those that an administrator may choose have no name.
    #[test]
    fn every_setting_but_the_free_ones_is_looked_at() {
        let republish = Republish {
            source: ">".to_owned(),
            destination: "copy.>".to_owned(),
            headers_only: false,
        };
        let source = Source {
            name: "OTHER".to_owned(),
            ..Source::default()
        };
        let other = made();
        let Config {
            name: _,
            max_bytes: _,
            max_messages: _,
            max_messages_per_subject: _,
            discard: _,
            discard_new_per_subject: _,
            subjects: _,
            retention: _,
            max_consumers: _,
            max_age: _,
            max_message_size: _,
            storage: _,
            num_replicas: _,
            no_ack: _,
            duplicate_window: _,
            template_owner: _,
            sealed: _,
            description: _,
            allow_rollup: _,
            deny_delete: _,
            deny_purge: _,
            republish: _,
            allow_direct: _,
            mirror_direct: _,
            mirror: _,
            sources: _,
            metadata: _,
            subject_transform: _,
            compression: _,
            consumer_limits: _,
            first_sequence: _,
            placement: _,
            persist_mode: _,
            pause_until: _,
            allow_message_ttl: _,
            subject_delete_marker_ttl: _,
            allow_atomic_publish: _,
            allow_message_schedules: _,
            allow_message_counter: _,
            allow_batch_publish: _,
        } = &other; // a new one does not compile: it belongs in this list
        type Spoil<'a> = Box<dyn Fn(&mut Config) + 'a>;
        let spoils: Vec<(&str, Spoil<'_>)> = vec![
            ("", Box::new(|c| c.name = "OTHER".to_owned())),
            ("max_bytes", Box::new(|c| c.max_bytes = 1 << 40)),
            ("max_msgs", Box::new(|c| c.max_messages = 1_000_000)),
            (
                "max_msgs_per_subject",
                Box::new(|c| c.max_messages_per_subject = 1),
            ),
            ("discard", Box::new(|c| c.discard = DiscardPolicy::New)),
            (
                "discard_new_per_subject",
                Box::new(|c| c.discard_new_per_subject = true),
            ),
            (
                "subjects",
                Box::new(|c| c.subjects.push("more.>".to_owned())),
            ),
            (
                "retention",
                Box::new(|c| c.retention = RetentionPolicy::Interest),
            ),
            ("max_consumers", Box::new(|c| c.max_consumers = 1)),
            ("max_age", Box::new(|c| c.max_age = Duration::from_secs(60))),
            ("max_msg_size", Box::new(|c| c.max_message_size = 100)),
            ("storage", Box::new(|c| c.storage = StorageType::Memory)),
            ("", Box::new(|c| c.num_replicas = 5)),
            ("no_ack", Box::new(|c| c.no_ack = true)),
            (
                "duplicate_window",
                Box::new(|c| c.duplicate_window = Duration::from_secs(9)),
            ),
            (
                "template_owner",
                Box::new(|c| c.template_owner = "x".to_owned()),
            ),
            ("sealed", Box::new(|c| c.sealed = true)),
            ("", Box::new(|c| c.description = None)),
            ("allow_rollup_hdrs", Box::new(|c| c.allow_rollup = true)),
            ("deny_delete", Box::new(|c| c.deny_delete = false)),
            ("deny_purge", Box::new(|c| c.deny_purge = false)),
            (
                "republish",
                Box::new(|c| c.republish = Some(republish.clone())),
            ),
            ("allow_direct", Box::new(|c| c.allow_direct = false)),
            ("mirror_direct", Box::new(|c| c.mirror_direct = true)),
            ("mirror", Box::new(|c| c.mirror = Some(source.clone()))),
            (
                "sources",
                Box::new(|c| c.sources = Some(vec![source.clone()])),
            ),
            (
                "",
                Box::new(|c| drop(c.metadata.insert("team".to_owned(), "keys".to_owned()))),
            ),
            (
                "subject_transform",
                Box::new(|c| {
                    c.subject_transform = Some(SubjectTransform {
                        source: ">".to_owned(),
                        destination: "x.>".to_owned(),
                    });
                }),
            ),
            (
                "compression",
                Box::new(|c| c.compression = Some(Compression::S2)),
            ),
            (
                "consumer_limits",
                Box::new(|c| {
                    c.consumer_limits = Some(ConsumerLimits {
                        max_ack_pending: 1,
                        ..ConsumerLimits::default()
                    });
                }),
            ),
            ("first_seq", Box::new(|c| c.first_sequence = Some(100))),
            ("", Box::new(|c| c.placement = Some(Placement::default()))),
            (
                "persist_mode",
                Box::new(|c| c.persist_mode = Some(PersistenceMode::Async)),
            ),
            (
                "pause_until",
                Box::new(|c| {
                    let mut paused = serde_json::to_value(&*c).unwrap();
                    paused["pause_until"] = "2030-01-01T00:00:00Z".into();
                    *c = serde_json::from_value(paused).unwrap();
                }),
            ),
            ("allow_msg_ttl", Box::new(|c| c.allow_message_ttl = true)),
            (
                "subject_delete_marker_ttl",
                Box::new(|c| c.subject_delete_marker_ttl = Some(Duration::from_secs(1))),
            ),
            ("allow_atomic", Box::new(|c| c.allow_atomic_publish = false)),
            (
                "allow_msg_schedules",
                Box::new(|c| c.allow_message_schedules = true),
            ),
            (
                "allow_msg_counter",
                Box::new(|c| c.allow_message_counter = true),
            ),
            ("allow_batched", Box::new(|c| c.allow_batch_publish = true)),
        ];
        assert_eq!(spoils.len(), 40, "as many as there are settings");
        for (expected, spoil) in spoils {
            let found = fault(spoil).map(|(setting, _)| setting);
            assert_eq!(found.as_deref().unwrap_or_default(), expected);
        }
    }

    #[test]
    fn what_says_the_same_in_other_words_is_no_fault() {
        let same = |c: &mut Config| {
            (c.max_bytes, c.max_messages, c.max_message_size) = (-1, -1, -1);
            c.compression = Some(Compression::None);
            c.persist_mode = Some(PersistenceMode::Default);
            c.consumer_limits = Some(ConsumerLimits::default());
            c.sources = Some(Vec::new());
        };
        assert_eq!(fault(same), None);
    }

    #[test]
    fn a_view_in_memory_is_not_edited() {
        let made = Config {
            storage: StorageType::Memory,
            ..made()
        };
        let found = Config {
            max_age: Duration::from_secs(60),
            ..made.clone()
        };
        let said = check(&found, &made).unwrap_err().to_string();
        assert!(said.contains("in a cluster all servers"), "{said}");
        assert!(!said.contains("setup.creds"), "{said}");
    }

    #[test]
    fn the_remedy_is_one_that_nats_server_takes() {
        let remedy = |spoil: fn(&mut Config)| fault(spoil).unwrap().1;
        let age = remedy(|c| c.max_age = Duration::from_secs(60));
        assert!(age.contains("stream edit KEYS_EVENTS`"), "{age}");
        assert!(age.contains("--creds DIR/creds/setup.creds"), "{age}");
        let deny = remedy(|c| c.deny_purge = false);
        assert!(deny.contains("stream edit KEYS_EVENTS`"), "{deny}");
        let ttl = remedy(|c| c.allow_message_ttl = true);
        assert!(ttl.contains("stream restore BACKUP"), "{ttl}");
        let consumers = remedy(|c| c.max_consumers = 1);
        assert!(consumers.contains("stream restore BACKUP"), "{consumers}");
    }
}
