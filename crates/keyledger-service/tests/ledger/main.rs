//! Whatever offline verification refuses, a start refuses, with a snapshot and without, and a running instance too.

#![allow(clippy::unwrap_used)] // its helpers are tests too

mod refused;
mod running;
mod support;
mod unsigned;
mod witnesses;
