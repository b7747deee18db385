//! The aggregate `key`: a cryptographic key through its whole life (NIST SP 800-57 part 1 §7, KMIP 2.1 §4.57).

mod certificates;
mod creation;
mod dates;
mod due;
mod event;
mod period;
pub mod spki;
mod state;
mod verbs;
mod words;

pub use certificates::{CertificateRevocation, NotASerial, Serial};
pub use creation::{GeneratedKey, NewVersion};
pub use due::{due, erased, next_due};
pub use event::*;
pub use period::{Class, MAX_PERIOD_DAYS, MAX_VERSIONS};
pub use state::{Key, RevocationRecord, State, Version};
pub(crate) use verbs::OfKey;
pub use verbs::*;
pub use words::*;
