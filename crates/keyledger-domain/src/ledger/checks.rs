//! What a command names besides its target: it must exist, be of the right kind, and still be there.

use super::{LEDGER_SIGNING_KEY, Ledger};
use crate::{
    key,
    name::{Aggregate, HistoryId, Name},
    principal,
    rejection::Rejection,
};

impl Ledger {
    pub(super) fn check_key(&self, name: &Name, command: &key::Command) -> Result<(), Rejection> {
        use key::Command as C;
        let (owner, parent) = match command {
            C::Generate(c) => (c.owner.as_ref(), c.parent.as_ref()),
            C::Register(c) => (c.owner.as_ref(), c.parent.as_ref()),
            C::Describe(c) => (c.owner.as_ref(), None),
            _ => (None, None),
        };
        if let Some(owner) = owner {
            self.check_acting(owner)?;
        }
        if let Some(parent) = parent {
            let id = HistoryId::new(Aggregate::Key, parent.clone());
            match self.key(parent).map(|e| e.state.state) {
                None => return Err(Rejection::NotFound(id)),
                Some(key::State::PreActive | key::State::Active | key::State::Suspended) => {}
                Some(_) => return Err(Rejection::Ended(id)),
            }
        }
        let kept = matches!(
            command,
            C::Describe(_) | C::Generate(_) | C::Register(_) | C::Rotate(_) | C::Schedule(_)
        );
        if name.as_str() == LEDGER_SIGNING_KEY && !kept {
            return Err(Rejection::InUse {
                what: HistoryId::new(Aggregate::Key, name.clone()),
                by: "the ledger: every event is signed with it; rotate it instead".to_owned(),
            });
        }
        let harmless = matches!(command, C::Describe(_) | C::Generate(_) | C::Register(_));
        if let (Some(by), false) = (self.trust_on(name), harmless) {
            return Err(Rejection::InUse {
                what: HistoryId::new(Aggregate::Key, name.clone()),
                by: format!(
                    "{by}: NATS trust stands on it, and its life is the {}'s",
                    by.aggregate
                ),
            });
        }
        Ok(())
    }

    pub(super) fn check_principal(
        &self,
        name: &Name,
        command: &principal::Command,
    ) -> Result<(), Rejection> {
        use principal::Command as C;
        let (unit, responsible) = match command {
            C::Register(c) => (c.unit.as_ref(), c.responsible.as_ref()),
            C::Describe(c) => (c.unit.as_ref(), c.responsible.as_ref()),
            C::Offboard(_) => (None, None),
        };
        for (field, other, kind) in [
            ("unit", unit, principal::Kind::Unit),
            ("responsible", responsible, principal::Kind::Person),
        ] {
            let Some(other) = other else { continue };
            let entry = self.check_acting(other)?;
            if entry != kind {
                let fault = format!("{other} is a {}, not a {}", entry.as_str(), kind.as_str());
                return Err(Rejection::BadValue { field, fault });
            }
        }
        if unit.is_some_and(|unit| self.units_above(unit).any(|above| above == name)) {
            let fault = format!("{name} would belong to itself");
            return Err(Rejection::BadValue {
                field: "unit",
                fault,
            });
        }
        if matches!(command, C::Offboard(_)) {
            let what = || HistoryId::new(Aggregate::Principal, name.clone());
            let mut owned: Vec<_> = self
                .keys()
                .filter(|(_, k)| k.state.owner.as_ref() == Some(name))
                .filter(|(_, k)| {
                    use key::State as S;
                    matches!(k.state.state, S::PreActive | S::Active | S::Suspended)
                })
                .map(|(key, _)| key.as_str())
                .collect();
            if !owned.is_empty() {
                owned.sort_unstable();
                let count = owned.len();
                owned.truncate(5);
                let keys = if count == 1 { "key" } else { "keys" };
                let more = if count > 5 { ", …" } else { "" };
                return Err(Rejection::InUse {
                    what: what(),
                    by: format!(
                        "{count} {keys} it owns ({}{more}): give them to another with `describe`, or deactivate them",
                        owned.join(", ")
                    ),
                });
            }
        }
        Ok(())
    }

    /// `unit` and the units it belongs to, one within the other.
    fn units_above<'a>(&'a self, unit: &'a Name) -> impl Iterator<Item = &'a Name> {
        std::iter::successors(Some(unit), |name| self.principal(name)?.state.unit.as_ref())
            .take(self.principals.len() + 1)
    }

    /// The kind of a principal that exists and still acts.
    pub(super) fn check_acting(&self, name: &Name) -> Result<principal::Kind, Rejection> {
        let id = || HistoryId::new(Aggregate::Principal, name.clone());
        let entry = self
            .principal(name)
            .ok_or_else(|| Rejection::NotFound(id()))?;
        match entry.state.offboarded_at {
            None => Ok(entry.state.kind),
            Some(_) => Err(Rejection::Ended(id())),
        }
    }
}
