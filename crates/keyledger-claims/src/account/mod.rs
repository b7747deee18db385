//! Account claims: limits, exports, imports, signing keys, revocations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::claims::{Body, Claims, Extra};
use crate::go_json::{is_zero, zero};
use crate::nkey::NkeyKind;
use crate::user::{Permission, ResponsePermission};

mod limits;
mod sharing;
mod signing_key;

pub use limits::{AccountLimits, JetStreamLimits};
pub use sharing::{Export, ExportType, Import, ResponseType, Sampling, ServiceLatency};
pub use signing_key::{ScopeKind, SigningKey, UserScope};

/// Claims about an account, signed by the operator, one of its signing keys, or the account itself.
pub type AccountClaims = Claims<AccountBody>;

impl AccountClaims {
    /// An account without limits (-1) and without JetStream (0), as Go's `NewAccountClaims`.
    #[must_use]
    pub fn new(sub: impl Into<String>, iat: i64) -> Self {
        Self::with_body(sub, iat, AccountBody::new())
    }
}

/// Public nkey or `*` (everyone) → Unix seconds: claims issued then or before are revoked.
pub type Revocations = BTreeMap<String, i64>;

/// The `nats` part of account claims.
///
/// It is also stored alone as JSON, without signing keys and revocations, which are added when it is signed. [`Default`] is Go's zero
/// value, in which every limit is 0; in [`AccountBody::new`] there are no limits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountBody {
    /// What it imports from other accounts.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub imports: Vec<Import>,
    /// What it exports to other accounts. If two exports overlap, nats-server refuses the whole account.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub exports: Vec<Export>,
    /// What its operator allows it.
    #[serde(deserialize_with = "zero")]
    pub limits: AccountLimits,
    /// Keys that sign users and activations on its behalf; written in the order of the keys.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub signing_keys: Vec<SigningKey>,
    /// Users whose claims are no longer valid.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub revocations: Revocations,
    /// The permissions of users that have none of their own.
    #[serde(deserialize_with = "zero")]
    pub default_permissions: Permissions,
    /// For each subject, where the messages published on it go.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub mappings: BTreeMap<String, Vec<WeightedMapping>>,
    /// Auth callout.
    #[serde(deserialize_with = "zero")]
    pub authorization: ExternalAuthorization,
    /// Message tracing.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub trace: Option<MessageTrace>,
    /// Which account carries the replication of its streams: `system`, `owner`, or empty.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub cluster_traffic: String,
    /// For people; up to 8 KiB.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub description: String,
    /// Where to read more; an absolute URL.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub info_url: String,
    /// Lower-case labels.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub tags: Vec<String>,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl AccountBody {
    /// Every limit written out and open, JetStream off: Go's defaults for a new account.
    #[must_use]
    pub fn new() -> Self {
        Self {
            limits: AccountLimits::unlimited(),
            ..Self::default()
        }
    }

    /// Whether claims about `nkey` that were issued at `iat` (Unix seconds) are revoked.
    #[must_use]
    pub fn is_revoked(&self, nkey: &str, iat: i64) -> bool {
        ["*", nkey].iter().any(|who| {
            self.revocations
                .get(*who)
                .is_some_and(|until| *until >= iat)
        })
    }
}

impl Body for AccountBody {
    const TYPE: Option<&'static str> = Some("account");
    const SUBJECT: Option<NkeyKind> = Some(NkeyKind::Account);
    const ISSUERS: &'static [NkeyKind] = &[NkeyKind::Operator, NkeyKind::Account];
    const SELF_ISSUED: bool = true;

    fn sort(&mut self) {
        self.imports.sort_by(|a, b| a.subject.cmp(&b.subject));
        self.exports.sort_by(|a, b| a.subject.cmp(&b.subject));
        self.signing_keys.sort_by(|a, b| a.key().cmp(b.key()));
    }

    fn extra_mut(&mut self) -> &mut Extra {
        &mut self.extra
    }
}

/// Publish, subscribe and response permissions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Permissions {
    /// Subjects to publish to.
    #[serde(rename = "pub", deserialize_with = "zero")]
    pub publish: Permission,
    /// Subjects to subscribe to.
    #[serde(rename = "sub", deserialize_with = "zero")]
    pub subscribe: Permission,
    /// Answers to requests on any reply subject.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub resp: Option<ResponsePermission>,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One of the places a mapped subject goes to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WeightedMapping {
    /// Where to.
    #[serde(deserialize_with = "zero")]
    pub subject: String,
    /// Per cent of the messages; 0 means 100.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub weight: u8,
    /// Only in this cluster.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub cluster: String,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Auth callout: who answers, and where it may put whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExternalAuthorization {
    /// Public user nkeys that bypass the callout: the service that answers it. Empty turns it off.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub auth_users: Vec<String>,
    /// Public account nkeys that it may put users into, or `*`.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub allowed_accounts: Vec<String>,
    /// Public curve nkey that requests are sealed for.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub xkey: String,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Where messages with a sampled `traceparent` header are reported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MessageTrace {
    /// Subject of the reports.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub dest: String,
    /// Per cent of the messages; 0 means 100.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub sampling: i64,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
