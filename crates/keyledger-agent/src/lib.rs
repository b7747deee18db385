//! Keyledger's agent on a workstation: it carries out tasks on attached YubiKeys, and proves it.
//!
//! | module | what |
//! |---|---|
//! | [`card`] | the tokens on this machine, through PC/SC |
//! | [`cli`] | `run`, `status`, `tokens`, `enrol`, `unit` |
//! | [`config`], [`directories`] | the agent's settings, and where its files are |
//! | [`desk`] | what the walk of a task needs from outside the token: reports, a memory that survives, a person |
//! | [`hardware`] | the tokens and the walk, as the runtime wants them |
//! | [`identity`] | who the agent is: an nkey that signs and a curve key to which others seal |
//! | [`person`] | who chooses and types PINs, by pinentry or on a terminal |
//! | [`run`] | the agent at work: queue, walks, journal, delivery, status |
//! | [`stop`] | the end of a run, told to threads and to tasks alike |
//! | [`tokens`] | the seam to the hardware: what is plugged in, a task walked on it, a signature by it |
//! | [`walk`] | a task, walked from wherever the token stands |
//!
//! *Invariant:* an agent holds one NATS user, whose permissions reach its own tasks and its own reports; what a token shows
//! is the truth of where a task stands, never what the agent remembers.

pub mod card;
pub mod cli;
mod clock;
pub mod config;
pub mod desk;
pub mod directories;
mod exit;
pub mod hardware;
pub mod identity;
mod in_full;
mod output;
pub mod person;
pub mod run;
pub mod stop;
pub mod tokens;
pub mod walk;
