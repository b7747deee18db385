//! The aggregate `operator`: the NATS operator that signs the organisation's accounts.

mod command;
mod decide;
mod event;
mod state;

pub use command::*;
pub use decide::decide;
pub use event::*;
pub use state::Operator;
