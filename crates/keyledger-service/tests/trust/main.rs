//! NATS trust on real servers: what `init` makes is what nats-server, `nats` and `nsc` take.
#![allow(
    clippy::unwrap_used,
    reason = "in a test an unwrap is an assertion, in its helpers too"
)]

mod chained;
mod directory;
mod enforced;
mod hello;
mod permissions;
mod resolver;
mod support;
mod watches;
