//! The aggregate `principal`: a person, a service, a workstation or a unit that owns keys or acts.

mod event;
mod kind;
mod state;
mod verbs;

pub use event::{Description, Event, KeyRecovered, Offboarded, OpenpgpPublished, Registered};
pub use kind::Kind;
pub use state::Principal;
pub use verbs::*;
