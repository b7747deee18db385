//! How much an account and its users may use.

use std::collections::BTreeMap;

use keyledger_claims::account::{AccountLimits, JetStreamLimits};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::is_default;

/// A limit: the word `unlimited` or a number in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// There is none.
    Unlimited,
    /// At most so many; 0 is none at all.
    AtMost(u64),
}

/// How JSON writes that there is no limit.
const UNLIMITED: &str = "unlimited";

impl Limit {
    /// None at all.
    pub const NONE: Self = Self::AtMost(0);

    /// As NATS writes it: -1 is unlimited.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Unlimited => -1,
            Self::AtMost(most) => i64::try_from(most).unwrap_or(i64::MAX),
        }
    }

    fn is_unlimited(&self) -> bool {
        *self == Self::Unlimited
    }

    fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    fn unlimited() -> Self {
        Self::Unlimited
    }

    fn none() -> Self {
        Self::NONE
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unlimited => serializer.serialize_str(UNLIMITED),
            Self::AtMost(most) => serializer.serialize_u64(*most),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u64),
            Word(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Number(most) => Ok(Self::AtMost(most)),
            Either::Word(word) if word == UNLIMITED => Ok(Self::Unlimited),
            Either::Word(_) => Err(D::Error::custom("a limit is `unlimited` or a number")),
        }
    }
}

/// What an account may use. What is not said is unlimited, apart from storage, which is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Connections at the same time; as the templates say if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub connections: Option<Limit>,
    /// Leaf nodes at the same time; as the templates say if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub leaf_nodes: Option<Limit>,
    /// Subscriptions of all its connections.
    #[serde(
        default = "Limit::unlimited",
        skip_serializing_if = "Limit::is_unlimited"
    )]
    pub subscriptions: Limit,
    /// Bytes in all.
    #[serde(
        default = "Limit::unlimited",
        skip_serializing_if = "Limit::is_unlimited"
    )]
    pub bytes: Limit,
    /// Bytes of a message.
    #[serde(
        default = "Limit::unlimited",
        skip_serializing_if = "Limit::is_unlimited"
    )]
    pub message_bytes: Limit,
    /// Imports, those of the templates included.
    #[serde(
        default = "Limit::unlimited",
        skip_serializing_if = "Limit::is_unlimited"
    )]
    pub imports: Limit,
    /// Exports, those of the templates included.
    #[serde(
        default = "Limit::unlimited",
        skip_serializing_if = "Limit::is_unlimited"
    )]
    pub exports: Limit,
    /// True if its exports may have no wildcards.
    #[serde(default, skip_serializing_if = "is_default")]
    pub no_wildcard_exports: bool,
    /// True if none of its users may connect without proving that it holds its seed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub no_bearers: bool,
    /// What its users may store in `JetStream`, all replicas counted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub storage: Storage,
    /// The same by the number of replicas, `R1` or `R3`; `storage` does not count then.
    #[serde(default, skip_serializing_if = "is_default")]
    pub storage_by_tier: BTreeMap<Box<str>, Storage>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: None,
            leaf_nodes: None,
            subscriptions: Limit::Unlimited,
            bytes: Limit::Unlimited,
            message_bytes: Limit::Unlimited,
            imports: Limit::Unlimited,
            exports: Limit::Unlimited,
            no_wildcard_exports: false,
            no_bearers: false,
            storage: Storage::default(),
            storage_by_tier: BTreeMap::new(),
        }
    }
}

/// What may be stored in `JetStream`. What is not said is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// Bytes on disk.
    #[serde(default = "Limit::none", skip_serializing_if = "Limit::is_none")]
    pub disk_bytes: Limit,
    /// Bytes in memory.
    #[serde(default = "Limit::none", skip_serializing_if = "Limit::is_none")]
    pub memory_bytes: Limit,
    /// Streams.
    #[serde(default = "Limit::none", skip_serializing_if = "Limit::is_none")]
    pub streams: Limit,
    /// Consumers.
    #[serde(default = "Limit::none", skip_serializing_if = "Limit::is_none")]
    pub consumers: Limit,
    /// Messages of a stream that wait to be acknowledged; as the server says if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unacknowledged: Option<Limit>,
    /// Bytes of one stream on disk; without a limit of its own if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stream_disk_bytes: Option<u64>,
    /// Bytes of one stream in memory; without a limit of its own if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stream_memory_bytes: Option<u64>,
    /// True if every stream must say how large it may become.
    #[serde(default, skip_serializing_if = "is_default")]
    pub streams_say_their_limit: bool,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            disk_bytes: Limit::NONE,
            memory_bytes: Limit::NONE,
            streams: Limit::NONE,
            consumers: Limit::NONE,
            unacknowledged: None,
            stream_disk_bytes: None,
            stream_memory_bytes: None,
            streams_say_their_limit: false,
        }
    }
}

impl Storage {
    /// Without limits.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            disk_bytes: Limit::Unlimited,
            memory_bytes: Limit::Unlimited,
            streams: Limit::Unlimited,
            consumers: Limit::Unlimited,
            ..Self::default()
        }
    }
}

impl From<&Storage> for JetStreamLimits {
    fn from(storage: &Storage) -> Self {
        let number = |most: Option<u64>| most.map_or(0, |most| Limit::AtMost(most).number());
        Self {
            mem_storage: storage.memory_bytes.number(),
            disk_storage: storage.disk_bytes.number(),
            streams: storage.streams.number(),
            consumer: storage.consumers.number(),
            max_ack_pending: storage.unacknowledged.map_or(0, Limit::number),
            mem_max_stream_bytes: number(storage.stream_memory_bytes),
            disk_max_stream_bytes: number(storage.stream_disk_bytes),
            max_bytes_required: storage.streams_say_their_limit,
            ..Self::default()
        }
    }
}

impl Limits {
    /// The limits as NATS writes them, with these where nothing is said.
    pub(in crate::account) fn claims(
        &self,
        connections: Limit,
        leaf_nodes: Limit,
    ) -> AccountLimits {
        let tiers = self.storage_by_tier.iter();
        AccountLimits {
            subs: self.subscriptions.number(),
            data: self.bytes.number(),
            payload: self.message_bytes.number(),
            imports: self.imports.number(),
            exports: self.exports.number(),
            wildcards: !self.no_wildcard_exports,
            disallow_bearer: self.no_bearers,
            conn: self.connections.unwrap_or(connections).number(),
            leaf: self.leaf_nodes.unwrap_or(leaf_nodes).number(),
            jetstream: (&self.storage).into(),
            tiered_limits: tiers
                .map(|(tier, storage)| (tier.to_string(), storage.into()))
                .collect(),
        }
    }
}
