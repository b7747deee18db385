//! What a user may be given at the most.

/// The longest that a user's JWT may live, in days: a service's in the key management plan.
pub const MAX_EXPIRES_DAYS: u16 = 365;
/// How long a user's JWT lives when nobody says: a person's in the key management plan.
pub const DEFAULT_EXPIRES_DAYS: u16 = 90;
/// The longest that a user's JWT may become, in bytes: a client sends it in one line, of which nats-server takes 4,096 bytes
/// unless its `max_control_line` says otherwise, and the rest of that line must fit too.
pub const MAX_JWT_BYTES: usize = 3_400;
/// The most keys, publish or subscribe subjects that a user may be given.
pub const MAX_GRANTS: usize = 64;
