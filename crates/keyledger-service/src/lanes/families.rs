//! The families of requests, and what each may take. Every number stands in docs/src/reference/limits.md.

use std::{sync::Arc, time::Duration};

use keyledger_domain::verb::Urgency;

use super::{Lane, Limits};

const MIB: usize = 1_024 * 1_024;
/// How long a request waits for its turn: as long as a client waits for its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same of what takes seconds each.
const LONG_PATIENCE: Duration = Duration::from_secs(20);

/// What a request is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// It takes trust away: first everywhere.
    Revocation,
    /// Any other command.
    Command,
    /// A report of an agent.
    Report,
    /// A question that memory answers: it takes a processor.
    Question,
    /// A question for which the store is read.
    Reading,
    /// A question about a past moment, for which the whole ledger is folded anew.
    Past,
}

impl Family {
    /// The family of a command. Only people may send what takes trust away, so that no program can flood it.
    pub(crate) const fn of_command(urgency: Urgency) -> Self {
        match urgency {
            Urgency::TakesTrustAway => Self::Revocation,
            Urgency::Usual => Self::Command,
        }
    }
}

/// A lane for each family, and one for what is slow within commands.
#[derive(Debug)]
pub(crate) struct Families {
    revocations: Arc<Lane>,
    commands: Arc<Lane>,
    reports: Arc<Lane>,
    questions: Arc<Lane>,
    readings: Arc<Lane>,
    past: Arc<Lane>,
    /// RSA keys to be made.
    pub(crate) slow: Arc<Lane>,
}

impl Families {
    /// The lanes of an instance on a machine with so many cores.
    pub(crate) fn new(cores: usize) -> Self {
        // All cores but one make keys, so that everything else goes on meanwhile.
        let spare = cores.saturating_sub(1).max(1);
        // A group of 1,024 commands is what the store writes fastest; no more of one sender go before the others'.
        let commands = limits([4_096, 1_024], [4_096, 1_024], [32 * MIB, 8 * MIB]);
        // A crowd of agents, each with a report a task and a few announcements.
        let reports = limits([1_024, 16], [4_096, 64], [32 * MIB, MIB]);
        let revocations = limits([512, 128], [4_096, 1_024], [16 * MIB, 4 * MIB]);
        // They take a processor each: more at once only make all slower.
        let of_one = cores.div_ceil(2);
        let questions = limits([cores, of_one], [1_024, 128], [8 * MIB, MIB]);
        // A page of the store's is up to a few MiB in memory.
        let readings = limits([8, 2], [256, 32], [8 * MIB, MIB]);
        // Each holds a ledger of its own in memory.
        let past = limits([1, 1], [8, 2], [MIB, MIB]);
        let slow = limits([spare, spare], [32, 4], [MIB, MIB]);
        Self {
            revocations: Lane::new("revocations", revocations, PATIENCE),
            commands: Lane::new("commands", commands, PATIENCE),
            reports: Lane::new("reports", reports, PATIENCE),
            questions: Lane::new("queries", questions, PATIENCE),
            readings: Lane::new("queries that read stored events", readings, PATIENCE),
            past: Lane::new("queries about past moments", past, LONG_PATIENCE),
            slow: Lane::new("RSA keys to be made", slow, LONG_PATIENCE),
        }
    }

    /// How many requests are worked on or wait, by lane.
    pub(crate) fn ahead(&self) -> [(&'static str, usize); 7] {
        [
            ("revocations", &self.revocations),
            ("commands", &self.commands),
            ("reports", &self.reports),
            ("questions", &self.questions),
            ("readings", &self.readings),
            ("past", &self.past),
            ("rsa_keys", &self.slow),
        ]
        .map(|(lane, requests)| (lane, requests.ahead()))
    }

    /// The lane of a family.
    pub(crate) const fn lane(&self, family: Family) -> &Arc<Lane> {
        match family {
            Family::Revocation => &self.revocations,
            Family::Command => &self.commands,
            Family::Report => &self.reports,
            Family::Question => &self.questions,
            Family::Reading => &self.readings,
            Family::Past => &self.past,
        }
    }
}

/// Of all and of one each: at once, waiting, in bytes.
const fn limits(at_once: [usize; 2], waiting: [usize; 2], bytes: [usize; 2]) -> Limits {
    Limits {
        at_once: at_once[0],
        at_once_of_one: at_once[1],
        waiting: waiting[0],
        waiting_of_one: waiting[1],
        bytes: bytes[0],
        bytes_of_one: bytes[1],
    }
}

#[cfg(test)]
mod tests {
    use keyledger_domain::{Command, Role};

    use super::*;

    #[test]
    fn what_revokes_is_a_command_and_no_programs() {
        let first =
            Command::verbs().filter(|row| Family::of_command(row.urgency) == Family::Revocation);
        let mut named = Vec::new();
        for row in first {
            let name = format!("{}.{}", row.aggregate, row.verb);
            assert!(
                !row.senders.include(Role::Service),
                "{name}: a program could flood it"
            );
            named.push(name);
        }
        let expected = [
            "key.revoke",
            "key.destroy",
            "principal.offboard",
            "user.revoke",
            "token.lose",
        ];
        assert_eq!(named, expected);
    }

    #[test]
    fn what_revokes_is_let_in_while_everything_else_is_full() {
        use crate::lanes::{Entry, SenderId};
        let families = Families::new(2);
        let others = [
            Family::Command,
            Family::Report,
            Family::Question,
            Family::Reading,
            Family::Past,
        ];
        let mut held = Vec::new();
        for family in others {
            // As many senders as it takes, each with all that it is given.
            for sender in 0..10_000 {
                let sender: SenderId = format!("U{sender}").into();
                let before = held.len();
                while let entry @ (Entry::Now(_) | Entry::Waits(_)) =
                    families.lane(family).enter(&sender, 300)
                {
                    held.push(entry);
                }
                if held.len() == before {
                    break;
                }
            }
            let new: SenderId = "new".into();
            let entry = families.lane(family).enter(&new, 300);
            assert!(matches!(entry, Entry::Busy(_)), "{family:?}");
        }
        let administrator: SenderId = "administrator".into();
        let entry = families.lane(Family::Revocation).enter(&administrator, 300);
        assert!(matches!(entry, Entry::Now(_)));
    }
}
