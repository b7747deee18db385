//! The aggregate `token`: a YubiKey, from its enrolment to its end.

mod profile;
mod report;
mod task;
mod words;

pub use profile::*;
pub use report::*;
pub use task::*;
pub use words::*;
