//! Keyledger's shell: endpoint → pipeline → handler → store, then views and effects.
//!
//! *Invariant:* an acknowledgement is given only for what is durable; an effect is asked for by an event and may run
//! twice; no rule is decided here.

mod allowance;
pub mod appender;
mod begin;
mod clock;
mod delivery;
mod durability;
mod edge;
mod effects;
mod endpoint;
mod fault_point;
pub mod handler;
mod identity;
mod lanes;
pub mod material;
mod metrics;
mod metrics_port;
mod metrics_text;
mod openpgp;
mod pipeline;
mod pki;
mod queries;
mod refused;
mod request;
mod reserve;
mod scatter;
mod service;
mod shared;
mod signers;
mod signing;
mod snapshot;
pub mod store;
mod streams;
mod thread;
mod tokens;
pub mod trust;
mod verbs;

pub use allowance::UserAllowance;
pub use begin::{Beginning, Begun, KnownGenesis};
pub use durability::Durability;
pub use endpoint::EndpointError;
pub use metrics_port::{LoopbackAddress, NotLoopback};
pub use pki::CertifyError;
pub use service::{Options, Service, StartError};
pub use signers::{LedgerKey, Signers};
pub use signing::{SignerError, Unopened};
pub use snapshot::{Saved, Snapshot};
