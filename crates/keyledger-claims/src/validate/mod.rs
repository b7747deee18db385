//! What is wrong with claims that are well-formed: the checks of Go's `Validate`, and a few more.

mod account;
mod permissions;
mod sharing;

use std::fmt;

use crate::account::ExportType;
use crate::decode::DecodeError;
use crate::nkey::{NkeyError, NkeyKind, PublicNkey};
use crate::subject;

/// One thing that is wrong, and where.
#[derive(Debug)]
pub struct Issue {
    /// Path inside the body, as in `exports[2].subject`.
    pub field: String,
    /// What is wrong there.
    pub problem: Problem,
}

impl Issue {
    /// True if nats-server refuses the claims because of it, or would not do what they say.
    #[must_use]
    pub fn is_blocking(&self) -> bool {
        !matches!(
            self.problem,
            Problem::Deprecated | Problem::ExportsIntersect { .. } | Problem::SelfSignedLimits
        )
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

/// What can be wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Empty, with white space or an empty token, or with `>` before the end.
    #[error("{subject:?} is no subject: tokens joined by single dots, > only at the end")]
    Subject {
        /// The text found.
        subject: String,
    },
    /// Wildcards where a message is published to, or where the operator forbids them.
    #[error("{subject:?} may not have wildcards here")]
    Wildcard {
        /// The subject found.
        subject: String,
    },
    /// A queue group on a subject for publishing.
    #[error("{subject:?} names a queue group: only subscriptions have them")]
    Queue {
        /// The text found.
        subject: String,
    },
    /// Neither stream nor service.
    #[error("the type is missing: stream or service")]
    NoType,
    /// Set on the wrong type of export or import.
    #[error("only a {kind} has this")]
    Only {
        /// The type that has it.
        kind: ExportKind,
    },
    /// An unknown response type, or one on a stream.
    #[error("{found:?} is no response type of a service: Singleton, Stream or Chunked")]
    ResponseType {
        /// The text found.
        found: String,
    },
    /// Out of range.
    #[error("{found} is out of range: {least} to {most}")]
    Range {
        /// The number found.
        found: i64,
        /// The least allowed.
        least: i64,
        /// The most allowed.
        most: i64,
    },
    /// The position points at no `*`.
    #[error("token {position} of {subject:?} is not *: count from 1")]
    TokenPosition {
        /// The position found.
        position: u64,
        /// The subject it points into.
        subject: String,
    },
    /// One export lies inside another of its type: nats-server refuses the whole account.
    #[error(
        "{subject:?} and {other:?} overlap: nats-server refuses the account; export one of them"
    )]
    ExportsOverlap {
        /// This one.
        subject: String,
        /// The other one.
        other: String,
    },
    /// Some subjects fit both, and neither lies inside the other: allowed, but rarely meant.
    #[error("some subjects fit both {subject:?} and {other:?}")]
    ExportsIntersect {
        /// This one.
        subject: String,
        /// The other one.
        other: String,
    },
    /// Two imported services would answer on one subject.
    #[error("{subject:?} and {other:?} overlap: give one of them another local subject")]
    ImportsOverlap {
        /// This one, as the account sees it.
        subject: String,
        /// The other one.
        other: String,
    },
    /// Not the public nkey that belongs here.
    #[error("not the nkey that belongs here")]
    Nkey(#[source] NkeyError),
    /// The activation cannot be read.
    #[error("the activation cannot be read: ask the exporter for another")]
    Token(#[source] DecodeError),
    /// The activation was signed for another exporter.
    #[error("the activation is by {found}, the import is from {expected}")]
    TokenIssuer {
        /// The account that signed the activation.
        found: String,
        /// The account of the import.
        expected: String,
    },
    /// The activation is for another account.
    #[error("the activation is for {found}, this account is {expected}")]
    TokenSubject {
        /// The account it is for.
        found: String,
        /// This account.
        expected: String,
    },
    /// The activation is for the other type.
    #[error("the activation is not for a {expected}")]
    TokenType {
        /// The type of the import.
        expected: ExportKind,
    },
    /// The activation does not reach as far as the import.
    #[error("the activation is for {granted:?}, the import takes {wanted:?}")]
    TokenReach {
        /// What it lets one import.
        granted: String,
        /// What is imported.
        wanted: String,
    },
    /// One of `subject` and `local_subject` ends in `>`.
    #[error("subject and local subject must both end in > or neither")]
    LocalTail,
    /// The wildcards of `subject` are not all used by `local_subject`, once each.
    #[error(
        "the local subject must use each of the {expected} * of the subject, as * or as $1, $2, …"
    )]
    LocalReferences {
        /// How many `*` the subject has.
        expected: usize,
    },
    /// `to` is set: write `local_subject`.
    #[error("deprecated: use local_subject")]
    Deprecated,
    /// Both `to` and `local_subject` are set.
    #[error("local_subject replaces to: leave to out")]
    ToAndLocal,
    /// More than the limits of the same claims allow.
    #[error("{found} are more than the {limit} that the limits allow")]
    TooMany {
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: i64,
    },
    /// Flat JetStream limits beside tiers, which make nats-server ignore them.
    #[error("flat JetStream limits and tiers exclude each other: set one of them")]
    TiersAndFlat,
    /// A tier without a name.
    #[error("a tier needs a name, such as R1 or R3")]
    TierName,
    /// A signing key is listed twice.
    #[error("{key} is listed twice: only one of its scopes would hold")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// The weights of a mapping come to more than 100.
    #[error("the weights come to {percent} per cent: 100 at most")]
    Weights {
        /// Their sum.
        percent: u32,
    },
    /// Auth callout may place users, but nobody answers it.
    #[error("allowed accounts need auth users: name who answers the callout")]
    NoAuthUsers,
    /// `*` beside accounts.
    #[error("* stands for every account: leave out the others")]
    AnyAccount,
    /// An unknown word.
    #[error("{found:?} is not known here: {expected}")]
    Word {
        /// The word found.
        found: String,
        /// The words that are known.
        expected: &'static str,
    },
    /// Too long.
    #[error("{bytes} bytes are too many: 8192 at most")]
    TooLong {
        /// Bytes found.
        bytes: usize,
    },
    /// Not an absolute URL.
    #[error("{found:?} is no absolute URL, such as https://example.org")]
    Url {
        /// The text found.
        found: String,
    },
    /// Not a network.
    #[error("{found:?} is no network, such as 10.0.0.0/8")]
    Network {
        /// The text found.
        found: String,
    },
    /// Not a time of day.
    #[error("{found:?} is no time of day, such as 18:30:00")]
    TimeOfDay {
        /// The text found.
        found: String,
    },
    /// An account that signed itself sets limits for itself.
    #[error("limits are the operator's to set: an account that signs itself should leave them out")]
    SelfSignedLimits,
}

/// An [`ExportType`] in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportKind {
    /// A stream.
    Stream,
    /// A service.
    Service,
}

impl ExportKind {
    fn of(kind: ExportType) -> Option<Self> {
        match kind {
            ExportType::Unknown => None,
            ExportType::Stream => Some(Self::Stream),
            ExportType::Service => Some(Self::Service),
        }
    }
}

impl fmt::Display for ExportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream => "stream",
            Self::Service => "service",
        })
    }
}

/// Collects issues.
#[derive(Default)]
struct Issues(Vec<Issue>);

impl Issues {
    fn add(&mut self, field: impl Into<String>, problem: Problem) {
        self.0.push(Issue {
            field: field.into(),
            problem,
        });
    }

    fn check(&mut self, good: bool, field: impl Into<String>, problem: impl FnOnce() -> Problem) {
        if !good {
            self.add(field, problem());
        }
    }

    fn subject(&mut self, field: impl Into<String>, text: &str) {
        self.check(subject::is_valid(text), field, || Problem::Subject {
            subject: text.to_owned(),
        });
    }

    /// A subject that something is published to.
    fn publish_subject(&mut self, field: &str, text: &str) {
        self.subject(field, text);
        self.check(!subject::has_wildcard(text), field, || Problem::Wildcard {
            subject: text.to_owned(),
        });
    }

    fn nkey(&mut self, field: impl Into<String>, text: &str, kind: NkeyKind) {
        if let Err(error) = PublicNkey::parse_kind(text, kind) {
            self.add(field, Problem::Nkey(error));
        }
    }

    /// Go's `Info`.
    fn info(&mut self, prefix: &str, description: &str, info_url: &str) {
        for (field, text) in [("description", description), ("info_url", info_url)] {
            let bytes = text.len();
            self.check(bytes <= MAX_INFO_BYTES, format!("{prefix}{field}"), || {
                Problem::TooLong { bytes }
            });
        }
        let has_host = info_url.split_once("://").is_some_and(|(scheme, rest)| {
            !scheme.is_empty() && !rest.is_empty() && !rest.starts_with(['/', '?', '#'])
        });
        self.check(
            info_url.is_empty() || has_host,
            format!("{prefix}info_url"),
            || Problem::Url {
                found: info_url.to_owned(),
            },
        );
    }
}

/// Go's `MaxInfoLength`.
const MAX_INFO_BYTES: usize = 8 * 1024;
