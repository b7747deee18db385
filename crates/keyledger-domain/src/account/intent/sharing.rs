//! What an account gives to other accounts and takes from them, beside what the templates say.

use std::collections::BTreeMap;

use keyledger_claims::account::{ExportType, ResponseType, Sampling, ServiceLatency};
use serde::{Deserialize, Serialize};

use super::{is_default, text};
use crate::name::Name;

/// What is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shared {
    /// Messages, from the exporter to the importer.
    Stream,
    /// Requests, from the importer to the exporter, and their answers.
    Service,
}

impl From<Shared> for ExportType {
    fn from(shared: Shared) -> Self {
        match shared {
            Shared::Stream => Self::Stream,
            Shared::Service => Self::Service,
        }
    }
}

/// How a service answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseForm {
    /// With one message.
    One,
    /// With many messages.
    Many,
    /// With one answer in many messages.
    Parts,
}

impl From<ResponseForm> for ResponseType {
    fn from(form: ResponseForm) -> Self {
        match form {
            ResponseForm::One => Self::Singleton,
            ResponseForm::Many => Self::Stream,
            ResponseForm::Parts => Self::Chunked,
        }
    }
}

/// A subject that other accounts may import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// What it is called.
    #[serde(default, skip_serializing_if = "is_default")]
    pub name: Option<Box<str>>,
    /// The subject.
    pub subject: Box<str>,
    /// What is shared.
    pub shared: Shared,
    /// True if an account needs leave to import it: an activation, signed by this account.
    #[serde(default, skip_serializing_if = "is_default")]
    pub private: bool,
    /// Accounts by public nkey, or `*` for all, with the second until which leave that was given to them counts no more.
    #[serde(default, skip_serializing_if = "is_default")]
    pub revoked: BTreeMap<Box<str>, i64>,
    /// How it answers; with one message if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub answers: Option<ResponseForm>,
    /// Nanoseconds after which it counts as not answering.
    #[serde(default, skip_serializing_if = "is_default")]
    pub answers_within_ns: Option<i64>,
    /// Where its latency is reported.
    #[serde(default, skip_serializing_if = "is_default")]
    pub latency: Option<Latency>,
    /// Which token of the subject, from 1, must be the importing account's nkey.
    #[serde(default, skip_serializing_if = "is_default")]
    pub account_at_token: Option<u64>,
    /// True if tools may show it to others.
    #[serde(default, skip_serializing_if = "is_default")]
    pub advertised: bool,
    /// True if traces of messages go on in this account.
    #[serde(default, skip_serializing_if = "is_default")]
    pub traceable: bool,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "is_default")]
    pub description: Option<Box<str>>,
    /// Where to read more.
    #[serde(default, skip_serializing_if = "is_default")]
    pub info_url: Option<Box<str>>,
}

impl Export {
    /// A subject that every account may import.
    #[must_use]
    pub fn new(subject: &str, shared: Shared) -> Self {
        Self {
            name: None,
            subject: subject.into(),
            shared,
            private: false,
            revoked: BTreeMap::new(),
            answers: None,
            answers_within_ns: None,
            latency: None,
            account_at_token: None,
            advertised: false,
            traceable: false,
            description: None,
            info_url: None,
        }
    }
}

/// Where the latency of a service is reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// The subject of the reports.
    pub subject: Box<str>,
    /// Per cent of the requests that are measured, 1 to 100; those whose headers ask for it if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub percent: Option<u8>,
}

impl From<&Export> for keyledger_claims::account::Export {
    fn from(export: &Export) -> Self {
        let revoked = export.revoked.iter();
        let latency = export.latency.as_ref();
        Self {
            name: text(&export.name),
            subject: export.subject.to_string(),
            kind: export.shared.into(),
            token_req: export.private,
            revocations: revoked
                .map(|(nkey, until)| (nkey.to_string(), *until))
                .collect(),
            response_type: export.answers.map(Into::into).unwrap_or_default(),
            response_threshold: export.answers_within_ns.unwrap_or_default(),
            service_latency: latency.map(|latency| ServiceLatency {
                sampling: latency.percent.map_or(Sampling::Headers, |percent| {
                    Sampling::Percent(percent.into())
                }),
                results: latency.subject.to_string(),
                ..ServiceLatency::default()
            }),
            account_token_position: export.account_at_token.unwrap_or_default(),
            advertise: export.advertised,
            allow_trace: export.traceable,
            description: text(&export.description),
            info_url: text(&export.info_url),
            ..Self::default()
        }
    }
}

/// A subject taken from another account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// What it is called.
    #[serde(default, skip_serializing_if = "is_default")]
    pub name: Option<Box<str>>,
    /// The account that exports it.
    pub from: Exporter,
    /// The subject there.
    pub subject: Box<str>,
    /// The subject here, in which `$1` stands for the first wildcard of the other; the same if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub local_subject: Option<Box<str>>,
    /// What is shared.
    pub shared: Shared,
    /// True if a service is told which user asks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tells_sender: bool,
    /// True if traces of messages go on in this account.
    #[serde(default, skip_serializing_if = "is_default")]
    pub traceable: bool,
}

/// The account that exports what another imports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exporter {
    /// One of this organisation. Its leave is signed when the importer's JWT is made.
    Account(Name),
    /// One that this ledger does not know.
    Stranger {
        /// Its public nkey.
        nkey: Box<str>,
        /// Its leave: an activation that it signed; absent if it needs none.
        #[serde(default, skip_serializing_if = "is_default")]
        activation: Option<Box<str>>,
    },
}
