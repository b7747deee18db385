//! What an account is to be, in our words: everything that its JWT says, apart from whom it refuses.
//!
//! A history holds this and no claims. What the templates say stands here as the number of their version alone, so that an account is
//! upgraded by an event. There is room for all of nats-io/jwt v2.8.3.

mod limits;
mod permissions;
mod sharing;

use std::collections::BTreeMap;

use keyledger_claims::{
    AccountBody,
    account::{ExternalAuthorization, MessageTrace, WeightedMapping},
};
use serde::{Deserialize, Serialize};

pub use limits::{Limit, Limits, Storage};
pub use permissions::{Hours, MayAnswer, Permissions, Scope, Subjects};
pub use sharing::{Export, Exporter, Import, Latency, ResponseForm, Shared};

use crate::template::TemplateVersion;

/// What an account is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// The version of the templates that it stands on: they say what its purpose and the roles of its signing keys mean.
    pub template: TemplateVersion,
    /// What it may use.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// What it exports beside what the templates say.
    #[serde(default, skip_serializing_if = "is_default")]
    pub exports: Vec<Export>,
    /// What it imports beside what the templates say.
    #[serde(default, skip_serializing_if = "is_default")]
    pub imports: Vec<Import>,
    /// Where messages go that are published on a subject.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mappings: BTreeMap<Box<str>, Vec<Destination>>,
    /// What users may do that have no permissions of their own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub default_permissions: Permissions,
    /// Who is asked which user a connection is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub callout: Option<Callout>,
    /// Where traces of messages are reported.
    #[serde(default, skip_serializing_if = "is_default")]
    pub trace: Option<Trace>,
    /// Which account carries the replication of its streams; the system account if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub replicates_over: Option<ReplicatesOver>,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "is_default")]
    pub description: Option<Box<str>>,
    /// Where to read more.
    #[serde(default, skip_serializing_if = "is_default")]
    pub info_url: Option<Box<str>>,
    /// Lower-case labels.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tags: Vec<Box<str>>,
}

/// One of the places where the messages of a subject go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// The subject.
    pub subject: Box<str>,
    /// Per cent of the messages; all if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub percent: Option<u8>,
    /// Only those of this cluster.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cluster: Option<Box<str>>,
}

/// Auth callout: a service says which user a connection is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Callout {
    /// Public nkeys of the users that are not asked about: the service itself.
    pub services: Vec<Box<str>>,
    /// Public nkeys of the accounts that it may put users into; `*` is all.
    #[serde(default, skip_serializing_if = "is_default")]
    pub accounts: Vec<Box<str>>,
    /// The curve nkey that it is asked under, sealed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sealed_to: Option<Box<str>>,
}

/// Where traces are reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// The subject of the reports.
    pub subject: Box<str>,
    /// Per cent of the messages; all if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub percent: Option<u8>,
}

/// Which account carries the replication of streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplicatesOver {
    /// The system account.
    System,
    /// The account that owns the streams.
    Owner,
}

impl Intent {
    /// What a new account is unless somebody says otherwise.
    #[must_use]
    pub fn new(template: TemplateVersion) -> Self {
        Self {
            template,
            limits: Limits::default(),
            exports: Vec::new(),
            imports: Vec::new(),
            mappings: BTreeMap::new(),
            default_permissions: Permissions::default(),
            callout: None,
            trace: None,
            replicates_over: None,
            description: None,
            info_url: None,
            tags: Vec::new(),
        }
    }

    /// What it says by itself, as claims: without what the templates say, without imports, signing keys and revocations.
    pub(super) fn claims(&self, connections: Limit, leaf_nodes: Limit) -> AccountBody {
        let callout = self.callout.as_ref();
        let mappings = self.mappings.iter();
        let mappings = mappings.map(|(subject, to)| mapping(subject, to));
        AccountBody {
            limits: self.limits.claims(connections, leaf_nodes),
            exports: self.exports.iter().map(Into::into).collect(),
            default_permissions: (&self.default_permissions).into(),
            mappings: mappings.collect(),
            authorization: callout.map(Into::into).unwrap_or_default(),
            trace: self.trace.as_ref().map(|trace| MessageTrace {
                dest: trace.subject.to_string(),
                sampling: trace.percent.unwrap_or_default().into(),
                ..MessageTrace::default()
            }),
            cluster_traffic: match self.replicates_over {
                None => String::new(),
                Some(ReplicatesOver::System) => "system".to_owned(),
                Some(ReplicatesOver::Owner) => "owner".to_owned(),
            },
            description: text(&self.description),
            info_url: text(&self.info_url),
            tags: texts(&self.tags),
            ..AccountBody::default()
        }
    }
}

fn mapping(subject: &str, to: &[Destination]) -> (String, Vec<WeightedMapping>) {
    let to = to.iter().map(|to| WeightedMapping {
        subject: to.subject.to_string(),
        weight: to.percent.unwrap_or_default(),
        cluster: text(&to.cluster),
        ..WeightedMapping::default()
    });
    (subject.to_owned(), to.collect())
}

impl From<&Callout> for ExternalAuthorization {
    fn from(callout: &Callout) -> Self {
        Self {
            auth_users: texts(&callout.services),
            allowed_accounts: texts(&callout.accounts),
            xkey: text(&callout.sealed_to),
            ..Self::default()
        }
    }
}

/// True of what is not written, because it says nothing.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A text as NATS writes it: an absent one is empty.
fn text(text: &Option<Box<str>>) -> String {
    text.as_deref().unwrap_or_default().to_owned()
}

/// Texts as NATS writes them.
fn texts(texts: &[Box<str>]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}
