//! The aggregate `vault`: the seal of the organisation's custody.
//!
//! No command opens it: while it is sealed no event can be signed, and a command is one. What was done to open it is written once it
//! is open.

mod event;
mod fold;
mod state;
mod verbs;

pub use event::{Initialised, Opened, OpeningMethod, Sealed};
pub use fold::Event;
pub use state::{State, Vault};
pub use verbs::*;
