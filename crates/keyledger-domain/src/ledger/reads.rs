//! What a decision looks at besides the history it is for: it must still be so when its events are stored.

use super::{Fingerprint, Ledger};
use crate::{
    command::{Command, Target},
    key,
    name::{Aggregate, HistoryId, Name},
};

/// What a decision looks at besides the history it is for, and those that it writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reads {
    /// These histories, and nothing else.
    Histories(Vec<HistoryId>),
    /// Anything: indexes, or all that belong to something.
    Everything,
}

impl Reads {
    /// Looks at nothing else.
    pub const NOTHING: Self = Self::Histories(Vec::new());

    /// True if its own history is all that counts.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::NOTHING
    }
}

impl Ledger {
    /// What deciding a command looks at, as things stand: where it brings a public key, also those that bear it already.
    #[must_use]
    pub fn reads(&self, target: &Target, command: &Command) -> Reads {
        use key::Command as C;
        let mut histories = match command.reads() {
            Reads::Histories(histories) => histories,
            Reads::Everything => return Reads::Everything,
        };
        let public = match command {
            Command::Key(C::Register(c)) => Fingerprint::of_text(c.algorithm, &c.public_key),
            Command::Key(C::Rotate(c)) => {
                let algorithm = self.key(&target.name).map(|e| e.state.algorithm);
                let public = algorithm.zip(c.public_key.as_deref());
                public.and_then(|(algorithm, text)| Fingerprint::of_text(algorithm, text))
            }
            Command::Key(_)
            | Command::Principal(_)
            | Command::Operator(_)
            | Command::Account(_)
            | Command::User(_)
            | Command::Token(_)
            | Command::Report(_) => None,
        };
        let bearers = public.into_iter().flat_map(|public| self.bearers(public));
        histories.extend(bearers.filter(|bearer| *bearer != target).cloned());
        Reads::Histories(histories)
    }
}

impl Command {
    /// What deciding it looks at.
    #[must_use]
    pub fn reads(&self) -> Reads {
        use key::Command as C;
        let issuer_of = |wanted: &'_ Option<Box<key::Certification>>| {
            wanted.as_ref().and_then(|wanted| wanted.issuer.clone())
        };
        let (owner, parent, issuer) = match self {
            Self::Key(C::Generate(c)) => {
                (c.owner.as_ref(), c.parent.as_ref(), issuer_of(&c.certify))
            }
            // Every serial number of the issuer: whoever signed elsewhere chose this one.
            Self::Key(C::Install(_)) => return Reads::Everything,
            // Whoever else bears its public key is revoked with it.
            Self::Key(C::Revoke(c)) if c.revocation_reason.is_compromise() => {
                return Reads::Everything;
            }
            Self::Key(C::Register(c)) if c.install.is_some() => return Reads::Everything,
            Self::Key(C::Register(c)) => {
                (c.owner.as_ref(), c.parent.as_ref(), issuer_of(&c.certify))
            }
            Self::Key(C::Describe(c)) => (c.owner.as_ref(), None, None),
            Self::Key(C::Certify(c)) => (None, None, c.issuer.clone()),
            // A report writes to the histories of the token's own keys; whether its agent may still speak is asked when it is
            // decided.
            Self::Key(_) | Self::Report(_) => (None, None, None),
            // What a principal owns, whose an nkey is, who is the last administrator, where units lead to.
            Self::Principal(_)
            | Self::Operator(_)
            | Self::Account(_)
            | Self::User(_)
            | Self::Token(_) => {
                return Reads::Everything;
            }
        };
        let history = |aggregate| move |name: &Name| HistoryId::new(aggregate, name.clone());
        let owner = owner.map(history(Aggregate::Principal));
        let parent = parent.map(history(Aggregate::Key));
        let issuer = issuer.as_ref().map(history(Aggregate::Key));
        let issuer = issuer.filter(|issuer| Some(issuer) != parent.as_ref());
        Reads::Histories(owner.into_iter().chain(parent).chain(issuer).collect())
    }
}
