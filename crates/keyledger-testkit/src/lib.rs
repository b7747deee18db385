//! For Keyledger's tests only: specs, conformance suites, a nats-server harness, virtual tokens.
//!
//! The harness runs real programs and never a stand-in:
//!
//! - [`NatsServer`] and [`Cluster`] start nats-server on loopback, kill it with `-9` and start it again over the same
//!   data; [`Config`] says with what, in operator mode with the files of `nats-config/`; a [`Proxy`] cuts connections;
//! - [`Nats`] runs the `nats` CLI away from the user's home;
//! - [`token::VirtualTokens`] starts virtual YubiKeys behind the real pcscd, plugs them in, pulls them out, touches them;
//! - [`Process`] guards any other program, [`run`] takes one to its end;
//! - [`custodian`] holds a custodian of keys to its promises;
//! - [`ledger`] makes a small ledger without any program, and every broken one;
//! - [`check_named_commands`] looks up the commands that texts name, and [`files_below`] finds the texts;
//! - [`tools`] finds the programs, or fails the test with how to get them.
//!
//! Everything here fails by panicking, with the logs that explain it: a test has nobody to return an error to.

mod cluster;
mod config;
pub mod custodian;
pub mod ledger;
mod named;
mod nats;
mod ports;
mod process;
mod proxy;
mod server;
pub mod token;
pub mod tools;
mod watchdog;

pub use cluster::Cluster;
pub use config::{CLUSTER_CONF, Config, KEYLEDGER_CONF};
pub use named::{check_named_commands, files_below};
pub use nats::Nats;
pub use ports::FreePort;
pub use process::{PATIENCE, Process, Run, run};
pub use proxy::Proxy;
pub use server::NatsServer;
