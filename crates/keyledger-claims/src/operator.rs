//! Operator claims: an operator signs accounts.

use serde::{Deserialize, Serialize};

use crate::claims::{Body, Claims, Extra};
use crate::go_json::{is_zero, zero};
use crate::nkey::NkeyKind;

/// Claims about an operator, signed by its identity key.
pub type OperatorClaims = Claims<OperatorBody>;

impl OperatorClaims {
    /// An operator without signing keys.
    #[must_use]
    pub fn new(sub: impl Into<String>, iat: i64) -> Self {
        Self::with_body(sub, iat, OperatorBody::default())
    }
}

/// The `nats` part of operator claims.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperatorBody {
    /// Public operator nkeys that sign on behalf of the identity.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub signing_keys: Vec<String>,
    /// Where tools find accounts, such as `https://host/jwt/v1` or `nats://host:4222`.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub account_server_url: String,
    /// Where clients connect: `nats`, `tls`, `ws` or `wss` URLs.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub operator_service_urls: Vec<String>,
    /// Public nkey of the system account.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub system_account: String,
    /// The oldest nats-server that may load this, as `2.10.0`.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub assert_server_version: String,
    /// Refuses accounts and users that an identity key signed.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub strict_signing_key_usage: bool,
    /// Lower-case labels.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub tags: Vec<String>,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Body for OperatorBody {
    const TYPE: Option<&'static str> = Some("operator");
    const SUBJECT: Option<NkeyKind> = Some(NkeyKind::Operator);
    const ISSUERS: &'static [NkeyKind] = &[NkeyKind::Operator];

    fn extra_mut(&mut self) -> &mut Extra {
        &mut self.extra
    }
}
