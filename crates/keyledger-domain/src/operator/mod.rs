//! The aggregate `operator`: the NATS operator that signs the organisation's accounts.

mod event;
mod state;
mod verbs;

pub use event::{
    AttestationAuthority, Created, Described, Event, RollbackAccepted, SigningKey, Witness,
};
pub use state::Operator;
pub use verbs::*;
