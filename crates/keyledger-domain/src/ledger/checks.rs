//! What a command names besides its target: it must exist, be of the right kind, and still be there.

use super::{Deciding, LEDGER_SIGNING_KEY, Reader};
use crate::{
    account,
    algorithm::Purpose,
    key,
    name::{Aggregate, HistoryId, Name},
    principal,
    rejection::Rejection,
    stamp::Role,
    time::Timestamp,
    token::Phase,
    user::User,
    verb::Binds,
};

/// What the names of keys behind NATS trust begin with: nobody else may take one first.
const RESERVED: [&str; 2] = ["nats-account-", "nats-operator"];

/// An administrator that ends within so many days does not count as one who can command when another is revoked: time enough
/// to notice, and to issue one that stays.
const ADMINISTRATOR_STAYS_DAYS: i64 = 1;

impl<'a> Reader<'a> {
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

    /// An authority's key is not destroyed while somebody may ask for the list of what it issued: only it can sign that. Of a
    /// compromised one a list proves nothing.
    pub(crate) fn check_lists_no_more(&self, name: &Name, now: Timestamp) -> Result<(), Rejection> {
        let key = self.key(name).map(|entry| &entry.state);
        if key.is_some_and(|key| !key.purposes.has(Purpose::Certify)) {
            return Ok(());
        }
        let compromised = key.is_some_and(|key| key.state == key::State::Compromised);
        let last = self.last_certificate_ends(name);
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
    pub(crate) fn check_dispensable(
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
            if purpose.is_some_and(account::Purpose::is_own) && !agent {
                return Err(in_use(
                    name,
                    "this service: it connects with these credentials",
                ));
            }
        }
        // Looked at only where one of them goes.
        let commands = |user: &User| user.role == Some(Role::Administrator) && user.is_live(now);
        let mut going = users.iter().filter_map(|name| self.user(name));
        if !going.any(|user| commands(&user.state)) {
            return Ok(());
        }
        let live = self.administrators().into_iter();
        let live = live.filter(|(_, user)| user.is_live(now));
        let (going, staying): (Vec<_>, Vec<_>) = live.partition(|(name, _)| users.contains(name));
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

    /// `unit` and the units it belongs to, one within the other; each once.
    pub(super) fn units_above<'n>(&self, unit: &'n Name) -> Vec<&'n Name>
    where
        'a: 'n,
    {
        let mut units: Vec<&'n Name> = Vec::new();
        let mut next = Some(unit);
        while let Some(unit) = next.filter(|unit| !units.contains(unit)) {
            units.push(unit);
            next = self.principal(unit).and_then(|p| p.state.unit.as_ref());
        }
        units
    }

    /// The kind of a principal that exists and still acts.
    pub(crate) fn check_acting(&self, name: &Name) -> Result<principal::Kind, Rejection> {
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

/// What the verbs of a key hold in common over several histories.
impl Deciding<'_> {
    /// An owner acts, and a parent goes on.
    pub(crate) fn check_bound(&self, binds: &Binds<'_>) -> Result<(), Rejection> {
        if let Some(owner) = binds.owner {
            self.acting(owner)?;
        }
        let Some(parent) = binds.parent else {
            return Ok(());
        };
        let id = HistoryId::new(Aggregate::Key, parent.clone());
        match self.ledger.key(parent).map(|entry| entry.state.state) {
            None => Err(Rejection::NotFound(id)),
            Some(key::State::PreActive | key::State::Active | key::State::Suspended) => Ok(()),
            Some(
                key::State::Deactivated
                | key::State::Compromised
                | key::State::Destroyed
                | key::State::DestroyedCompromised,
            ) => Err(Rejection::Ended(id)),
        }
    }

    /// Nobody else takes the name of a key behind NATS trust first.
    pub(crate) fn check_not_reserved(&self) -> Result<(), Rejection> {
        let name = self.name().as_str();
        let reserved = RESERVED.iter().any(|prefix| name.starts_with(prefix));
        if !reserved || self.check_new().is_err() {
            return Ok(());
        }
        let fault = format!(
            "names that begin with {} are for the keys behind NATS trust",
            RESERVED.join(" or ")
        );
        Err(Rejection::BadName { fault })
    }

    /// Its public key was compromised under no other name.
    pub(crate) fn check_sound(&self) -> Result<(), Rejection> {
        self.ledger.check_key_sound(self.name())
    }

    /// It is not the key that signs the ledger.
    pub(crate) fn check_not_the_ledgers(&self) -> Result<(), Rejection> {
        if self.name().as_str() != LEDGER_SIGNING_KEY {
            return Ok(());
        }
        Err(Rejection::InUse {
            what: self.target.clone(),
            by: "the ledger: every event is signed with it; rotate it instead".to_owned(),
        })
    }

    /// NATS trust does not stand on it.
    pub(crate) fn check_not_behind_trust(&self) -> Result<(), Rejection> {
        let Some(by) = self.ledger.trust_on(self.name()) else {
            return Ok(());
        };
        Err(Rejection::InUse {
            what: self.target.clone(),
            by: format!(
                "{by}: NATS trust stands on it, and its life is the {}'s",
                by.aggregate
            ),
        })
    }

    /// It was not made on a token.
    pub(crate) fn check_not_on_a_token(&self, key: &key::Key) -> Result<(), Rejection> {
        if key.custodian != key::Custodian::Token {
            return Ok(());
        }
        Err(Rejection::NoMaterial {
            key: self.name().clone(),
            why: "it was made on a token: provision or reset the token instead",
        })
    }

    /// If it was made on a token, that one is trusted.
    pub(crate) fn check_on_a_trusted_token(&self, key: &key::Key) -> Result<(), Rejection> {
        let on_token = key.custodian == key::Custodian::Token;
        if !on_token || self.ledger.is_on_trusted_token(self.name()) {
            return Ok(());
        }
        Err(Rejection::NoMaterial {
            key: self.name().clone(),
            why: "its token is not trusted now: its keys are resumed once it is verified or provisioned again",
        })
    }
}

/// What the verbs of a principal hold in common over several histories.
impl Deciding<'_> {
    /// It belongs to a unit, not to itself, and a person answers for it.
    pub(crate) fn check_belongs(
        &self,
        unit: Option<&Name>,
        responsible: Option<&Name>,
    ) -> Result<(), Rejection> {
        for (field, other, kind) in [
            ("unit", unit, principal::Kind::Unit),
            ("responsible", responsible, principal::Kind::Person),
        ] {
            let Some(other) = other else { continue };
            let found = self.acting(other)?;
            if found != kind {
                let fault = format!("{other} is a {}, not a {}", found.as_str(), kind.as_str());
                return Err(Rejection::BadValue { field, fault });
            }
        }
        let name = self.name();
        if unit.is_some_and(|unit| self.ledger.units_above(unit).contains(&name)) {
            let fault = format!("{name} would belong to itself");
            return Err(Rejection::BadValue {
                field: "unit",
                fault,
            });
        }
        Ok(())
    }

    /// The principal that the command is for, if it was not offboarded.
    pub(crate) fn principal_that_acts(&self) -> Result<&principal::Principal, Rejection> {
        let principal = self.principal()?;
        match principal.offboarded_at {
            None => Ok(principal),
            Some(_) => Err(Rejection::Ended(self.target.clone())),
        }
    }
}
