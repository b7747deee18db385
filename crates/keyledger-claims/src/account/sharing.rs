//! What accounts give to and take from each other.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Revocations;
use crate::claims::Extra;
use crate::go_json::{is_zero, zero};

/// A subject that other accounts may import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Export {
    /// For people.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub name: String,
    /// What is exported.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub subject: String,
    /// Stream or service: `type` in JSON.
    #[serde(
        rename = "type",
        deserialize_with = "zero",
        skip_serializing_if = "is_zero"
    )]
    pub kind: ExportType,
    /// Whether an import needs an activation.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub token_req: bool,
    /// Accounts whose activations no longer hold.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub revocations: Revocations,
    /// How a service answers.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub response_type: ResponseType,
    /// Nanoseconds after which a service counts as not answering.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub response_threshold: i64,
    /// Where the latency of a service is reported.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub service_latency: Option<ServiceLatency>,
    /// Which token of the subject, from 1, must be the importing account's nkey; 0 for none.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub account_token_position: u64,
    /// Whether tools may show it to others.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub advertise: bool,
    /// Whether message traces go on in this account; services only.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub allow_trace: bool,
    /// For people; up to 8 KiB.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub description: String,
    /// Where to read more; an absolute URL.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub info_url: String,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A subject taken from another account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Import {
    /// For people.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub name: String,
    /// Seen from who publishes first: the exporter of a stream, the importer of a service.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub subject: String,
    /// Public nkey of the exporting account.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub account: String,
    /// Activation JWT, where the export needs one.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub token: String,
    /// The older form of `local_subject`: read, not to be written.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub to: String,
    /// Its name in this account; `$1` stands for the first wildcard of `subject`. Empty keeps `subject`.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub local_subject: String,
    /// Stream or service: `type` in JSON.
    #[serde(
        rename = "type",
        deserialize_with = "zero",
        skip_serializing_if = "is_zero"
    )]
    pub kind: ExportType,
    /// Whether the exporter of a service learns who asks.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub share: bool,
    /// Whether message traces go on in this account; streams only.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub allow_trace: bool,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Stream or service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportType {
    /// Left out, which nats-server refuses.
    #[default]
    #[serde(skip)]
    Unknown,
    /// Messages from the exporter to the importer.
    Stream,
    /// Requests from the importer to the exporter.
    Service,
}

/// How a service answers; [`Unset`](Self::Unset) counts as [`Singleton`](Self::Singleton).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ResponseType {
    /// Left out.
    #[default]
    Unset,
    /// One message.
    Singleton,
    /// Many messages.
    Stream,
    /// One answer in many messages.
    Chunked,
    /// Something that NATS does not know, kept as it was.
    Unknown(String),
}

impl From<String> for ResponseType {
    fn from(text: String) -> Self {
        match text.as_str() {
            "" => Self::Unset,
            "Singleton" => Self::Singleton,
            "Stream" => Self::Stream,
            "Chunked" => Self::Chunked,
            _ => Self::Unknown(text),
        }
    }
}

impl From<ResponseType> for String {
    fn from(response_type: ResponseType) -> Self {
        match response_type {
            ResponseType::Unset => Self::new(),
            ResponseType::Singleton => "Singleton".to_owned(),
            ResponseType::Stream => "Stream".to_owned(),
            ResponseType::Chunked => "Chunked".to_owned(),
            ResponseType::Unknown(text) => text,
        }
    }
}

/// Where and how often the latency of a service is reported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceLatency {
    /// How often.
    #[serde(deserialize_with = "zero")]
    pub sampling: Sampling,
    /// Subject of the reports.
    #[serde(deserialize_with = "zero")]
    pub results: String,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Which requests are measured: `"headers"` or a number in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sampling {
    /// Those whose headers ask for it.
    #[default]
    Headers,
    /// Per cent of all, 1 to 100.
    Percent(i64),
}

impl Serialize for Sampling {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Headers | Self::Percent(0) => serializer.serialize_str("headers"),
            Self::Percent(percent) => serializer.serialize_i64(*percent),
        }
    }
}

impl<'de> Deserialize<'de> for Sampling {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Percent(i64),
            Word(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Percent(0) => Ok(Self::Headers),
            Either::Percent(percent) => Ok(Self::Percent(percent)),
            Either::Word(word) if word.eq_ignore_ascii_case("headers") => Ok(Self::Headers),
            Either::Word(_) => Err(de::Error::custom("sampling is \"headers\" or a number")),
        }
    }
}
