//! How fast one sender may make the ledger longer, which never forgets anything. Each instance counts for itself.
//!
//! An agent's announcements count; the number of its other reports is limited by the steps of its tasks. A user's commands count if they
//! wrote something. Revocations do not count, and neither do administrators, who would have to repair what others filled.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use keyledger_domain::Role;
use parking_lot::Mutex;

use crate::{lanes::Family, refused::Refused};

/// Changed announcements that an agent may send at once.
const BURST: NonZeroU32 = NonZeroU32::new(120).unwrap();
/// Changed announcements an hour on average: as if somebody plugged in another token every six seconds all day.
const PER_HOUR: NonZeroU32 = NonZeroU32::new(600).unwrap();
/// The part of an hour's allowance that a user may use at once.
const AT_ONCE: f64 = 0.25;
/// What an event has beside the payload of its command: who, when, links, signature.
const EVENT_BYTES: usize = 1_024;

/// What one user who is no administrator may add to the ledger, in each instance. A quarter of it at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserAllowance {
    /// Commands that write something.
    pub commands_per_hour: u32,
    /// KiB of their payloads, and one for each.
    pub kib_per_hour: u32,
}

impl Default for UserAllowance {
    /// A command a second, and what those write at 1 KiB each with some to spare: 96 MiB a day.
    fn default() -> Self {
        Self {
            commands_per_hour: 3_600,
            kib_per_hour: 4_096,
        }
    }
}

/// What each agent and each user has left, by nkey.
pub(crate) struct Allowance {
    agents: DefaultKeyedRateLimiter<Box<str>>,
    of_each_user: UserAllowance,
    users: Mutex<HashMap<Box<str>, Left>>,
}

/// What a user has left. It is negative if more commands were carried out at once than were left.
#[derive(Debug, Clone, Copy)]
struct Left {
    commands: f64,
    bytes: f64,
    at: Instant,
}

impl UserAllowance {
    fn commands_per_second(self) -> f64 {
        f64::from(self.commands_per_hour) / 3_600.0
    }

    fn bytes_per_second(self) -> f64 {
        f64::from(self.kib_per_hour) * 1_024.0 / 3_600.0
    }

    /// All that a user may use at once. One command always fits.
    fn full(self, at: Instant) -> Left {
        let seconds = 3_600.0 * AT_ONCE;
        Left {
            commands: (self.commands_per_second() * seconds).max(1.0),
            bytes: (self.bytes_per_second() * seconds).max(1.0),
            at,
        }
    }

    /// What is left at a later moment.
    fn later(self, left: Left, at: Instant) -> Left {
        let seconds = at.saturating_duration_since(left.at).as_secs_f64();
        let full = self.full(at);
        Left {
            commands: full
                .commands
                .min(left.commands + seconds * self.commands_per_second()),
            bytes: full
                .bytes
                .min(left.bytes + seconds * self.bytes_per_second()),
            at,
        }
    }

    /// How long until the next command is taken; nothing if it is taken now.
    fn wait(self, left: Left) -> Option<Duration> {
        // Rounding may leave the sum a little below 1.
        let commands = (0.999 - left.commands) / self.commands_per_second();
        // Any rest above 0 is enough: what the command writes is known only when it is done.
        let bytes = (1.0 - left.bytes) / self.bytes_per_second();
        let seconds = commands.max(bytes);
        (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }
}

impl Allowance {
    /// With so much for each user.
    pub(crate) fn new(of_each_user: UserAllowance) -> Self {
        Self {
            agents: RateLimiter::keyed(Quota::per_hour(PER_HOUR).allow_burst(BURST)),
            of_each_user,
            users: Mutex::default(),
        }
    }

    /// Takes one announcement off what the agent has left.
    pub(crate) fn take(&self, agent: &str) -> Result<(), Refused> {
        self.agents
            .check_key(&agent.into())
            .map_err(|not_until| Refused::Later {
                reason: "too_many_reports",
                said: format!("what it announces changed more than {PER_HOUR} times an hour"),
                retry_after: not_until.wait_time_from(DefaultClock::default().now()),
                has_waited: false,
            })
    }

    /// Whether a user may make the ledger longer now.
    pub(crate) fn check(&self, user: &str, now: Instant) -> Result<(), Refused> {
        let of_each = self.of_each_user;
        let left = self.users.lock().get(user).copied();
        let wait = left.and_then(|left| of_each.wait(of_each.later(left, now)));
        wait.map_or(Ok(()), |retry_after| {
            let UserAllowance {
                commands_per_hour,
                kib_per_hour,
            } = of_each;
            Err(Refused::Later {
                reason: "allowance_used",
                said: format!(
                    "this user has used its allowance: {commands_per_hour} commands and {kib_per_hour} KiB an hour; the next \
                     is taken in {} s",
                    retry_after.as_secs() + 1
                ),
                retry_after,
                has_waited: false,
            })
        })
    }

    /// Takes what was written off what the user has left.
    pub(crate) fn wrote(&self, user: &str, payload_bytes: usize, now: Instant) {
        let of_each = self.of_each_user;
        let mut users = self.users.lock();
        let left = users
            .entry(user.into())
            .or_insert_with(|| of_each.full(now));
        *left = of_each.later(*left, now);
        left.commands -= 1.0;
        left.bytes -= (payload_bytes + EVENT_BYTES) as f64;
    }

    /// True of commands that count.
    pub(crate) const fn counts(role: Role, family: Family) -> bool {
        match (role, family) {
            (Role::Administrator, _) | (_, Family::Revocation) => false,
            (
                Role::Approver | Role::Auditor | Role::Service | Role::Agent,
                Family::Command
                | Family::Report
                | Family::Question
                | Family::Reading
                | Family::Past,
            ) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: UserAllowance = UserAllowance {
        commands_per_hour: 40,
        kib_per_hour: 400,
    };

    /// How many commands of so many bytes are taken at one moment.
    fn taken(allowance: &Allowance, user: &str, bytes: usize, now: Instant) -> usize {
        let mut taken = 0;
        while allowance.check(user, now).is_ok() && taken < 1_000 {
            allowance.wrote(user, bytes, now);
            taken += 1;
        }
        taken
    }

    #[test]
    fn an_agent_that_announces_without_end_is_held_up_and_no_other() {
        let allowance = Allowance::new(UserAllowance::default());
        let taken = (0..1_000).filter(|_| allowance.take("UA").is_ok()).count();
        assert!((120..140).contains(&taken), "{taken}");
        assert!(allowance.take("UB").is_ok());
    }

    #[test]
    fn a_user_has_a_quarter_of_an_hours_commands_at_once_and_then_an_hours_in_an_hour() {
        let allowance = Allowance::new(SMALL);
        let start = Instant::now();
        assert_eq!(taken(&allowance, "UA", 0, start), 10);
        assert_eq!(taken(&allowance, "UB", 0, start), 10, "each has its own");
        let Err(Refused::Later { retry_after, .. }) = allowance.check("UA", start) else {
            panic!("it has none left");
        };
        assert_eq!(retry_after.as_secs(), 89, "{retry_after:?}");
        let just_before = start + retry_after - Duration::from_millis(1);
        assert!(allowance.check("UA", just_before).is_err());
        let mut hour = 0;
        for second in (1..=3_600).map(Duration::from_secs) {
            hour += taken(&allowance, "UA", 0, start + second);
        }
        assert!((39..=40).contains(&hour), "{hour}");
    }

    #[test]
    fn a_user_has_a_quarter_of_an_hours_bytes_at_once() {
        let allowance = Allowance::new(SMALL);
        let start = Instant::now();
        // 100 KiB: the fourth of 31 KiB and one begins within it.
        assert_eq!(taken(&allowance, "UA", 31 * 1_024, start), 4);
        // They came at once: what is used in advance is waited for.
        for _ in 0..8 {
            allowance.wrote("UB", 63 * 1_024, start);
        }
        let later = start + Duration::from_secs(3_600);
        assert!(allowance.check("UB", later).is_err());
        let later = later + Duration::from_secs(120);
        assert!(allowance.check("UB", later).is_ok());
    }

    #[test]
    fn what_revokes_and_what_administrators_do_is_never_counted() {
        for role in [
            Role::Administrator,
            Role::Approver,
            Role::Auditor,
            Role::Service,
        ] {
            assert!(!Allowance::counts(role, Family::Revocation), "{role}");
            let counted = role != Role::Administrator;
            assert_eq!(Allowance::counts(role, Family::Command), counted, "{role}");
        }
    }
}
