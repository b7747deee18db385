//! What accounts share and what users may do, for a prefix and a version of the templates: pure.
//!
//! | account | exports (each needs an activation) | imports |
//! |---|---|---|
//! | `keys` | commands, queries, `$SRV.>`, events, notices, watches; reports and the queues of tasks | from `views`: writing the inventory bucket, and consumers on it |
//! | `agents` | | reports with `share`, and of JetStream what it takes to work off a queue of tasks |
//! | `views` | the inventory bucket: reading it for clients, all else for `keys` | |
//! | clients | | commands, queries and watches with `share`, `$SRV.>`, events, notices; reading the inventory bucket |
//!
//! What a version says never changes once a release had it: `golden.rs` holds that. What is to be different is asked of the version
//! (`version >= TemplateVersion::V2`).

mod roles;
mod sharing;
mod users;

use keyledger_domain::{
    Role,
    account::{
        Purpose, Template,
        intent::{Limit, Scope},
    },
    template::TemplateVersion,
};
use keyledger_wire::Prefix;

pub use roles::role;
pub use users::{Grants, service_grants, setup_grants, system_grants};

/// How many connections an account may have at once, where its users are not the administrators or the service itself: nats-server
/// takes 65,536 in all, and an administrator's is one of them.
const CONNECTIONS: Limit = Limit::AtMost(8_192);

/// What a version of the templates says of the account whose public nkey is `account`.
#[must_use]
pub fn template(
    prefix: &Prefix,
    version: TemplateVersion,
    purpose: Purpose,
    account: &str,
) -> Template {
    let (exports, imports) = match purpose {
        Purpose::System | Purpose::Plain => (Vec::new(), Vec::new()),
        Purpose::Service => (
            sharing::service_exports(prefix, version),
            sharing::service_imports(prefix),
        ),
        Purpose::Views => (sharing::views_exports(prefix), Vec::new()),
        Purpose::Agents => (Vec::new(), sharing::agents_imports(prefix, version)),
        Purpose::Client => (Vec::new(), sharing::client_imports(prefix, account)),
    };
    let (connections, leaf_nodes) = match purpose {
        // Whoever attaches a leaf node speaks for all of its users.
        Purpose::Service | Purpose::Agents => (Limit::Unlimited, Limit::NONE),
        // Nobody connects.
        Purpose::Views => (Limit::NONE, Limit::NONE),
        Purpose::System => (Limit::Unlimited, Limit::Unlimited),
        Purpose::Client | Purpose::Plain => (CONNECTIONS, Limit::Unlimited),
    };
    Template {
        connections,
        leaf_nodes,
        exports,
        imports,
        roles: roles(prefix, version),
    }
}

/// What a version says of every role.
fn roles(prefix: &Prefix, version: TemplateVersion) -> Vec<(Role, Scope)> {
    let of = |role| (role, roles::role(prefix, version, role));
    Role::ALL.into_iter().map(of).collect()
}

/// The version that new accounts stand on, and that others are upgraded to.
///
/// In a debug build `KEYLEDGER_TEMPLATE_VERSION` makes it an older one, for tests that need organisations made before.
#[must_use]
pub fn newest() -> TemplateVersion {
    #[cfg(debug_assertions)]
    if let Some(version) = std::env::var("KEYLEDGER_TEMPLATE_VERSION")
        .ok()
        .and_then(|number| TemplateVersion::of(number.parse().ok()?))
    {
        return version;
    }
    TemplateVersion::NEWEST
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
