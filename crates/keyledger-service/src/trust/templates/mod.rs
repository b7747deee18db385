//! What accounts share and what users may do, for a prefix: pure.
//!
//! | account | exports (each needs an activation) | imports |
//! |---|---|---|
//! | `keys` | commands, queries, `$SRV.>`, events, notices, watches; reports and the queues of tasks | from `views`: writing the inventory bucket, and consumers on it |
//! | `agents` | | reports with `share`, and of JetStream what it takes to work off a queue of tasks |
//! | `views` | the inventory bucket: reading it for clients, all else for `keys` | |
//! | clients | | commands, queries and watches with `share`, `$SRV.>`, events, notices; reading the inventory bucket |

/// How many connections an account may have at once, where its users are not the administrators or the service itself: nats-server
/// takes 65,536 in all, and an administrator's is one of them.
pub const CONNECTIONS: i64 = 8_192;

mod roles;
mod sharing;
mod users;

pub use roles::role_template;
pub use sharing::{
    Exporter, agents_imports, client_imports, service_exports, service_imports, views_exports,
};
pub use users::{Grants, service_grants, setup_grants, system_grants};

#[cfg(test)]
mod tests;
