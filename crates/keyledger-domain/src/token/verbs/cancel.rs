//! `token.cancel`.

use super::OfToken;
use crate::{
    command::body,
    event::Event,
    ledger::{Deciding, Decision},
    rejection::Rejection,
    senders::Senders,
    token::{self, TaskEnded},
    verb::{Nothing, Urgency, Verb},
};

body! { Token "cancel", required reason;
    /// Cancel a token's open task
    Cancel {}
}

impl Verb for Cancel {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        let token = on.token()?;
        let Some(task) = &token.task else {
            return Err(Self::refused(on.name(), token, "it has no open task"));
        };
        let mut decision = on.writes([token::Event::TaskCancelled(TaskEnded {
            task: task.filed.task,
        })]);
        on.ledger.end_too_early(token, None, on.now, &mut decision);
        Ok(decision)
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Token(token::Event::TaskCancelled(_)))
    }
}
