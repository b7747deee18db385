//! The aggregate `user`: a NATS user with its creds.

mod event;
mod fold;
mod limits;
mod nkey;
mod state;
mod verbs;

pub use event::{Issued, RevocationConfirmed, Revoked};
pub use fold::Event;
pub use limits::{DEFAULT_EXPIRES_DAYS, MAX_EXPIRES_DAYS, MAX_GRANTS, MAX_JWT_BYTES};
pub(crate) use nkey::check_nkey;
pub use state::{State, User};
pub use verbs::*;
