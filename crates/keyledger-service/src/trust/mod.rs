//! NATS trust: from the bootstrap of an organisation to JWTs that live servers enforce.
//!
//! ```text
//! initialise ─► a directory: creds, JWTs, trust.conf, sealed keys, genesis.jsonl      offline
//! setup      ─► streams, buckets, sealed material and the genesis events, once        with the setup creds
//! Resolver   ─► account JWTs, pushed and confirmed on every server                    for as long as it serves
//! ```
//!
//! An organisation has accounts of its own: `sys` (the servers'), `keys` (this service), `views` (the inventory bucket, for
//! everybody to read), `agents`, and one for the users of each role: `admin`, `approvers`, `auditors` and `services`.
//!
//! Why `views` is an account by itself: whoever makes a consumer chooses what the server publishes, and on which subject,
//! *in the account of the bucket*. In `keys` that could be an event's. Viewers make none: `nats kv watch` asks the service,
//! which delivers to the asker's own inbox (`endpoint::watch`).
//!
//! *Invariant:* a JWT is a function of the ledger's fold, the templates of the version that stands there, and the keys of its issuer and
//! exporters; nothing else decides what is in it.

mod bootstrap;
mod contexts;
mod draft;
mod files;
#[cfg(test)]
mod fixture;
mod genesis;
mod health;
mod init_error;
mod jwt;
mod keys;
mod names;
mod new_account;
mod outdated;
mod readme;
mod resolver;
mod setup;
mod storage;
pub mod templates;
mod upgrade;
mod url;

pub use bootstrap::{InitOptions, Root, initialise, initialise_with};
pub use contexts::{ContextError, fit};
pub use draft::DraftError;
pub use files::{Organisation, OrganisationError, RootError, RootKind};
pub use health::{Ahead, Foreign, TrustHealth};
pub use init_error::InitError;
pub use jwt::{
    JwtError, account_draft, account_jwt, leave_draft, rendered, user_claims, user_draft, user_jwt,
};
pub(crate) use keys::TrustKeys;
pub use names::{
    ADMIN, APPROVERS, AUDITORS, SERVICE, SERVICES, SYSTEM, VIEWS, account_of, service_account,
    views_account,
};
pub(crate) use new_account::{NewAccountError, new_account};
pub use outdated::outdated_users;
pub use resolver::Resolver;
pub(crate) use resolver::{ClusterState, Watch};
pub use setup::{SetupError, SetupReport, ensure_inventory, known_genesis, setup};
pub(crate) use storage::{StorageError, unlimited_accounts};
pub use templates::newest as newest_template;
pub(crate) use upgrade::{due_for_upgrade, upgrade_plan};
pub use url::{BadUrl, check_url};
