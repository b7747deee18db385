//! The aggregate `key`: a cryptographic key through its whole life (NIST SP 800-57 part 1 §7, KMIP 2.1 §4.57).

mod certificates;
mod command;
mod dates;
mod decide;
mod event;
mod period;
pub mod spki;
mod state;

pub use certificates::{CertificateRevocation, NotASerial, Serial};
pub use command::*;
pub use decide::{KeyFacts, NewVersion, decide, due, erased, next_due};
pub use event::*;
pub use period::{Class, MAX_PERIOD_DAYS, MAX_VERSIONS};
pub use state::{Key, RevocationRecord, State, Version};
