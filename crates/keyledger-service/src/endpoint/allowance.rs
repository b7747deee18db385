//! How often an agent may make the ledger longer by what it announces.
//!
//! Reports about a task are as many as the task has steps; announcements are as many as an agent likes, and the ledger never
//! forgets one. Counted by each instance for itself.

use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::reply::Refused;

/// Changed announcements that an agent may send at once.
const BURST: NonZeroU32 = NonZeroU32::new(120).unwrap();
/// And on average, in an hour: a desk at which somebody plugs in another token every six seconds all day.
const PER_HOUR: NonZeroU32 = NonZeroU32::new(600).unwrap();

/// What each agent has left, by nkey.
pub(crate) struct Allowance(DefaultKeyedRateLimiter<Box<str>>);

impl Default for Allowance {
    fn default() -> Self {
        Self(RateLimiter::keyed(
            Quota::per_hour(PER_HOUR).allow_burst(BURST),
        ))
    }
}

impl Allowance {
    /// Takes one announcement off what the agent has left.
    pub(super) fn take(&self, agent: &str) -> Result<(), Refused> {
        self.0.check_key(&agent.into()).map_err(|_| {
            let said = format!("what it announces changed more than {PER_HOUR} times an hour");
            Refused::Fault("too_many_reports", said)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_announces_without_end_is_held_up_and_no_other() {
        let allowance = Allowance::default();
        let taken = (0..1_000).filter(|_| allowance.take("UA").is_ok()).count();
        assert!((120..140).contains(&taken), "{taken}");
        assert!(allowance.take("UB").is_ok());
    }
}
