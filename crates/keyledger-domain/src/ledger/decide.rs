//! Decisions: the one place where a command may look at, and write to, more than one history.

use super::{Deciding, Decision, Ledger, MAX_EVENTS, Reader, Recorded};
use crate::{
    account::{self, AccountFacts},
    command::{Prepared, Target},
    key,
    name::{Aggregate, HistoryId, Name},
    operator,
    rejection::Rejection,
    text::Title,
    time::Timestamp,
    token, user,
    verb::Verb,
};

/// What the service itself reports: a date was reached, an effect is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A date of a key was reached.
    Due(Name),
    /// An offboarding that did not fit one decision goes on.
    Offboarded(Name),
    /// Secrets that open a token no more were erased and looked for in vain.
    SecretsErased {
        /// The token.
        token: Name,
        /// Their entries in the material bucket.
        entries: Vec<Box<str>>,
    },
    /// A destroyed key's material was erased and looked for in vain.
    Erased(Name),
    /// Every server that answered holds an account's JWT.
    Confirmed {
        /// The account.
        account: Name,
        /// What was seen.
        confirmed: account::Confirmed,
        /// The users whose revocation this confirms, with the milliseconds it took for each.
        users: Vec<(Name, u64)>,
    },
    /// It was looked whether entries of an account's revocation list can leave it.
    RevocationsExpired(Name),
    /// An account's JWT must be newer than this `iat`, in seconds, to be taken by every server.
    Renew {
        /// The account.
        account: Name,
        /// The `iat` that it must be above.
        above: i64,
        /// Why.
        cause: account::RenewalCause,
    },
    /// A server was found with another JWT, and was pushed to again.
    DriftRepaired {
        /// The account.
        account: Name,
        /// What was found and done.
        repaired: account::DriftRepaired,
    },
    /// The ledger is served although a witness proves that it was rolled back or replaced.
    RollbackAccepted(operator::RollbackAccepted),
}

impl Ledger {
    /// Decides what a command does, with what was made for it: its events, or the rule that says no. Changes nothing.
    #[must_use]
    pub fn decide(
        &self,
        target: &Target,
        prepared: &Prepared,
        now: Timestamp,
    ) -> Recorded<Result<Decision, Rejection>> {
        let on = Deciding::new(self, target, now);
        let decided = prepared.decide(&on);
        on.recorded(decided)
    }

    /// Decides one verb, as [`Self::decide`] does.
    #[must_use]
    pub fn decide_verb<V: Verb>(
        &self,
        target: &Target,
        verb: &V,
        made: &V::Made,
        now: Timestamp,
    ) -> Recorded<Result<Decision, Rejection>> {
        let on = Deciding::new(self, target, now);
        let decided = verb.decide(&on, made);
        on.recorded(decided)
    }

    /// Decides what an outcome adds to the ledger: nothing if it stands there already.
    #[must_use]
    pub fn decide_outcome(&self, outcome: &Outcome, now: Timestamp) -> Recorded<Decision> {
        let reader = self.reader();
        let result = reader.decide_outcome(outcome, now);
        let reads = reader.into_reads();
        Recorded { result, reads }
    }
}

impl Deciding<'_> {
    /// What was decided, with all that follows from it and all that was looked at.
    fn recorded(
        self,
        decided: Result<Decision, Rejection>,
    ) -> Recorded<Result<Decision, Rejection>> {
        let result = decided.and_then(|decision| self.whole(decision));
        let reads = self.ledger.into_reads();
        Recorded { result, reads }
    }

    fn whole(&self, mut decision: Decision) -> Result<Decision, Rejection> {
        self.ledger.spread_compromise(&mut decision, self.now);
        if decision.events.len() > MAX_EVENTS {
            let what = "events of one command (revoke some of its users first)";
            return Err(Rejection::LimitReached {
                what,
                max: MAX_EVENTS,
            });
        }
        Ok(decision)
    }
}

impl Reader<'_> {
    fn decide_outcome(&self, outcome: &Outcome, now: Timestamp) -> Decision {
        let mut decision = Decision::default();
        match outcome {
            Outcome::Due(name) => return self.decide_due(name, now),
            Outcome::Offboarded(name) => return self.decide_leaving(name, now),
            Outcome::Erased(name) => {
                let event = self.key(name).and_then(|e| key::erased(&e.state, now));
                let target = HistoryId::new(Aggregate::Key, name.clone());
                decision.add(&target, event);
            }
            Outcome::SecretsErased { token, entries } => {
                let target = HistoryId::new(Aggregate::Token, token.clone());
                let event = self
                    .token(token)
                    .and_then(|e| token::erased(&e.state, entries, now));
                decision.add(&target, event);
            }
            Outcome::Confirmed {
                account,
                confirmed,
                users,
            } => {
                let Some(state) = self.account(account).map(|e| &e.state) else {
                    return decision;
                };
                if state.confirmed.is_some_and(|at| at >= confirmed.issued_at) {
                    return decision;
                }
                let target = HistoryId::new(Aggregate::Account, account.clone());
                let event = account::Event::Confirmed(confirmed.clone());
                decision.add(&target, vec![event]);
                for (name, took_ms) in users {
                    let open = self.user(name).is_some_and(|u| {
                        u.state.revoked_at.is_some() && u.state.revocation_took_ms.is_none()
                    });
                    if open && decision.events.len() < MAX_EVENTS {
                        let servers = confirmed.servers.clone();
                        let took_ms = *took_ms;
                        let event = user::RevocationConfirmed { took_ms, servers };
                        let target = HistoryId::new(Aggregate::User, name.clone());
                        let event = user::Event::RevocationConfirmed(event);
                        decision.add(&target, vec![event]);
                    }
                }
            }
            Outcome::RevocationsExpired(account) => {
                let event = self.expire_revocations(account, now);
                let target = HistoryId::new(Aggregate::Account, account.clone());
                decision.add(&target, event);
            }
            Outcome::Renew {
                account,
                above,
                cause,
            } => {
                let state = self.account(account).map(|e| &e.state);
                // Another instance saw to it.
                let state = state.filter(|state| state.issued_at <= *above);
                let event = state.map(|state| {
                    account::Event::Renewed(account::Renewed {
                        cause: *cause,
                        issued_at: state.next_issued_at(now).max(above.saturating_add(1)),
                    })
                });
                let target = HistoryId::new(Aggregate::Account, account.clone());
                decision.add(&target, event);
            }
            Outcome::DriftRepaired { account, repaired } => {
                if self.account(account).is_some() {
                    let target = HistoryId::new(Aggregate::Account, account.clone());
                    let event = account::Event::DriftRepaired(repaired.clone());
                    decision.add(&target, vec![event]);
                }
            }
            Outcome::RollbackAccepted(rollback) => {
                if let Some(name) = self.operators_name()
                    && let Some(operator) = self.operator(name)
                    && !operator.state.accepts(rollback)
                {
                    let target = HistoryId::new(Aggregate::Operator, name.clone());
                    let event = operator::Event::RollbackAccepted(rollback.clone());
                    decision.add(&target, vec![event]);
                }
            }
        }
        decision
    }

    /// What the scheduler finds due of a key.
    fn decide_due(&self, name: &Name, now: Timestamp) -> Decision {
        let target = HistoryId::new(Aggregate::Key, name.clone());
        let mut decision = Decision::default();
        let events = self
            .key(name)
            .filter(|e| !key::due(&e.state, self.ends(name), now).is_empty())
            // A clock that was set back must not date what falls due before what it follows.
            .map(|e| key::due(&e.state, self.ends(name), now.max(e.head.at)))
            .unwrap_or_default();
        decision.add(&target, events);
        decision
    }

    /// The key aggregates behind a new account.
    pub(crate) fn trust_keys(
        &self,
        account: &Name,
        made: &AccountFacts,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        let parent = Some(made.identity.key.clone());
        let signing = made
            .signing_made
            .iter()
            .map(|m| (m, parent.clone(), "signing key"));
        for (made, parent, what) in [(&made.identity, None, "identity")]
            .into_iter()
            .chain(signing)
        {
            let target = HistoryId::new(Aggregate::Key, made.key.clone());
            if self.head(&target).is_some() {
                return Err(Rejection::NameTaken(target));
            }
            let title = Title::new(&format!("{what} of NATS account {account}"))
                .expect("a name is a line of text");
            decision.add(&target, made.events(title, parent, now));
        }
        Ok(())
    }
}
