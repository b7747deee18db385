//! X.509 certificates, requests and CRLs, attestations of YubiKeys, SSH lines, and the files that travel to a machine without a
//! network. Bytes go out, a signature comes in.
//!
//! - [`x509`]: certificates and lists to be signed, and read; attestations up to embedded roots.
//! - [`exchange`]: the files for a machine without a network, of one format; what they ask of an authority is in
//!   [`x509::exchange`].
//! - [`ssh`]: lines for `authorized_keys`.
//!
//! *Invariant:* this crate knows nothing of Keyledger's ledger and links no other crate of ours. It is pure: no clock ([`Moment`]s
//! are arguments), no random number (serial numbers are arguments), no secret, no socket, no file.
//!
//! Everything that is read came from someone else: sizes are limited before parsing, DER is strict, nothing panics.

pub mod exchange;
mod host;
mod moment;
pub mod ssh;
mod text;
pub mod x509;

pub use host::is_host;
pub use moment::{Moment, NotAMoment};
pub use text::visible;
