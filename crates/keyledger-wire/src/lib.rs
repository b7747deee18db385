//! Every subject, header, stream and bucket of Keyledger, defined once; requests and replies; and the thin Rust
//! client for CIM services.
//!
//! *Invariant:* nothing else in the project spells a subject, a header, a stream's or a bucket's name.

pub mod client;
pub mod creds;
pub mod enrolment;
pub mod events;
mod file;
pub mod header;
pub mod local;
pub mod notice;
pub mod query;
pub mod questions;
pub mod reply;
pub mod schemas;
mod server_version;
mod signature;
mod slow;
pub mod subject;
pub mod table;

pub use client::{Client, CommandError, ConnectError, Ids, QueryError};
pub use enrolment::{Enrolment, NotAnEnrolment};
pub use events::{Events, Heard};
pub use file::{check_ordinary_file, read_ordinary_file, read_ordinary_text};
pub use reply::{
    Acknowledgement, IssuedCertificate, Refusal, ReportReply, Sealed, SlotCertificate, Status,
};
pub use server_version::{NotAVersion, ServerVersion, UnsupportedServer};
pub use signature::TokenSignature;
pub use slow::Dropped;
pub use subject::{AGENTS_ACCOUNT, Prefix, REVOCATIONS_NAME, SERVICE_NAME, SERVICE_VERSION};
