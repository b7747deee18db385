//! End to end: a real nats-server in operator mode, real JWTs, real messages.
#![allow(clippy::unwrap_used)] // a test has nobody to return an error to

mod agents;
mod authority;
mod certificates;
mod cluster;
mod crash;
mod credentials;
mod durability;
mod foreign;
mod forgery;
mod full;
mod heard;
mod hostile;
mod instances;
mod judges;
mod life;
mod limits;
mod load;
mod metrics;
mod partition;
mod races;
mod raw;
mod rollback;
mod rules;
mod tamper;
mod time;
mod tls;
mod tokens;
mod upgrade;
mod vault;
mod views;
mod world;
