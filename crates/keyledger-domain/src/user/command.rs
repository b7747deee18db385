//! What can be asked of a user.

use crate::{
    command::{body, commands},
    name::{Aggregate, Name},
    stamp::Role,
    time::Timestamp,
};

commands! { Aggregate::User;
    /// Issue a NATS user: for a public nkey of your own, or with a generated one, sealed to your curve key
    "issue" => Issue,
    /// Revoke a NATS user: its connections are cut and it cannot connect again
    "revoke" => Revoke,
}

/// The longest that a user's JWT may live, in days: a service's in the key management plan.
pub const MAX_EXPIRES_DAYS: u16 = 365;
/// How long a user's JWT lives when nobody says: a person's in the key management plan.
pub const DEFAULT_EXPIRES_DAYS: u16 = 90;
/// The longest that a user's JWT may become, in bytes: a client sends it in one line, of which nats-server takes 4,096 bytes
/// unless its `max_control_line` says otherwise, and the rest of that line must fit too.
pub const MAX_JWT_BYTES: usize = 3_400;
/// The most keys, publish or subscribe subjects that a user may be given.
pub const MAX_GRANTS: usize = 64;

body! { optional reason;
    /// Issue a user.
    Issue {
        /// The account it belongs to.
        account: Name,
        /// Its public nkey (`U…`), if the requester made one; else give `seal_to`.
        nkey: Option<String>,
        /// The requester's public curve key (`X…`): the generated creds are sealed to it.
        seal_to: Option<String>,
        /// Its role, where the account imports this service.
        role: Option<Role>,
        /// The principal it stands for.
        principal: Option<Name>,
        /// Days until it expires, 1 to 365; 90 if absent.
        expires_days: Option<u16>,
        /// The moment at which it expires, a minute to 365 days from now. This, or `expires_days`.
        expires_at: Option<Timestamp>,
        /// Keys that a `service` may command besides its namesake; at most 64.
        keys: Option<Vec<Name>>,
        /// Subjects it may publish to, if it has no role; everything if absent; at most 64.
        publish: Option<Vec<String>>,
        /// Subjects it may subscribe to, if it has no role; everything if absent; at most 64.
        subscribe: Option<Vec<String>>,
    }
}

body! { required reason;
    /// Revoke a user.
    Revoke {}
}
