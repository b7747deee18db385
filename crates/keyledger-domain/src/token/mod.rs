//! The aggregate `token`: a YubiKey, from the day an agent sees it to its end.
//!
//! An administrator's commands file tasks; a workstation's agent walks them and reports; what it reports is believed only
//! as far as cryptography found it to hold ([`Findings`]) and the rules of evidence let it pass.

mod command;
mod decide;
mod escrow;
mod event;
mod evidence;
mod fault;
mod limits;
mod number;
mod profile;
mod report;
mod state;
mod subject;
mod task;
mod unable;
mod words;

pub use command::*;
pub(crate) use decide::workstation_of;
pub use decide::*;
pub use escrow::*;
pub use event::*;
pub use evidence::*;
pub use fault::*;
pub(crate) use limits::check as check_size;
pub use limits::{
    MAX_DER_CHARACTERS, MAX_PROOF_CHARACTERS, MAX_PUBLIC_KEY_CHARACTERS, MAX_SEALED_CHARACTERS,
};
pub use profile::*;
pub use report::*;
pub use state::*;
pub use subject::*;
pub use task::*;
pub use unable::*;
pub use words::*;
