//! The aggregate `account`: a NATS account, whose JWT is a fold of its events.

mod event;
mod fold;
mod made;
mod revocations;
mod state;
mod verbs;

pub use event::{
    Confirmed, Created, DriftRepaired, Purpose, RenewalCause, Renewed, RevocationAdded,
    RevocationsCollapsed, RevocationsExpired, SigningKey,
};
pub use fold::Event;
pub use made::{AccountFacts, NkeyMade};
pub use revocations::{
    AMPLE_JWT_BYTES, AllUntil, KEEP_EXPIRED_SECONDS, MAX_JWT_BYTES, RESERVED_JWT_BYTES, Revocation,
    Revocations,
};
pub use state::{Account, Signing, State};
pub use verbs::*;
