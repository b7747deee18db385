//! The aggregate `token`: a YubiKey, from the day an agent sees it to its end.
//!
//! An administrator's commands file tasks; a workstation's agent walks them and reports; what it reports is believed only
//! as far as cryptography found it to hold ([`Findings`]) and the rules of evidence let it pass.

mod escrow;
mod event;
mod evidence;
mod fault;
mod filing;
mod limits;
mod number;
mod profile;
mod report;
mod reported;
mod state;
mod subject;
mod task;
mod told;
mod unable;
mod verbs;
mod words;

pub use escrow::*;
pub use event::*;
pub use evidence::*;
pub use fault::*;
pub use filing::{FilesTask, TaskMade};
pub(crate) use filing::{UNDER_WAY, check_task, profile_of, workstation_of};
pub(crate) use limits::check as check_size;
pub use limits::{
    MAX_BOUND_USERS, MAX_DER_CHARACTERS, MAX_DOUBTFUL_SECRETS, MAX_PROOF_CHARACTERS,
    MAX_PUBLIC_KEY_CHARACTERS, MAX_SEALED_CHARACTERS, MAX_SLOTS,
};
pub use profile::*;
pub use report::*;
pub use reported::Reported;
pub use state::*;
pub use subject::*;
pub use task::*;
pub use told::*;
pub use unable::*;
pub(crate) use verbs::OfToken;
pub use verbs::*;
pub use words::*;
