//! `token.provision`.

use crate::{
    address::EmailAddress,
    command::body,
    event::Event,
    ledger::{Deciding, Decision},
    name::Name,
    rejection::Rejection,
    senders::Senders,
    token::{FilesTask, Profile, TaskKind, TaskMade, ToProvision},
    verb::{Nothing, Urgency, Verb},
};

body! { Token "provision", optional reason;
    /// Provision a token: files a task for a workstation's agent, which resets it, makes its keys and proves it
    Provision {
        /// The workstation it is plugged into: the name of its agent's user.
        workstation: Name,
        /// What to put on it.
        profile: Profile,
        /// The key that certifies the keys of its slots; the only certified authority if absent.
        issuer: Option<Name>,
        /// The holder's e-mail address, for certificates.
        email: Option<EmailAddress>,
    }
}

impl Verb for Provision {
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

impl FilesTask for Provision {
    const KIND: TaskKind = TaskKind::Provision;

    fn workstation(&self) -> Option<&Name> {
        Some(&self.workstation)
    }

    fn provision(&self) -> Option<ToProvision<'_>> {
        Some(ToProvision {
            workstation: &self.workstation,
            profile: &self.profile,
            issuer: self.issuer.as_ref(),
            email: self.email.as_ref(),
        })
    }
}
