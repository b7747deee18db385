//! The aggregate `user`: a NATS user with its creds.

mod command;
mod decide;
mod event;
mod state;

pub use command::*;
pub(crate) use decide::check_nkey;
pub use decide::{UserFacts, decide};
pub use event::*;
pub use state::User;
