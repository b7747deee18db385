//! The key of a certificate authority whose secret half is on no server.
//!
//! The key is made, sealed in a file and used on a machine without a network. It signs bytes; somebody else must have checked before
//! what the bytes say. See `keyledger offline`.

mod key;
mod root;
mod sealed;

pub use key::{AuthorityKey, AuthorityKeyError};
pub use root::RootCertificateError;
