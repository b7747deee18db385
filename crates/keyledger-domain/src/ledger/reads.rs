//! What a decision looks at besides the history it is for: it must still be so when its events are stored.

use super::{Fingerprint, Ledger};
use crate::{
    command::Target,
    name::{Aggregate, HistoryId, Name},
    verb::Binds,
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

    /// One other history.
    pub(crate) fn of(aggregate: Aggregate, name: &Name) -> Self {
        Self::Histories(vec![HistoryId::new(aggregate, name.clone())])
    }

    /// True if its own history is all that counts.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::NOTHING
    }

    /// What a key is bound to, and who signs the certificate over it.
    pub(crate) fn of_bound(binds: &Binds<'_>, issuer: Option<&Name>) -> Self {
        let history = |aggregate| move |name: &Name| HistoryId::new(aggregate, name.clone());
        let owner = binds.owner.map(history(Aggregate::Principal));
        let parent = binds.parent.map(history(Aggregate::Key));
        let issuer = issuer.map(history(Aggregate::Key));
        let issuer = issuer.filter(|issuer| Some(issuer) != parent.as_ref());
        Self::Histories(owner.into_iter().chain(parent).chain(issuer).collect())
    }
}

impl Ledger {
    /// These, and where a command brings a public key, those that bear it already.
    pub(crate) fn reads_of_bearers(
        &self,
        reads: Reads,
        public: Option<Fingerprint>,
        target: &Target,
    ) -> Reads {
        match reads {
            Reads::Everything => Reads::Everything,
            Reads::Histories(mut histories) => {
                let bearers = public.into_iter().flat_map(|public| self.bearers(public));
                histories.extend(bearers.filter(|bearer| *bearer != target).cloned());
                Reads::Histories(histories)
            }
        }
    }
}
