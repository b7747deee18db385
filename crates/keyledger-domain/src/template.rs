//! The versions of the templates: what the purpose of an account and the roles of its signing keys mean on nats-server.
//!
//! An account stands on one version until an event adopts another, so a version that a release had never changes. What is to be
//! different for organisations that exist is a new version: a variant here, and what it says in the service's templates.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A version of the templates: a number in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TemplateVersion {
    /// The first.
    V1,
    /// Agents acknowledge tasks on subjects with the domain and account too, as nats-server asks for with `js_ack_fc_v2`.
    V2,
}

impl TemplateVersion {
    /// All of them, the oldest first.
    pub const ALL: [Self; 2] = [Self::V1, Self::V2];
    /// The one that new accounts stand on.
    pub const NEWEST: Self = Self::V2;

    /// Its number, from 1.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }

    /// The version of this number.
    #[must_use]
    pub fn of(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.number() == number)
    }
}

impl std::fmt::Display for TemplateVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.number().fmt(f)
    }
}

impl Serialize for TemplateVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.number())
    }
}

impl<'de> Deserialize<'de> for TemplateVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u16::deserialize(deserializer)?;
        Self::of(number).ok_or_else(|| {
            let newest = Self::NEWEST;
            D::Error::custom(format_args!(
                "there is no version {number} of the templates: the newest here is {newest}"
            ))
        })
    }
}

impl schemars::JsonSchema for TemplateVersion {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TemplateVersion".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A version of the templates, by its number.",
            "type": "integer",
            "minimum": Self::ALL[0].number(),
            "maximum": Self::NEWEST.number(),
        })
    }
}
