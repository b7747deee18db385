//! `token.rotate-secrets`.

use crate::{
    command::body,
    event::Event,
    ledger::{Deciding, Decision},
    name::Name,
    rejection::Rejection,
    senders::Senders,
    token::{FilesTask, TaskKind, TaskMade},
    verb::{Nothing, Urgency, Verb},
};

body! { Token "rotate-secrets", optional reason;
    /// Give a token a new PUK and a new management key: files a task
    RotateSecrets {
        /// The workstation it is plugged into; the one where it was last proved if absent.
        workstation: Option<Name>,
    }
}

impl Verb for RotateSecrets {
    type Made = Option<TaskMade>;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, made: &Option<TaskMade>) -> Result<Decision, Rejection> {
        on.file_task(self, made.as_ref())
    }

    fn wrote(&self, first: &Event) -> bool {
        Self::filed(first)
    }
}

impl FilesTask for RotateSecrets {
    const KIND: TaskKind = TaskKind::RotateSecrets;

    fn workstation(&self) -> Option<&Name> {
        self.workstation.as_ref()
    }
}
