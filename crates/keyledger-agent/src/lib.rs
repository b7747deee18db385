//! Keyledger's agent on a workstation: it carries out tasks on attached YubiKeys, and proves it.
//!
//! | module | what |
//! |---|---|
//! | [`card`] | the tokens on this machine, through PC/SC |
//! | [`cli`] | `run`, `status`, `tokens`, `enrol`, `unit` |
//! | [`config`], [`directories`] | the agent's settings, and where its files are |
//! | [`desk`] | what a walk needs besides the token: reports, a memory that survives a crash, a person |
//! | [`hardware`] | fills the seam [`tokens`] with real tokens, through PC/SC |
//! | [`identity`] | who the agent is: an nkey that signs and a curve key to which others seal |
//! | [`person`] | who chooses and types PINs, by pinentry or on a terminal |
//! | [`run`] | the agent at work: queue, walks, journal, delivery, status |
//! | [`stop`] | the signal that ends a run, for threads and for async tasks |
//! | [`tokens`] | the seam to the hardware: what is plugged in, a task walked on it, a signature by it |
//! | [`walk`] | carries out a task, from whatever state the token is in |
//!
//! To *walk* a task is to carry it out step by step on a token, looking at the token before each step.
//!
//! *Invariant:* an agent holds one NATS user, whose permissions reach its own tasks and its own reports. How far a task has come is
//! read from the token, never from what the agent remembers.

pub mod card;
pub mod cli;
mod clock;
pub mod config;
pub mod desk;
pub mod directories;
mod exit;
pub mod hardware;
pub mod identity;
mod output;
pub mod person;
pub mod run;
pub mod stop;
pub mod tokens;
pub mod walk;
