//! What is left to do when keys were revoked: lists to be published, certificates to be replaced.

use std::collections::BTreeSet;

use super::Ledger;
use crate::{
    key::{Certified, State},
    name::Name,
    time::Timestamp,
};

impl Ledger {
    /// What the sender of a command that revoked `keys` does next: one sentence a list, and what an authority leaves behind.
    pub(crate) fn after_revocation<'a>(
        &'a self,
        keys: impl IntoIterator<Item = &'a Name>,
        at: Timestamp,
    ) -> Vec<String> {
        let (mut issuers, mut said) = (BTreeSet::new(), Vec::new());
        for name in keys {
            let Some(key) = self.key(name).map(|entry| &entry.state) else {
                continue;
            };
            let is_open = |c: &&Certified| c.not_after > at && key.revocation_of(c).is_none();
            let open: Vec<_> = key.certificates().filter(is_open).collect();
            issuers.extend(open.iter().map(|c| &c.issuer).filter(|it| *it != name));
            if open.iter().any(|c| c.issuer == *name) && key.is_authority() {
                said.push(format!(
                    "{name} is a root, and no list names it: take its certificate out of wherever it is trusted"
                ));
            }
            let below = if key.state.is_compromised() {
                self.stranded(name, at).len()
            } else {
                0
            };
            if below > 0 {
                said.push(format!(
                    "keys with certificates below {name}, to be certified anew by another authority: {below} \
                     (`keyledger ca certificates {name}` lists what it issued)"
                ));
            }
        }
        let lists = issuers
            .into_iter()
            .filter_map(|issuer| self.to_publish(issuer));
        lists.chain(said).collect()
    }

    /// How the list of an authority is published anew; nothing of one whose list proves nothing.
    fn to_publish(&self, issuer: &Name) -> Option<String> {
        let key = &self.key(issuer)?.state;
        let how = match key.custodian.is_here() {
            true => "",
            false => " --request crl.request",
        };
        (!key.state.is_compromised())
            .then(|| format!("publish the list of {issuer} anew: `keyledger ca crl {issuer}{how}`"))
    }

    /// The keys that go on, and whose newest certificate stands below a compromised authority: it proves nothing.
    #[must_use]
    pub fn worthlessly_certified(&self, at: Timestamp) -> BTreeSet<&Name> {
        let compromised = self
            .authorities()
            .filter(|(_, authority)| authority.state.state.is_compromised());
        compromised
            .flat_map(|(name, _)| self.stranded(name, at))
            .collect()
    }

    /// The keys that go on, and whose newest certificate was issued by `authority` or by one below it.
    fn stranded<'a>(&'a self, authority: &'a Name, at: Timestamp) -> BTreeSet<&'a Name> {
        let (mut found, mut open) = (BTreeSet::new(), vec![authority]);
        while let Some(authority) = open.pop() {
            for (name, key, certified) in self.issued(authority) {
                let goes_on = matches!(
                    key.state,
                    State::PreActive | State::Active | State::Suspended
                );
                let is_newest = key.certificates().next_back() == Some(certified);
                let holds = certified.not_after > at && key.revocation_of(certified).is_none();
                if goes_on && is_newest && holds && found.insert(name) && certified.authority {
                    open.push(name);
                }
            }
        }
        found
    }
}
