//! Keyledger's agent on a workstation: it carries out tasks on attached YubiKeys, and proves it.
//!
//! | module | what |
//! |---|---|
//! | [`card`] | the tokens on this machine, through PC/SC |
//! | [`desk`] | what the walk of a task needs from outside the token: reports, a memory that survives, a person |
//! | [`walk`] | a task, walked from wherever the token stands |
//!
//! *Invariant:* an agent holds one NATS user, whose permissions reach its own tasks and its own reports; what a token shows
//! is the truth of where a task stands, never what the agent remembers.

pub mod card;
pub mod desk;
pub mod walk;
