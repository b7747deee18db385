//! The aggregate `operator`: the NATS operator that signs the organisation's accounts.

mod event;
mod fold;
mod state;
mod verbs;

pub use event::{AttestationAuthority, Created, Described, RollbackAccepted, SigningKey, Witness};
pub use fold::Event;
pub use state::{Operator, State};
pub use verbs::*;
