//! User claims: what a connection may do.

use serde::{Deserialize, Deserializer, Serialize};

use crate::claims::{Body, Claims, Extra};
use crate::go_json::{is_zero, zero};
use crate::nkey::NkeyKind;

/// Claims about a user, signed by its account or one of the account's signing keys.
pub type UserClaims = Claims<UserBody>;

impl UserClaims {
    /// A user that may do everything its account may: no permissions, no limits (-1).
    #[must_use]
    pub fn new(sub: impl Into<String>, iat: i64) -> Self {
        let limits = UserPermissionLimits::unlimited();
        Self::with_body(
            sub,
            iat,
            UserBody {
                limits,
                ..UserBody::default()
            },
        )
    }

    /// A user whose permissions and limits come from the template of a scoped signing key.
    ///
    /// Leaves out `subs`, `data`, `payload`, `pub` and `sub`: nats-server refuses a scoped user that
    /// brings its own. `issuer_account` is the account that lists the signing key.
    #[must_use]
    pub fn scoped(sub: impl Into<String>, issuer_account: impl Into<String>, iat: i64) -> Self {
        let issuer_account = issuer_account.into();
        Self::with_body(
            sub,
            iat,
            UserBody {
                issuer_account,
                ..UserBody::default()
            },
        )
    }
}

/// The `nats` part of user claims.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserBody {
    /// Permissions and limits; all zero for a scoped user. Unknown fields of the body are kept in here.
    #[serde(flatten, skip_serializing_if = "is_zero")]
    pub limits: UserPermissionLimits,
    /// The account, where `iss` is one of its signing keys; empty where `iss` is the account itself.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub issuer_account: String,
    /// Lower-case labels; `{{tag(x)}}` of a template reads those that begin with `x:`.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub tags: Vec<String>,
}

impl Body for UserBody {
    const TYPE: Option<&'static str> = Some("user");
    const SUBJECT: Option<NkeyKind> = Some(NkeyKind::User);
    const ISSUERS: &'static [NkeyKind] = &[NkeyKind::Account];

    fn issuer_account(&self) -> Option<&str> {
        Some(self.issuer_account.as_str()).filter(|account| !account.is_empty())
    }

    fn extra_mut(&mut self) -> &mut Extra {
        &mut self.limits.extra
    }
}

/// What a user may do and how much: in user claims, and as the template of a scoped signing key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserPermissionLimits {
    /// Subjects it may and may not publish to.
    #[serde(rename = "pub", deserialize_with = "zero")]
    pub publish: Permission,
    /// Subjects it may and may not subscribe to; `subject queue` narrows to a queue group.
    #[serde(rename = "sub", deserialize_with = "zero")]
    pub subscribe: Permission,
    /// Lets it answer requests on any reply subject.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub resp: Option<ResponsePermission>,
    /// Networks it may connect from, in CIDR notation.
    #[serde(deserialize_with = "networks", skip_serializing_if = "is_zero")]
    pub src: Vec<String>,
    /// Times of day it may be connected.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub times: Vec<TimeRange>,
    /// IANA time zone of `times`; empty is the server's.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub times_location: String,
    /// Subscriptions; -1 unlimited.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub subs: i64,
    /// Bytes in all; -1 unlimited.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub data: i64,
    /// Bytes a message; -1 unlimited.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub payload: i64,
    /// Lets it connect without proving that it holds its seed.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub bearer_token: bool,
    /// Refuses it unless it comes through a trusted proxy.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub proxy_required: bool,
    /// `STANDARD`, `WEBSOCKET`, `LEAFNODE`, `LEAFNODE_WS`, `MQTT`, `MQTT_WS`, `IN_PROCESS`; empty allows all.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub allowed_connection_types: Vec<String>,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl UserPermissionLimits {
    /// No permissions set, and no limits: what a new user or template begins with.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            subs: -1,
            data: -1,
            payload: -1,
            ..Self::default()
        }
    }
}

/// Subjects allowed and denied; nothing allowed and nothing denied means everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Permission {
    /// Allowed, where not denied. Empty allows everything.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub allow: Vec<String>,
    /// Denied, whatever is allowed.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub deny: Vec<String>,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How often and how long a responder may answer one request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResponsePermission {
    /// Messages; -1 unlimited.
    #[serde(deserialize_with = "zero")]
    pub max: i64,
    /// Nanoseconds; -1 for ever.
    #[serde(deserialize_with = "zero")]
    pub ttl: i64,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// From one time of day to another, as `15:04:05`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeRange {
    /// From.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub start: String,
    /// To.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub end: String,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A list, or one string with commas as older tools wrote it.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Networks {
        List(Vec<String>),
        Commas(String),
    }
    let mut networks: Vec<String> = Vec::new();
    match Option::deserialize(deserializer)? {
        None => {}
        Some(Networks::List(list)) => networks = list,
        Some(Networks::Commas(text)) => {
            for network in text.split(',').map(|part| part.trim().to_lowercase()) {
                if !network.is_empty() && !networks.contains(&network) {
                    networks.push(network);
                }
            }
        }
    }
    Ok(networks)
}
