//! What an operator allows an account.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::claims::Extra;
use crate::go_json::{is_zero, zero};

/// Limits of an account. -1 is unlimited, 0 is none at all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountLimits {
    /// Subscriptions.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub subs: i64,
    /// Bytes in all.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub data: i64,
    /// Bytes a message.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub payload: i64,
    /// Imports.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub imports: i64,
    /// Exports.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub exports: i64,
    /// Whether exports may have wildcards.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub wildcards: bool,
    /// Whether bearer users are refused.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub disallow_bearer: bool,
    /// Connections.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub conn: i64,
    /// Leaf node connections.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub leaf: i64,
    /// JetStream, whatever the number of replicas. Ignored once there are `tiered_limits`. Unknown fields of
    /// the limits are kept in here.
    #[serde(flatten)]
    pub jetstream: JetStreamLimits,
    /// JetStream by tier: `R1`, `R3`.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub tiered_limits: BTreeMap<String, JetStreamLimits>,
}

impl AccountLimits {
    /// Everything open, JetStream off: Go's defaults for a new account.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            subs: -1,
            data: -1,
            payload: -1,
            imports: -1,
            exports: -1,
            wildcards: true,
            conn: -1,
            leaf: -1,
            ..Self::default()
        }
    }

    /// Whether the account may store anything in JetStream.
    #[must_use]
    pub fn is_jetstream_enabled(&self) -> bool {
        let enabled =
            |limits: &JetStreamLimits| limits.mem_storage != 0 || limits.disk_storage != 0;
        if self.tiered_limits.is_empty() {
            enabled(&self.jetstream)
        } else {
            self.tiered_limits.values().any(enabled)
        }
    }
}

/// JetStream limits: of an account or of one tier. Storage 0 is disabled, -1 unlimited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JetStreamLimits {
    /// Bytes in memory.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub mem_storage: i64,
    /// Bytes on disk.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub disk_storage: i64,
    /// Streams.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub streams: i64,
    /// Consumers.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub consumer: i64,
    /// Messages awaiting acknowledgement in a stream.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub max_ack_pending: i64,
    /// Bytes of one stream in memory; 0 unlimited.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub mem_max_stream_bytes: i64,
    /// Bytes of one stream on disk; 0 unlimited.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub disk_max_stream_bytes: i64,
    /// Whether every stream must say its maximum.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub max_bytes_required: bool,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl JetStreamLimits {
    /// Storage, streams and consumers without limit.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            mem_storage: -1,
            disk_storage: -1,
            streams: -1,
            consumer: -1,
            ..Self::default()
        }
    }
}
