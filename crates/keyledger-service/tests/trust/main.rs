//! NATS trust on real servers: what `init` makes is what nats-server, `nats` and `nsc` take.

mod directory;
mod permissions;
mod resolver;
mod support;
