//! The settings of the ledger's stream: what it is made with, and what is wrong with one that was changed.

use std::time::Duration;

use async_nats::jetstream;
use keyledger_wire::Prefix;

use super::JetStreamStore;

/// How long the server remembers message ids. No event is sent twice under one id: what a lost acknowledgement leaves open
/// is settled by compare-and-set. The default of 2 minutes costs the server some 100 bytes an event of that time.
const DUPLICATES: Duration = Duration::from_secs(5);

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
    /// A setting would let history be lost or changed.
    #[error("stream {stream} has {setting} = {found}, and needs {needed}: {remedy}")]
    Setting {
        /// Its name.
        stream: String,
        /// The setting.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        needed: &'static str,
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
            storage: jetstream::stream::StorageType::File,
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

/// Refuses a stream or bucket that is compressed: with S2, nats-server 2.15.1 damages a replicated stream within a few
/// kill -9 of its leader, and what was acknowledged is gone.
pub(crate) fn uncompressed(config: &jetstream::stream::Config) -> Result<(), OpenError> {
    use jetstream::stream::Compression;
    match &config.compression {
        None | Some(Compression::None) => Ok(()),
        Some(found @ Compression::S2) => Err(OpenError::Setting {
            stream: config.name.clone(),
            setting: "compression",
            found: format!("{found:?}").to_lowercase(),
            needed: "none",
            remedy: format!(
                "`nats --creds DIR/creds/setup.creds stream edit {} --compression none --force`, then restart each nats-server in \
                 order, one after another: a server compresses on until it is restarted",
                config.name
            ),
        }),
    }
}

/// Refuses settings of the material bucket by which nats-server would delete sealed keys, or keep one that was replaced or erased.
pub(crate) fn keeps_material(config: &jetstream::stream::Config) -> Result<(), OpenError> {
    use jetstream::stream::{RetentionPolicy, StorageType};
    uncompressed(config)?;
    let edit = |option: &str| {
        format!(
            "`nats --creds DIR/creds/setup.creds stream edit {} {option} --force`; then look with `keyledger doctor` which keys \
             still open, and restore the stream's storage from a backup if some do not",
            config.name
        )
    };
    let limit = |limit: i64| (limit <= 0, limit.to_string(), "none");
    let rules: [(&'static str, (bool, String, &'static str), &str); 6] = [
        (
            "storage",
            (
                config.storage == StorageType::File,
                format!("{:?}", config.storage),
                "file",
            ),
            "--storage file",
        ),
        (
            "retention",
            (
                config.retention == RetentionPolicy::Limits,
                format!("{:?}", config.retention),
                "limits",
            ),
            "--retention limits",
        ),
        (
            "max_age",
            (
                config.max_age.is_zero(),
                format!("{:?}", config.max_age),
                "none",
            ),
            "--max-age 0",
        ),
        ("max_messages", limit(config.max_messages), "--max-msgs=-1"),
        ("max_bytes", limit(config.max_bytes), "--max-bytes=-1"),
        (
            "max_messages_per_subject",
            (
                config.max_messages_per_subject == 1,
                config.max_messages_per_subject.to_string(),
                "1",
            ),
            "--max-msgs-per-subject 1",
        ),
    ];
    for (setting, (fits, found, needed), option) in rules {
        if !fits {
            return Err(OpenError::Setting {
                stream: config.name.clone(),
                setting,
                found,
                needed,
                remedy: edit(option),
            });
        }
    }
    Ok(())
}

/// Holds a stream's settings against what the ledger needs.
pub(super) fn check(config: &jetstream::stream::Config, prefix: &Prefix) -> Result<(), OpenError> {
    use jetstream::stream::{RetentionPolicy, StorageType};
    const ANEW: &str =
        "export the ledger, create the stream anew with `keyledger setup`, import it";
    const EDIT: &str = "`nats stream edit` with the setup creds";
    let expected = vec![prefix.events()];
    let rules: [(&'static str, bool, String, &'static str, &'static str); 11] = [
        (
            "subjects",
            config.subjects == expected,
            format!("{:?}", config.subjects),
            "those of this prefix",
            "start the service with the prefix of this stream",
        ),
        (
            "storage",
            config.storage == StorageType::File,
            format!("{:?}", config.storage),
            "file",
            ANEW,
        ),
        (
            "retention",
            config.retention == RetentionPolicy::Limits,
            format!("{:?}", config.retention),
            "limits",
            ANEW,
        ),
        (
            "deny_delete",
            config.deny_delete,
            config.deny_delete.to_string(),
            "true",
            EDIT,
        ),
        (
            "deny_purge",
            config.deny_purge,
            config.deny_purge.to_string(),
            "true",
            EDIT,
        ),
        (
            "max_age",
            config.max_age.is_zero(),
            format!("{:?}", config.max_age),
            "none",
            EDIT,
        ),
        (
            "max_messages",
            config.max_messages <= 0,
            config.max_messages.to_string(),
            "none",
            EDIT,
        ),
        (
            "max_bytes",
            config.max_bytes <= 0,
            config.max_bytes.to_string(),
            "none",
            EDIT,
        ),
        (
            "max_messages_per_subject",
            config.max_messages_per_subject <= 0,
            config.max_messages_per_subject.to_string(),
            "none",
            EDIT,
        ),
        (
            "allow_direct",
            config.allow_direct,
            config.allow_direct.to_string(),
            "true",
            EDIT,
        ),
        (
            "allow_atomic_publish",
            config.allow_atomic_publish,
            config.allow_atomic_publish.to_string(),
            "true",
            EDIT,
        ),
    ];
    for (setting, fits, found, needed, remedy) in rules {
        if !fits {
            let stream = config.name.clone();
            return Err(OpenError::Setting {
                stream,
                setting,
                found,
                needed,
                remedy: remedy.to_owned(),
            });
        }
    }
    uncompressed(config)?;
    let lax = config.persist_mode == Some(async_nats::jetstream::stream::PersistenceMode::Async);
    if config.sealed || config.no_ack || lax {
        return Err(OpenError::Setting {
            stream: config.name.clone(),
            setting: "sealed, no_ack or persist_mode: async",
            found: "true".to_owned(),
            needed: "false",
            remedy: ANEW.to_owned(),
        });
    }
    Ok(())
}
