//! What a command names besides its target: it must exist, be of the right kind, and still be there.

use super::{Fingerprint, LEDGER_SIGNING_KEY, Ledger};
use crate::{
    account::Purpose,
    key,
    name::{Aggregate, HistoryId, Name},
    principal,
    rejection::Rejection,
    stamp::Role,
    time::Timestamp,
    token::Phase,
    user::User,
};

/// What the names of keys behind NATS trust begin with: nobody else may take one first.
const RESERVED: [&str; 2] = ["nats-account-", "nats-operator"];

/// An administrator that ends within so many days does not count as one who can command when another is revoked: time enough
/// to notice, and to issue one that stays.
const ADMINISTRATOR_STAYS_DAYS: i64 = 1;

impl Ledger {
    /// True if the token that holds this key was proved to be what its profile says, and no task has begun to change that.
    fn is_on_trusted_token(&self, key: &Name) -> bool {
        let holder = self.maker_of(key);
        let holder = holder.filter(|token| token.keys.iter().any(|held| held.key == *key));
        holder.is_some_and(|token| match (token.phase, &token.task) {
            (Phase::Provisioned, _) => true,
            (Phase::Provisioning, Some(open)) => {
                open.before == Phase::Provisioned && !open.has_reset()
            }
            (Phase::Provisioning, None)
            | (
                Phase::Seen
                | Phase::Enrolled
                | Phase::Quarantined
                | Phase::Lost
                | Phase::Retired
                | Phase::Destroyed,
                _,
            ) => false,
        })
    }

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
        match command {
            C::Register(c) => {
                if self.key(name).is_none() {
                    self.check_newcomer(Fingerprint::of_text(c.algorithm, &c.public_key))?;
                }
            }
            C::Activate(_) | C::Resume(_) | C::Certify(_) | C::Install(_) => {
                self.check_key_sound(name)?;
            }
            C::Rotate(rotate) => {
                self.check_key_sound(name)?;
                if let (Some(key), Some(public)) = (self.key(name), &rotate.public_key) {
                    self.check_newcomer(Fingerprint::of_text(key.state.algorithm, public))?;
                }
            }
            C::Generate(_)
            | C::Suspend(_)
            | C::Deactivate(_)
            | C::Revoke(_)
            | C::Destroy(_)
            | C::Archive(_)
            | C::Recover(_)
            | C::Describe(_)
            | C::Schedule(_)
            | C::RevokeCertificate(_) => {}
        }
        let reserved = RESERVED
            .iter()
            .any(|prefix| name.as_str().starts_with(prefix));
        if reserved
            && matches!(command, C::Generate(_) | C::Register(_))
            && self.key(name).is_none()
        {
            let fault = format!(
                "names that begin with {} are for the keys behind NATS trust",
                RESERVED.join(" or ")
            );
            return Err(Rejection::BadName { fault });
        }
        let kept = match command {
            // A date would end it; only its rotation may be planned.
            C::Schedule(s) => s.protect_stop_at.is_none() && s.process_stop_at.is_none(),
            C::Describe(_) | C::Generate(_) | C::Register(_) | C::Rotate(_) => true,
            _ => false,
        };
        if name.as_str() == LEDGER_SIGNING_KEY && !kept {
            return Err(Rejection::InUse {
                what: HistoryId::new(Aggregate::Key, name.clone()),
                by: "the ledger: every event is signed with it; rotate it instead".to_owned(),
            });
        }
        let made_on_token = self
            .key(name)
            .is_some_and(|key| key.state.custodian == key::Custodian::Token);
        if made_on_token && matches!(command, C::Activate(_) | C::Rotate(_) | C::Destroy(_)) {
            return Err(Rejection::NoMaterial {
                key: name.clone(),
                why: "it was made on a token: provision or reset the token instead",
            });
        }
        if made_on_token && matches!(command, C::Resume(_)) && !self.is_on_trusted_token(name) {
            return Err(Rejection::NoMaterial {
                key: name.clone(),
                why: "its token is not trusted now: its keys are resumed once it is verified or provisioned again",
            });
        }
        let vouches = self.key(name).is_some_and(|key| key.state.is_authority());
        if vouches && matches!(command, C::Rotate(_)) {
            return Err(Rejection::InUse {
                what: HistoryId::new(Aggregate::Key, name.clone()),
                by: "the certificates it signed: make another authority with `keyledger ca create`"
                    .to_owned(),
            });
        }
        if matches!(command, C::Rotate(_)) && self.is_escrowed(name) {
            return Err(Rejection::NoMaterial {
                key: name.clone(),
                why: "tokens hold it: revoke it, and the next one that is provisioned gets another",
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

    /// An authority's key is not destroyed while somebody may ask for the list of what it issued: only it can sign that. Of a
    /// compromised one a list proves nothing.
    pub(super) fn check_lists_no_more(&self, name: &Name, now: Timestamp) -> Result<(), Rejection> {
        let compromised = self
            .key(name)
            .is_some_and(|key| key.state.state == key::State::Compromised);
        let last = self.issued(name).map(|(.., issued)| issued.not_after).max();
        match last.filter(|last| *last > now && !compromised) {
            Some(last) => Err(Rejection::InUse {
                what: HistoryId::new(Aggregate::Key, name.clone()),
                by: format!(
                    "the certificates it issued, the last of which ends at {last}: until then only it can sign the list of those that \
                     were revoked"
                ),
            }),
            None => Ok(()),
        }
    }

    /// Users without whom nobody could command any more are not revoked: those that this service connects with, and the
    /// last administrator.
    pub(super) fn check_dispensable(
        &self,
        users: &[&Name],
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let in_use = |name: &Name, by: &str| Rejection::InUse {
            what: HistoryId::new(Aggregate::User, name.clone()),
            by: by.to_owned(),
        };
        for name in users {
            let account = self.user(name).and_then(|u| self.account(&u.state.account));
            let purpose = account.map(|a| a.state.purpose);
            let agent = self
                .user(name)
                .is_some_and(|u| u.state.role == Some(Role::Agent));
            if matches!(purpose, Some(Purpose::System | Purpose::Service)) && !agent {
                return Err(in_use(
                    name,
                    "this service: it connects with these credentials",
                ));
            }
        }
        let (going, staying): (Vec<_>, Vec<_>) = self
            .administrators(now)
            .partition(|(name, _)| users.contains(name));
        let Some((last, until)) = going.into_iter().max_by_key(|(_, user)| user.ends_at()) else {
            return Ok(());
        };
        // One that ends in a moment cannot be counted on to issue another, unless it lasts as long as what is revoked.
        let until = until.ends_at().min(now.plus_days(ADMINISTRATOR_STAYS_DAYS));
        match staying.into_iter().max_by_key(|(_, user)| user.ends_at()) {
            None => Err(in_use(
                last,
                "the organisation: it is the last administrator; issue another first",
            )),
            Some((other, user)) if user.ends_at() < until => {
                let ends = user.ends_at();
                let by = format!(
                    "the organisation: it is the last administrator that stays, for {other} ends at {ends}; issue another first that \
                     lasts longer than a day"
                );
                Err(in_use(last, &by))
            }
            Some(_) => Ok(()),
        }
    }

    /// The administrators that may connect at `now`.
    pub(crate) fn administrators(&self, now: Timestamp) -> impl Iterator<Item = (&Name, &User)> {
        self.users()
            .map(|(name, entry)| (name, &entry.state))
            .filter(move |(_, user)| user.role == Some(Role::Administrator) && user.is_live(now))
    }

    pub(super) fn check_principal(
        &self,
        name: &Name,
        command: &principal::Command,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        use principal::Command as C;
        if let C::RecoverKey(c) = command {
            self.check_sound("seal_to", Fingerprint::of_nkey(&c.seal_to))?;
        }
        let (unit, responsible) = match command {
            C::Register(c) => (c.unit.as_ref(), c.responsible.as_ref()),
            C::Describe(c) => (c.unit.as_ref(), c.responsible.as_ref()),
            C::Offboard(_) | C::Publish(_) | C::RecoverKey(_) => (None, None),
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
        if let (C::Offboard(c), Some(entry)) = (command, self.principal(name))
            && entry.state.offboarded_at.is_none()
        {
            self.check_offboard(name, c, now)?;
        }
        Ok(())
    }

    /// `unit` and the units it belongs to, one within the other.
    pub(super) fn units_above<'a>(&'a self, unit: &'a Name) -> impl Iterator<Item = &'a Name> {
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
