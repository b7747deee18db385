//! Putting users on the revocation lists of their accounts: never more than a server can be made to enforce.

use std::collections::BTreeMap;

use super::{Decision, Reader};
use crate::{
    account::{
        self, AMPLE_JWT_BYTES, Account, KEEP_EXPIRED_SECONDS, MAX_JWT_BYTES, RESERVED_JWT_BYTES,
        RevocationAdded, RevocationsCollapsed, RevocationsExpired,
    },
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
    time::Timestamp,
    user::User,
};

/// A list is collapsed while there is room only if at least one entry in so many goes.
const WORTH_COLLAPSING: usize = 4;
/// Expired entries leave by themselves if they are at least one in so many, else once a day.
const WORTH_DROPPING: usize = 10;
/// How long an expired entry stays at the most, beside [`KEEP_EXPIRED_SECONDS`].
const DROP_WITHIN_SECONDS: i64 = 86_400;
/// How many users that stand in the way of a collapse are named.
const NAMED: usize = 5;

impl<'a> Reader<'a> {
    /// Puts users on the revocation lists of their accounts; each list grows under rising `iat`s.
    ///
    /// # Errors
    ///
    /// [`Rejection::RevocationsFull`] if a list would make its account's JWT larger than servers take.
    pub(crate) fn add_revocations(
        &self,
        users: &[&Name],
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        let mut leaving: BTreeMap<&Name, Vec<(&Name, &User)>> = BTreeMap::new();
        for name in users {
            if let Some(user) = self.user(name).map(|entry| &entry.state) {
                let of_account = leaving.entry(&user.account).or_default();
                of_account.push((name, user));
            }
        }
        for (name, leaving) in leaving {
            let Some(account) = self.account(name).map(|entry| &entry.state) else {
                continue;
            };
            let target = HistoryId::new(Aggregate::Account, name.clone());
            let events = self.list(name, account, &leaving, now)?;
            decision.add(&target, events);
        }
        Ok(())
    }

    /// What puts users on the list of one account: first what makes room, where that is needed.
    fn list(
        &self,
        name: &Name,
        account: &Account,
        leaving: &[(&Name, &User)],
        now: Timestamp,
    ) -> Result<Vec<account::Event>, Rejection> {
        let mut events = Vec::new();
        let mut issued_at = account.next_issued_at(now);
        let mut next = || {
            let this = issued_at;
            issued_at += 1;
            this
        };
        let added = |(user, state): &(&Name, &User), issued_at| {
            account::Event::RevocationAdded(RevocationAdded {
                user: (*user).clone(),
                nkey: state.nkey.clone(),
                // Also what was issued within this second, and under a clock that ran ahead.
                until: now.seconds().max(state.issued_at),
                expires_at: state.expires_at,
                issued_at,
                jwt_issued_at: Some(state.issued_at),
            })
        };
        let many = account.revocations.len() + leaving.len();
        if account.jwt_bytes(many) <= AMPLE_JWT_BYTES {
            events.extend(leaving.iter().map(|user| added(user, next())));
            return Ok(events);
        }
        let mut after = account.clone();
        let before = now.seconds() - KEEP_EXPIRED_SECONDS;
        if after.revocations.expired(before) > 0 {
            let event = account::Event::RevocationsExpired(RevocationsExpired {
                before,
                issued_at: next(),
            });
            after.evolve(&event, now);
            events.push(event);
        }
        let staying = self.staying(name, leaving, now);
        let oldest = staying
            .first()
            .map_or(i64::MAX, |(issued_at, _)| *issued_at);
        let (until, gone) = collapsible(&after, leaving, oldest, now);
        let full = after.jwt_bytes(after.revocations.len() + leaving.len()) > MAX_JWT_BYTES;
        if gone > 1 && (full || gone * WORTH_COLLAPSING >= many) {
            let event = account::Event::RevocationsCollapsed(RevocationsCollapsed {
                until,
                issued_at: next(),
            });
            after.evolve(&event, now);
            events.push(event);
        }
        for user in leaving {
            let event = added(user, next());
            after.evolve(&event, now);
            events.push(event);
        }
        // Without those who are older than everybody else the list can be collapsed: they can always go.
        let makes_room = leaving.iter().all(|(_, user)| user.issued_at <= oldest);
        let reserved = if makes_room { RESERVED_JWT_BYTES } else { 0 };
        if after.jwt_bytes(after.revocations.len()) <= MAX_JWT_BYTES + reserved {
            return Ok(events);
        }
        let entries = account.revocations.len();
        let (in_the_way, rest) = in_the_way(&after, &staying, now);
        Err(Rejection::RevocationsFull {
            account: name.clone(),
            entries,
            first_end: after.revocations.first_end(),
            in_the_way,
            rest,
        })
    }

    /// The users of an account who stay, by the issue of their JWTs, the oldest first.
    fn staying(
        &self,
        account: &Name,
        leaving: &[(&Name, &User)],
        now: Timestamp,
    ) -> Vec<(i64, &'a Name)> {
        // Whose JWT has just expired may still be let in by a server whose clock is behind.
        let then = Timestamp::from_seconds(now.seconds() - KEEP_EXPIRED_SECONDS);
        let live = self.users_in(account).into_iter();
        let mut staying: Vec<_> = live
            .filter(|(_, user)| user.is_live(then))
            .filter(|(name, _)| !leaving.iter().any(|(leaving, _)| leaving == name))
            .map(|(name, user)| (user.issued_at, name))
            .collect();
        staying.sort_unstable();
        staying
    }

    /// What may leave the revocation list of an account by itself; nothing if that is not worth a new JWT yet.
    pub(super) fn expire_revocations(
        &self,
        account: &Name,
        now: Timestamp,
    ) -> Option<account::Event> {
        let state = &self.account(account)?.state;
        let before = now.seconds() - KEEP_EXPIRED_SECONDS;
        let expired = state.revocations.expired(before);
        let overdue = state.revocations.expired(before - DROP_WITHIN_SECONDS);
        let worth_it = expired > 0 && expired * WORTH_DROPPING >= state.revocations.len();
        (worth_it || overdue > 0).then(|| {
            account::Event::RevocationsExpired(RevocationsExpired {
                before,
                issued_at: state.next_issued_at(now),
            })
        })
    }
}

/// Until when everything can be refused without hitting anybody whose JWT was issued at `oldest` or later, and how many
/// entries that saves.
fn collapsible(
    account: &Account,
    leaving: &[(&Name, &User)],
    oldest: i64,
    now: Timestamp,
) -> (i64, usize) {
    // Somebody may be issued a JWT within this very second.
    let bound = (oldest - 1).min(now.seconds() - 1);
    let leaving = leaving.iter().map(|(_, user)| user.issued_at);
    let listed = account.revocations.users().map(|(_, r)| r.jwt_issued_at);
    let gone: Vec<_> = listed.chain(leaving).filter(|at| *at <= bound).collect();
    // No further than needed: what is refused for nothing may be a JWT that somebody is about to get.
    let until = gone.iter().copied().max().unwrap_or(bound);
    (until, gone.len())
}

/// The users who must be replaced until the list can be collapsed far enough: some of them by name, and how many more.
fn in_the_way(account: &Account, staying: &[(i64, &Name)], now: Timestamp) -> (Vec<Name>, usize) {
    let many = account.revocations.len();
    let enough = |replaced: usize| {
        let oldest = staying.get(replaced).map_or(i64::MAX, |(at, _)| *at);
        let (_, gone) = collapsible(account, &[], oldest, now);
        account.jwt_bytes((many + replaced).saturating_sub(gone) + 1) <= MAX_JWT_BYTES
    };
    let replaced = (1..=staying.len()).find(|replaced| enough(*replaced));
    let replaced = replaced.unwrap_or(staying.len());
    let named = staying.iter().take(replaced.min(NAMED));
    let named: Vec<_> = named.map(|(_, name)| (*name).clone()).collect();
    let rest = replaced - named.len();
    (named, rest)
}
