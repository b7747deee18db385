//! The aggregate `key`: a cryptographic key through its whole life (NIST SP 800-57 part 1 §7, KMIP 2.1 §4.57).

mod certificates;
mod creation;
mod dates;
mod due;
mod escrowed;
mod event;
mod fold;
mod period;
mod refused;
mod serial;
pub mod spki;
mod state;
mod verbs;
mod words;

pub use creation::{GeneratedKey, NewVersion};
pub use due::{due, erased};
pub use escrowed::Escrowed;
pub use event::{
    Activated, CertificateRevoked, Certified, Created, Custodian, Dates, Deactivated, Description,
    Destroyed, HandedOver, Material, MaterialErased, Nothing, Public, Revoked, Rotated,
    RotationDue,
};
pub use fold::Event;
pub use period::{Class, MAX_PERIOD_DAYS, MAX_VERSIONS};
pub(crate) use refused::OfKey;
pub use serial::{NotASerial, Serial};
pub use state::{CertificateRevocation, Key, RevocationRecord, State, Version};
pub use verbs::*;
pub use words::{CertificateUsage, Certification, Classification, Installation, RevocationReason};
