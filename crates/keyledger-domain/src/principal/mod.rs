//! The aggregate `principal`: a person, a service, a workstation or a unit that owns keys or acts.

mod event;
mod fold;
mod kind;
mod state;
mod verbs;

pub use event::{Description, KeyRecovered, Offboarded, OpenpgpPublished, Registered};
pub use fold::Event;
pub use kind::Kind;
pub use state::{Principal, State};
pub use verbs::*;
