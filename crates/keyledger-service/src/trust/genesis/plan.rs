//! The users that the bootstrap issues.

use keyledger_domain::Role;
use keyledger_wire::Prefix;

use crate::trust::{
    names::{ADMIN, SERVICE, SYSTEM},
    templates::{self, Grants},
};

/// A user that the bootstrap issues.
pub(in crate::trust) struct UserPlan {
    pub(in crate::trust) name: &'static str,
    pub(in crate::trust) account: &'static str,
    pub(in crate::trust) role: Option<Role>,
    pub(in crate::trust) about: &'static str,
    /// What it may do, by its own public nkey; as its role says if absent.
    pub(in crate::trust) grants: Option<fn(&Prefix, &str) -> Grants>,
    pub(super) expires_days: Option<i64>,
}

pub(in crate::trust) const USERS: [UserPlan; 4] = [
    UserPlan {
        name: "service",
        account: SERVICE,
        role: None,
        about: "the running service",
        grants: Some(templates::service_grants),
        expires_days: None,
    },
    UserPlan {
        name: "setup",
        account: SERVICE,
        role: None,
        about: "makes streams and buckets",
        grants: Some(templates::setup_grants),
        expires_days: None,
    },
    UserPlan {
        name: "system",
        account: SYSTEM,
        role: None,
        about: "pushes account JWTs to the servers",
        grants: Some(|_, user| templates::system_grants(user)),
        expires_days: None,
    },
    UserPlan {
        name: "admin",
        account: ADMIN,
        role: Some(Role::Administrator),
        about: "the first administrator",
        grants: None,
        expires_days: Some(365),
    },
];
