//! The ledger in memory: the fold of every event ever written, and the decisions made against it.

mod after_revocation;
mod authority;
mod bearers;
mod checks;
mod compromise;
mod data;
mod decide;
mod deciding;
mod decision;
mod exporters;
mod fold;
mod offboard;
mod reads;
mod remarks;
mod revocations;
mod seal;
mod sound;
mod states;
mod token_signer;
mod tokens;

pub use crate::group::{Fingerprint, Group};
pub use crate::token::{NewCertificate, NewEscrow, ReportFacts};
pub use authority::{Claimed, Known};
pub use data::{LEDGER_SIGNING_KEY, Ledger, Remembered};
pub use decide::Outcome;
pub use deciding::{Deciding, Reader};
pub use decision::{Decision, MAX_EVENTS};
pub use fold::{Applied, ChainBreak};
pub use reads::{Reads, Recorded};
pub use seal::Sealed;
pub use states::{Entry, Head};
pub use token_signer::TokenSigner;
pub(crate) use tokens::Born;
pub use tokens::{KEPT_ELSEWHERE, OPENPGP_FINGERPRINT, UNCLAIMED_TOKENS};
