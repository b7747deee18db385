//! The aggregate `principal`: a person, a service, a workstation or a unit that owns keys or acts.

mod command;
mod decide;
mod event;
mod state;

pub use command::*;
pub use decide::decide;
pub use event::*;
pub use state::Principal;
