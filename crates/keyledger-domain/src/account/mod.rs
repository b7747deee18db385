//! The aggregate `account`: a NATS account, whose JWT is a fold of its events.

mod command;
mod decide;
mod event;
mod revocations;
mod state;

pub use command::*;
pub use decide::{AccountFacts, NkeyMade, decide};
pub use event::*;
pub use revocations::{
    AMPLE_JWT_BYTES, AllUntil, KEEP_EXPIRED_SECONDS, MAX_JWT_BYTES, RESERVED_JWT_BYTES, Revocation,
    Revocations,
};
pub use state::{Account, Signing};
