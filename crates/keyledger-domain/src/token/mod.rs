//! The aggregate `token`: a YubiKey, from the day an agent sees it to its end.
//!
//! An administrator's commands file tasks; a workstation's agent walks them and reports; what it reports is believed only
//! as far as cryptography found it to hold ([`Findings`]) and the rules of evidence let it pass.

mod command;
mod decide;
mod event;
mod evidence;
mod profile;
mod report;
mod state;
mod task;
mod words;

pub use command::*;
pub use decide::*;
pub use event::*;
pub use evidence::*;
pub use profile::*;
pub use report::*;
pub use state::*;
pub use task::*;
pub use words::*;
