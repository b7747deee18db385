//! The aggregate `account`: a NATS account, whose JWT is a fold of its events.

mod command;
mod decide;
mod event;
mod state;

pub use command::*;
pub use decide::{AccountFacts, NkeyMade, decide};
pub use event::*;
pub use state::{Account, Signing};
