//! The aggregate `account`: a NATS account. Its history says what it is to be and whom it refuses; its JWT is rendered from that.

mod changes;
mod event;
mod fold;
pub mod intent;
mod made;
mod render;
mod revocations;
mod state;
mod verbs;

pub use changes::{Changes, changes};
pub use event::{
    Confirmed, Created, DriftRepaired, Purpose, RenewalCause, Renewed, RevocationAdded,
    RevocationsCollapsed, RevocationsExpired, SigningKey, TemplateAdopted,
};
pub use fold::Event;
pub use made::{AccountFacts, NkeyMade};
pub use render::{Exporters, Leave, RenderError, Rendered, Template, render};
pub use revocations::{
    AMPLE_JWT_BYTES, AllUntil, KEEP_EXPIRED_SECONDS, MAX_JWT_BYTES, RESERVED_JWT_BYTES, Revocation,
    Revocations,
};
pub use state::{Account, State};
pub use verbs::*;
