//! What is wrong with a ledger, and where it begins to be.

use std::fmt;

use crate::{cid::EventCid, time::Timestamp};

/// The first event that is not what was written, or what is wrong with the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its sequence; of the last event where the end is wrong.
    pub sequence: u64,
    /// Its subject; boxed because this is the error of everything that verifies, and large as it is.
    pub subject: Box<str>,
    /// The CID of the bytes found.
    pub cid: Option<EventCid>,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Events before it are missing.
    #[error("{}", removed(*first, *last))]
    Removed {
        /// The first sequence that is missing.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// Its bytes are not those that were named by the CID.
    #[error("its bytes were altered: its header says CID {said}")]
    Altered {
        /// The CID in its header.
        said: String,
    },
    /// It does not stand where it was written; or what stood before it was taken away and the rest renumbered.
    #[error("it is out of order: {0}")]
    Reordered(String),
    /// The same event stands twice.
    #[error("it was inserted again: the same event stands at sequence {first}")]
    Reinserted {
        /// Where it stood first.
        first: u64,
    },
    /// It does not link to the event before it in its history, or begins one wrongly.
    #[error("its history does not fit: {0}")]
    Unchained(String),
    /// It is dated before its predecessor.
    #[error("it is dated before the event it follows, which happened at {before}")]
    Backdated {
        /// When its predecessor happened.
        before: Timestamp,
    },
    /// Its subject or a header says something else than its bytes.
    #[error("its {what} does not say what its bytes say: {expected} was expected")]
    Misplaced {
        /// The subject, or which header.
        what: &'static str,
        /// What it should be.
        expected: String,
    },
    /// Whoever signed it was not entitled to.
    #[error("it is signed by {signer}, who was not entitled: {why}")]
    UnknownSigner {
        /// The signer's nkey.
        signer: String,
        /// Why not.
        why: String,
    },
    /// It begins with another operator's trust bootstrap than was expected: it is another organisation's ledger.
    #[error(
        "its trust bootstrap is signed by {found}, and the operator {expected} was expected: another ledger?"
    )]
    OtherOperator {
        /// The operator that was expected.
        expected: Box<str>,
        /// Who signed.
        found: Box<str>,
    },
    /// Its signature is not the signer's.
    #[error("its signature is not one by {signer}")]
    BadSignature {
        /// The signer's nkey.
        signer: String,
    },
    /// It is no record, or lacks a header.
    #[error("it is malformed: {0}")]
    Malformed(String),
    /// There are fewer events than a signed head says.
    #[error(
        "events are missing at the end: there are {found}, and a signed head covers {expected}"
    )]
    Truncated {
        /// How many there are.
        found: u64,
        /// How many there were.
        expected: u64,
    },
    /// What was given as an earlier export is newer than this one, and covers more.
    #[error(
        "the kept export is the newer one: it covers {kept} events, signed at {kept_at}, and this one {found}, signed at {found_at}; \
         the two files are swapped, or this one is not the newest"
    )]
    Swapped {
        /// How many events the kept one covers.
        kept: u64,
        /// When it was signed.
        kept_at: Timestamp,
        /// How many there are.
        found: u64,
        /// When their head was signed.
        found_at: Timestamp,
    },
    /// There are more events than the newest signed head says.
    #[error(
        "nothing vouches for the end: there are {found} events, and the signed head covers {head}"
    )]
    BeyondHead {
        /// How many the head covers.
        head: u64,
        /// How many there are.
        found: u64,
    },
    /// A signed head is of another ledger: events were changed or left out, and everything was made to fit.
    #[error("a signed head does not fit: {0}")]
    OtherHead(String),
    /// No genesis event names the operator: nothing is known of who may sign.
    #[error("the ledger does not begin with a trust bootstrap: no operator.v1.created")]
    NoOperator,
}

impl Fault {
    /// A stable name for programs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Removed { .. } => "removed",
            Self::Altered { .. } => "altered",
            Self::Reordered(_) => "reordered",
            Self::Reinserted { .. } => "reinserted",
            Self::Unchained(_) => "unchained",
            Self::Backdated { .. } => "backdated",
            Self::Misplaced { .. } => "misplaced",
            Self::UnknownSigner { .. } => "unknown_signer",
            Self::OtherOperator { .. } => "other_operator",
            Self::BadSignature { .. } => "bad_signature",
            Self::Malformed(_) => "malformed",
            Self::Truncated { .. } => "truncated",
            Self::Swapped { .. } => "swapped",
            Self::BeyondHead { .. } => "beyond_head",
            Self::OtherHead(_) => "other_head",
            Self::NoOperator => "no_operator",
        }
    }
}

fn removed(first: u64, last: u64) -> String {
    if first == last {
        format!("an event was removed before it: sequence {first}")
    } else {
        format!("events were removed before it: sequences {first} to {last}")
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sequence {}", self.sequence)?;
        if !self.subject.is_empty() {
            write!(f, ", {}", self.subject)?;
        }
        if let Some(cid) = &self.cid {
            write!(f, ", {cid}")?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl std::error::Error for Broken {}
