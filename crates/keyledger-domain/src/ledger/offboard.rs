//! Offboarding: what ends with a principal at once, and where the rest goes.
//!
//! Its users and tokens end whatever it owned; what it owned goes to an heir, or stands without an owner. What does not fit one
//! decision is finished by the service, step by step: [`Outcome::Offboarded`](super::Outcome::Offboarded).

use std::collections::{BTreeSet, HashSet};

use super::{Decision, Ledger, MAX_EVENTS, Reader};
use crate::{
    key::{self, Custodian, RevocationReason},
    name::{Aggregate, HistoryId, Name},
    principal::{self, Kind},
    rejection::Rejection,
    time::Timestamp,
    token::{self, Phase, Token},
    user,
};

/// How many users one decision revokes: each is an event of its own and one of its account.
const USERS_AT_ONCE: usize = 200;
/// How many tokens one decision ends.
const TOKENS_AT_ONCE: usize = 16;
/// What is kept free in a decision for the last thing that is added: a token with all its keys.
const ROOM: usize = 120;

impl<'a> Reader<'a> {
    /// Whether what a principal leaves can go where the command says, and whether others can command when its users are gone.
    pub(crate) fn check_offboard(
        &self,
        name: &Name,
        command: &principal::Offboard,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        if let Some(to) = &command.to {
            if to == name {
                let fault = "it is the one that leaves: name another".to_owned();
                return Err(Rejection::BadValue { field: "to", fault });
            }
            self.check_acting(to)?;
        }
        self.check_dispensable(&self.live_users_of(name), now)
    }

    /// Who gets what an offboarded principal owned: whom the command named, else who answers for it, else the nearest unit that
    /// acts; nobody if there is none of them.
    pub(super) fn heir(&self, name: &Name) -> Option<&'a Name> {
        let left = &self.principal(name)?.state;
        self.heir_of(name, left.successor.as_ref())
    }

    fn heir_of<'n>(&self, name: &Name, named: Option<&'n Name>) -> Option<&'n Name>
    where
        'a: 'n,
    {
        let left = &self.principal(name)?.state;
        let units = left.unit.iter().flat_map(|unit| self.units_above(unit));
        named
            .into_iter()
            .chain(&left.responsible)
            .chain(units)
            .find(|heir| *heir != name && self.check_acting(heir).is_ok())
    }

    /// Adds what ends with a principal and what goes to its heir, as much as fits; nothing once all is done.
    ///
    /// # Errors
    ///
    /// [`Rejection::RevocationsFull`] if an account's servers could not be made to refuse its users.
    pub(crate) fn leave(
        &self,
        name: &Name,
        named: Option<&Name>,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        let held = self.held_by(name);
        let mut users = self.live_users_of(name);
        users.sort_unstable();
        users.truncate(USERS_AT_ONCE);
        // Those that were bound to its tokens end as with a lost one.
        let bound = held.iter().take(TOKENS_AT_ONCE).flat_map(|(_, t)| &t.users);
        users.extend(bound.filter(|user| self.goes_on(user)));
        users.sort_unstable();
        users.dedup();
        // Together: an account's list grows once in a decision.
        self.revoke_users(&users, now, decision)?;
        self.end_tokens(name, &held, now, decision);
        let heir = self.heir_of(name, named);
        self.hand_over(name, heir, decision);
        Ok(())
    }

    /// What the service does next of an offboarding that did not fit one decision.
    pub(super) fn decide_leaving(&self, name: &Name, now: Timestamp) -> Decision {
        let mut decision = Decision::default();
        let Some(entry) = self.principal(name) else {
            return decision;
        };
        let left = &entry.state;
        if left.offboarded_at.is_none() {
            return decision;
        }
        match self.leave(
            name,
            left.successor.as_ref(),
            now.max(entry.head.at),
            &mut decision,
        ) {
            Ok(()) => decision,
            // Its users may not command any more; whether they connect is said by who looks at the lists.
            Err(_) => Decision::default(),
        }
    }

    /// True of a user that is there and was not revoked.
    pub(super) fn goes_on(&self, user: &Name) -> bool {
        let user = self.user(user);
        user.is_some_and(|user| user.state.revoked_at.is_none())
    }

    fn live_users_of(&self, name: &Name) -> Vec<&'a Name> {
        let users = self.users_of(name).into_iter();
        let live = users.filter(|(_, user)| user.revoked_at.is_none());
        live.map(|(user, _)| user).collect()
    }

    /// The tokens that it holds, and could use.
    fn held_by(&self, name: &Name) -> Vec<(&'a Name, &'a Token)> {
        let mut held = self.tokens_of(name);
        held.retain(|(_, token)| is_held(token));
        held.sort_unstable_by_key(|(token, _)| *token);
        held
    }

    /// Revokes those of `users` without whom somebody can still command, and cancels what they were to do.
    fn revoke_users(
        &self,
        users: &[&Name],
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        let mut gone: Vec<&Name> = Vec::with_capacity(users.len());
        for user in users {
            gone.push(user);
            if self.check_dispensable(&gone, now).is_err() {
                gone.pop();
            }
        }
        for name in &gone {
            let Some(entry) = self.user(name) else {
                continue;
            };
            let revoked = user::Revoked {
                nkey: entry.state.nkey.clone(),
                revoked_at: now,
            };
            let target = HistoryId::new(Aggregate::User, (*name).clone());
            decision.add(&target, vec![user::Event::Revoked(revoked)]);
        }
        self.add_revocations(&gone, now, decision)?;
        self.cancel_tasks_of(&gone, now, decision);
        Ok(())
    }

    /// Nothing on its tokens counts any more.
    fn end_tokens(
        &self,
        name: &Name,
        held: &[(&Name, &Token)],
        now: Timestamp,
        decision: &mut Decision,
    ) {
        // What was touched already, its task being cancelled, is looked at again in the next step.
        let touched: HashSet<HistoryId> =
            decision.events.iter().map(|(id, _)| id.clone()).collect();
        let mut ended: HashSet<&Name> = HashSet::new();
        for (serial, token) in held.iter().take(TOKENS_AT_ONCE) {
            let target = HistoryId::new(Aggregate::Token, (*serial).clone());
            if touched.contains(&target) || decision.events.len() + ROOM > MAX_EVENTS {
                continue;
            }
            let left = token::HolderLeft {
                principal: name.clone(),
                left_at: now,
            };
            decision.add(&target, vec![token::Event::HolderLeft(left)]);
            for key in token.may_hold() {
                if !ended.insert(key) {
                    continue; // a key of custody, on several tokens
                }
                let used = self.key(key).map(|e| e.state.state) != Some(key::State::PreActive);
                if used {
                    self.revoke_key(key, RevocationReason::AffiliationChanged, now, decision);
                } else {
                    self.destroy_key(key, now, decision);
                }
            }
        }
    }

    /// What it owned, and whom it answered for.
    fn hand_over(&self, name: &Name, heir: Option<&Name>, decision: &mut Decision) {
        if let Some(heir) = heir
            && self.check_acting(heir) == Ok(Kind::Person)
        {
            let left = self.answered_by(name).into_iter();
            let left = left.filter(|(_, other)| other.offboarded_at.is_none());
            let mut left: Vec<&Name> = left.map(|(other, _)| other).collect();
            left.sort_unstable();
            for other in left {
                if decision.events.len() >= MAX_EVENTS {
                    return;
                }
                let described = principal::Description {
                    responsible: Some(heir.clone()),
                    ..principal::Description::default()
                };
                let target = HistoryId::new(Aggregate::Principal, other.clone());
                let event = principal::Event::Described(described);
                decision.add(&target, vec![event]);
            }
        }
        let owned = self.owned_by(name).into_iter();
        let owned = owned.filter(|(_, key)| goes_on(key));
        let mut owned: Vec<&Name> = owned.map(|(key, _)| key).collect();
        owned.sort_unstable();
        owned.truncate(MAX_EVENTS.saturating_sub(decision.events.len()));
        for key in owned {
            let handed = key::HandedOver {
                from: name.clone(),
                to: heir.cloned(),
            };
            let target = HistoryId::new(Aggregate::Key, key.clone());
            decision.add(&target, vec![key::Event::HandedOver(handed)]);
        }
    }
}

impl Ledger {
    /// The offboarded principals of which something is left that ends or goes to somebody.
    #[must_use]
    pub fn unfinished_offboardings(&self) -> BTreeSet<Name> {
        let gone = |name: &&Name| {
            let principal = self.principal(name);
            principal.is_some_and(|p| p.state.offboarded_at.is_some())
        };
        let users = self.users().filter(|(_, u)| u.state.revoked_at.is_none());
        let users = users.filter_map(|(_, u)| u.state.principal.as_ref());
        let tokens = self.tokens().filter(|(_, t)| is_held(&t.state));
        let tokens = tokens.filter_map(|(_, t)| t.state.principal.as_ref());
        let keys = self.keys().filter(|(_, k)| goes_on(&k.state));
        let keys = keys.filter_map(|(_, k)| k.state.owner.as_ref());
        users
            .chain(tokens)
            .chain(keys)
            .filter(gone)
            .cloned()
            .collect()
    }

    /// The principals that act and that `name` answers for, by name.
    #[must_use]
    pub fn answered_by(&self, name: &Name) -> Vec<&Name> {
        let mut found: Vec<&Name> = self
            .principals()
            .filter(|(_, p)| p.state.offboarded_at.is_none())
            .filter(|(_, p)| p.state.responsible.as_ref() == Some(name))
            .map(|(other, _)| other)
            .collect();
        found.sort_unstable();
        found
    }
}

/// True of a token that somebody holds, and could use.
fn is_held(token: &Token) -> bool {
    use Phase as P;
    matches!(
        token.phase,
        P::Enrolled | P::Provisioning | P::Provisioned | P::Quarantined
    )
}

/// True of a key that somebody has to answer for: there is something to protect, and it is not just on a token.
fn goes_on(key: &key::Key) -> bool {
    !key.state.is_destroyed() && key.custodian != Custodian::Token
}
