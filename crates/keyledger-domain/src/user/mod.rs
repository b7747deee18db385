//! The aggregate `user`: a NATS user with its creds.

mod event;
mod limits;
mod nkey;
mod state;
mod verbs;

pub use event::*;
pub use limits::*;
pub(crate) use nkey::check_nkey;
pub use state::User;
pub use verbs::*;
