//! End to end: a real nats-server in operator mode, real JWTs, real messages.

mod credentials;
mod forgery;
mod life;
mod limits;
mod world;
