//! Keys that sign users on behalf of an account.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use crate::claims::Extra;
use crate::go_json::zero;
use crate::user::UserPermissionLimits;

/// A signing key of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SigningKey {
    /// Signs any user. A bare nkey in JSON.
    Plain(String),
    /// Signs only users that take their permissions from its template.
    Scoped(Box<UserScope>),
}

impl SigningKey {
    /// A signing key that may sign only users with this scope.
    #[must_use]
    pub fn scoped(scope: UserScope) -> Self {
        Self::Scoped(Box::new(scope))
    }

    /// The public account nkey.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Plain(key) => key,
            Self::Scoped(scope) => &scope.key,
        }
    }

    /// The scope, if it has one.
    #[must_use]
    pub fn scope(&self) -> Option<&UserScope> {
        match self {
            Self::Plain(_) => None,
            Self::Scoped(scope) => Some(scope),
        }
    }
}

impl Serialize for SigningKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(key) => serializer.serialize_str(key),
            Self::Scoped(scope) => scope.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for SigningKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(key) => Ok(Self::Plain(key)),
            object @ Value::Object(_) => serde_json::from_value(object)
                .map(Self::scoped)
                .map_err(de::Error::custom),
            _ => Err(de::Error::custom("a signing key is an nkey or an object")),
        }
    }
}

/// A role: what users signed with `key` may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserScope {
    /// Always `user_scope`.
    #[serde(default)]
    pub kind: ScopeKind,
    /// The public account nkey that signs.
    #[serde(default, deserialize_with = "zero")]
    pub key: String,
    /// Name of the role.
    #[serde(default, deserialize_with = "zero")]
    pub role: String,
    /// What its users may do; `{{name()}}`, `{{subject()}}`, `{{tag(x)}}`, `{{account-name()}}` and
    /// `{{account-subject()}}` in subjects are filled in per user.
    #[serde(
        default = "UserPermissionLimits::unlimited",
        deserialize_with = "template",
        serialize_with = "write_template"
    )]
    pub template: UserPermissionLimits,
    /// For people.
    #[serde(default, deserialize_with = "zero")]
    pub description: String,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl UserScope {
    /// A role without permissions or limits set.
    #[must_use]
    pub fn new(key: impl Into<String>, role: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            role: role.into(),
            template: UserPermissionLimits::unlimited(),
            ..Self::default()
        }
    }
}

/// The only kind of scope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScopeKind {
    /// For users.
    #[default]
    #[serde(rename = "user_scope")]
    User,
}

/// A limit of 0 is written, though Go leaves it out: it would read the template as unlimited then, and so would nats-server.
fn write_template<S: Serializer>(
    template: &UserPermissionLimits,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Template<'a> {
        #[serde(flatten)]
        all: &'a UserPermissionLimits,
        #[serde(skip_serializing_if = "Option::is_none")]
        subs: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<i64>,
    }
    let zero = |limit| (limit == 0).then_some(limit);
    let written = Template {
        all: template,
        subs: zero(template.subs),
        data: zero(template.data),
        payload: zero(template.payload),
    };
    written.serialize(serializer)
}

/// In a template, and only there, Go reads an absent `subs`, `data` or `payload` as unlimited.
fn template<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UserPermissionLimits, D::Error> {
    let mut fields = Option::<Extra>::deserialize(deserializer)?.unwrap_or_default();
    for limit in ["subs", "data", "payload"] {
        let value = fields.entry(limit.to_owned()).or_insert(Value::Null);
        if value.is_null() {
            *value = (-1).into();
        }
    }
    let fields = fields.into_iter().collect();
    serde_json::from_value(Value::Object(fields)).map_err(de::Error::custom)
}
