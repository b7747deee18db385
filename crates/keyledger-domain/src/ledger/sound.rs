//! Whether a public key is sound: who bears it, and whether it was compromised under one of their names.

use super::{Ledger, Reader};
use crate::{
    group::Fingerprint,
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
};

impl Ledger {
    /// The keys and users under whose names a public key came into the ledger, the first first.
    pub fn bearers(&self, public: Fingerprint) -> impl Iterator<Item = &HistoryId> {
        let others = self.bearers.others.get(&public).into_iter().flatten();
        self.bearers.first.get(&public).into_iter().chain(others)
    }

    /// The key under whose name a public key was compromised, if it ever was.
    #[must_use]
    pub fn compromised(&self, public: Fingerprint) -> Option<&Name> {
        let mut bearers = self.bearers(public);
        let found = bearers.find(|bearer| self.is_compromised(bearer));
        found.map(|bearer| &bearer.name)
    }

    fn is_compromised(&self, bearer: &HistoryId) -> bool {
        let key = (bearer.aggregate == Aggregate::Key).then(|| self.key(&bearer.name));
        key.flatten()
            .is_some_and(|key| key.state.state.is_compromised())
    }

    /// Who else bears a public key of this key or user.
    #[must_use]
    pub fn namesakes(&self, history: &HistoryId) -> Vec<&HistoryId> {
        let mut found: Vec<&HistoryId> = self
            .states
            .public_keys(history)
            .into_iter()
            .flat_map(|public| self.bearers(public))
            .filter(|bearer| *bearer != history)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl<'a> Reader<'a> {
    /// The key under whose name a public key was compromised, if it ever was.
    pub(crate) fn compromised(&self, public: Fingerprint) -> Option<&'a Name> {
        let keys = self.bearers(public).into_iter();
        let mut keys = keys.filter(|bearer| bearer.aggregate == Aggregate::Key);
        let is_compromised = |name: &Name| {
            let key = self.key(name);
            key.is_some_and(|key| key.state.state.is_compromised())
        };
        keys.find(|key| is_compromised(&key.name))
            .map(|key| &key.name)
    }

    /// Refuses a public key that was compromised under any name.
    pub(crate) fn check_sound(
        &self,
        field: &str,
        public: Option<Fingerprint>,
    ) -> Result<(), Rejection> {
        match public.and_then(|public| self.compromised(public)) {
            None => Ok(()),
            Some(key) => Err(refused(field, key)),
        }
    }

    /// Refuses a key one of whose public keys was compromised under another name.
    ///
    /// It is compromised itself then: what compromises a key compromises all that bear its public key, in one decision. So as long as it is
    /// not, nobody else is looked at.
    pub(crate) fn check_key_sound(&self, name: &Name) -> Result<(), Rejection> {
        let is_compromised = |key: &Name| {
            let key = self.key(key);
            key.is_some_and(|key| key.state.state.is_compromised())
        };
        if !is_compromised(name) {
            return Ok(());
        }
        let mut keys = self.namesakes(name).into_iter();
        match keys.find(|it| it.aggregate == Aggregate::Key && is_compromised(&it.name)) {
            None => Ok(()),
            Some(key) => Err(refused("name", &key.name)),
        }
    }

    /// A public key that comes from outside: sound, and none that NATS trust or the ledger itself stands on.
    pub(crate) fn check_newcomer(&self, public: Option<Fingerprint>) -> Result<(), Rejection> {
        self.check_sound("public_key", public)?;
        let Some(public) = public else { return Ok(()) };
        let mut bearers = self.bearers(public).into_iter();
        // Revoked under another name it would be compromised under its own.
        match bearers.find(|b| b.aggregate == Aggregate::Key && !self.ends(&b.name)) {
            None => Ok(()),
            Some(key) => Err(Rejection::BadValue {
                field: "public_key",
                fault: format!(
                    "it is {key}'s, which NATS trust or the ledger stands on: make a new key pair"
                ),
            }),
        }
    }
}

fn refused(field: &str, key: &Name) -> Rejection {
    Rejection::Compromised {
        field: field.to_owned(),
        fault: format!(
            "this public key was compromised as key {key}: whatever it is called, make a new key pair"
        ),
    }
}
