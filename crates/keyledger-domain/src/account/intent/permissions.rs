//! What users may do.

use keyledger_claims::{
    UserPermissionLimits,
    account::Permissions as AccountPermissions,
    user::{Permission, ResponsePermission, TimeRange},
};
use serde::{Deserialize, Serialize};

use super::{Limit, is_default, texts};

/// Subjects that are allowed, and others that are not. Nothing allowed and nothing denied is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subjects {
    /// Allowed, unless denied; everything if empty.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow: Vec<Box<str>>,
    /// Denied, also where allowed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deny: Vec<Box<str>>,
}

impl From<&Subjects> for Permission {
    fn from(subjects: &Subjects) -> Self {
        Self {
            allow: texts(&subjects.allow),
            deny: texts(&subjects.deny),
            ..Self::default()
        }
    }
}

/// How a user may answer requests, whatever their subjects for the answer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MayAnswer {
    /// Messages a request.
    pub messages: Limit,
    /// Nanoseconds after the request.
    pub within_ns: Limit,
}

impl From<MayAnswer> for ResponsePermission {
    fn from(may: MayAnswer) -> Self {
        Self {
            max: may.messages.number(),
            ttl: may.within_ns.number(),
            ..Self::default()
        }
    }
}

/// What users may publish and hear.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permissions {
    /// Subjects to publish to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub publish: Subjects,
    /// Subjects to subscribe to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub subscribe: Subjects,
    /// Whether requests may be answered on other subjects than those.
    #[serde(default, skip_serializing_if = "is_default")]
    pub answer: Option<MayAnswer>,
}

impl From<&Permissions> for AccountPermissions {
    fn from(permissions: &Permissions) -> Self {
        Self {
            publish: (&permissions.publish).into(),
            subscribe: (&permissions.subscribe).into(),
            resp: permissions.answer.map(Into::into),
            ..Self::default()
        }
    }
}

/// A role: what the users of a signing key may do. NATS fills in `{{name()}}`, `{{subject()}}`, `{{tag(x)}}`, `{{account-name()}}` and
/// `{{account-subject()}}` in its subjects for each user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// What it is called.
    pub name: Box<str>,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "is_default")]
    pub description: Option<Box<str>>,
    /// What its users may publish and hear.
    #[serde(default, skip_serializing_if = "is_default")]
    pub permissions: Permissions,
    /// Networks that they may connect from, in CIDR notation; any if empty.
    #[serde(default, skip_serializing_if = "is_default")]
    pub networks: Vec<Box<str>>,
    /// Times of day at which they may be connected; any if empty.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hours: Vec<Hours>,
    /// The IANA time zone of these; the server's if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub time_zone: Option<Box<str>>,
    /// Subscriptions of a connection; without a limit if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub subscriptions: Option<u64>,
    /// Bytes in all; without a limit if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bytes: Option<u64>,
    /// Bytes of a message; without a limit if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub message_bytes: Option<u64>,
    /// True if they connect without proving that they hold their seed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bearers: bool,
    /// True if they must come through a trusted proxy.
    #[serde(default, skip_serializing_if = "is_default")]
    pub through_proxy: bool,
    /// Kinds of connections that they may use, in NATS's words such as `WEBSOCKET`; any if empty.
    #[serde(default, skip_serializing_if = "is_default")]
    pub connections: Vec<Box<str>>,
}

/// From one time of day to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The beginning, as `15:04:05`.
    pub from: Box<str>,
    /// The end.
    pub to: Box<str>,
}

impl Scope {
    /// A role that may do everything, without limits.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            description: None,
            permissions: Permissions::default(),
            networks: Vec::new(),
            hours: Vec::new(),
            time_zone: None,
            subscriptions: None,
            bytes: None,
            message_bytes: None,
            bearers: false,
            through_proxy: false,
            connections: Vec::new(),
        }
    }
}

impl From<&Scope> for UserPermissionLimits {
    fn from(role: &Scope) -> Self {
        let number = |most: Option<u64>| most.map_or(Limit::Unlimited, Limit::AtMost).number();
        let hours = role.hours.iter().map(|hours| TimeRange {
            start: hours.from.to_string(),
            end: hours.to.to_string(),
            ..TimeRange::default()
        });
        Self {
            publish: (&role.permissions.publish).into(),
            subscribe: (&role.permissions.subscribe).into(),
            resp: role.permissions.answer.map(Into::into),
            src: texts(&role.networks),
            times: hours.collect(),
            times_location: super::text(&role.time_zone),
            subs: number(role.subscriptions),
            data: number(role.bytes),
            payload: number(role.message_bytes),
            bearer_token: role.bearers,
            proxy_required: role.through_proxy,
            allowed_connection_types: texts(&role.connections),
            ..Self::default()
        }
    }
}
