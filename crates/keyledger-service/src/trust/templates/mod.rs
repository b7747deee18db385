//! What accounts share and what users may do, for a prefix: pure.
//!
//! | account | exports (each needs an activation) | imports |
//! |---|---|---|
//! | `keys` | commands, queries, `$SRV.>`, events, notices | from `views`: writing the inventory bucket |
//! | `views` | the inventory bucket: reading it for clients, making and writing it for `keys` | |
//! | clients | | commands and queries with `share`, `$SRV.>`, events, notices; reading the inventory bucket |

mod roles;
mod sharing;
mod users;

pub use roles::role_template;
pub use sharing::{
    Exporter, client_imports, deliver_prefix, service_exports, service_imports, views_api,
    views_exports,
};
pub use users::{Grants, service_grants, setup_grants, system_grants};

#[cfg(test)]
mod tests;
