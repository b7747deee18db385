//! An agent's report, as what the ledger is asked to take in.

use uuid::Uuid;

use super::{self as token, Report, ReportFacts};
use crate::{
    event::Event,
    ledger::{Deciding, Decision},
    name::Aggregate,
    record::{Record, Why},
    rejection::Rejection,
    senders::Senders,
    stamp::Stamp,
    verb::{Nothing, Payload, Urgency, Verb},
};

/// What an agent reports of a token, with whose subject it came on.
#[derive(Debug, Clone, PartialEq)]
pub struct Reported {
    /// The agent's public nkey, which its subject pins.
    pub agent: Box<str>,
    /// The task it is about; none of an announcement.
    pub task: Option<Uuid>,
    /// What it says.
    pub report: Report,
}

impl Payload for Reported {
    const AGGREGATE: Aggregate = Aggregate::Token;
    const VERB: &'static str = "report";
    const ABOUT: &'static str = "Report what a token shows, or how far a task has come";

    fn why(&self) -> Why {
        Why::default()
    }
}

impl Verb for Reported {
    type Made = Option<Box<ReportFacts>>;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Agents;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, made: &Self::Made) -> Result<Decision, Rejection> {
        on.report(self, made.as_deref())
    }

    fn wrote(&self, first: &Event) -> bool {
        self.has_written(first)
    }

    /// It must be of the same agent, task and kind.
    fn is_retry_of(&self, first: &Record, sender: &Stamp) -> bool {
        first.principal.user == sender.user && self.wrote(&first.event)
    }
}

impl Reported {
    /// True if this report, taken before, wrote `event`.
    fn has_written(&self, event: &Event) -> bool {
        use {Report as R, token::Event as E};
        let Event::Token(event) = event else {
            return false;
        };
        let of_task = event.task().is_some() && event.task() == self.task;
        match &self.report {
            R::Announced(shown) => {
                matches!(event, E::Announced(before) if before.shown == *shown)
            }
            R::Progressed(progress) => {
                of_task
                    && matches!(event, E::TaskProgressed(before) if before.step == progress.step)
            }
            R::AttesterShown(_) => false,
            R::SecretsSealed(_) => of_task && matches!(event, E::SecretsEscrowed(_)),
            R::SecretsWanted(wanted) => {
                of_task
                    && matches!(event, E::SecretsReleased(before) if before.seal_to == wanted.seal_to)
            }
            R::EscrowWanted(wanted) => {
                let released = matches!(event, E::EscrowedKeyReleased(before) if before.seal_to == wanted.seal_to);
                of_task && (released || matches!(event, E::Quarantined(_)))
            }
            R::KeysMade(_) => of_task && matches!(event, E::KeysMade(_) | E::Quarantined(_)),
            R::Proved(_) => {
                of_task
                    && matches!(
                        event,
                        E::Provisioned(_)
                            | E::Verified(_)
                            | E::WasReset(_)
                            | E::Unblocked(_)
                            | E::SecretsRotated(_)
                            | E::Quarantined(_)
                    )
            }
            R::Failed(_) => of_task && matches!(event, E::TaskFailed(_)),
        }
    }
}
