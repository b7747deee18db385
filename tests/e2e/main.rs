//! End to end: a real nats-server in operator mode, real JWTs, real messages.

mod credentials;
mod life;
mod world;
