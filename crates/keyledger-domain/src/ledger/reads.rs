//! What a decision looks at besides the history it is for: it must still be so when its events are stored.

use crate::{
    command::Command,
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

impl Command {
    /// What deciding it looks at.
    #[must_use]
    pub fn reads(&self) -> Reads {
        use key::Command as C;
        let (owner, parent) = match self {
            Self::Key(C::Generate(c)) => (c.owner.as_ref(), c.parent.as_ref()),
            Self::Key(C::Register(c)) => (c.owner.as_ref(), c.parent.as_ref()),
            Self::Key(C::Describe(c)) => (c.owner.as_ref(), None),
            Self::Key(C::Certify(c)) => (None, c.issuer.as_ref()),
            // Every serial number that there is: whoever signed elsewhere chose this one.
            Self::Key(C::Install(_)) => return Reads::Everything,
            // A report writes to the histories of the token's own keys; whether its agent may still speak is asked when it is
            // decided.
            Self::Key(_) | Self::Report(_) => (None, None),
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
        Reads::Histories(owner.into_iter().chain(parent).collect())
    }
}
