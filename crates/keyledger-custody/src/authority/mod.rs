//! The key of a certificate authority whose secret half is on no server.
//!
//! It is made, sealed in a file and used on a machine without a network. It signs bytes; what they say is for others to
//! read, before. See `keyledger offline`.

mod key;
mod sealed;

pub use key::{AuthorityKey, AuthorityKeyError};
pub use sealed::{SealedAuthority, SealedAuthorityError};
