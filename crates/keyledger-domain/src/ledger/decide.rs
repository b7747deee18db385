//! Decisions: the one place where a command may look at, and write to, more than one history.

use super::{Fingerprint, Ledger, tokens::Born};
use crate::{
    account::{self, AccountFacts, Purpose},
    command::{Command, Target},
    event::Event,
    key::{self, KeyFacts, NewVersion},
    name::{Aggregate, HistoryId, Name},
    operator, principal,
    rejection::Rejection,
    stamp::Role,
    text::Title,
    time::Timestamp,
    token::{self, TaskFacts},
    user::{self, UserFacts},
};

/// What a decision must know from outside.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The time.
    pub now: Timestamp,
    /// What custody made for this command.
    pub made: Made,
}

/// What custody made for a command.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Made {
    /// Nothing was needed.
    #[default]
    Nothing,
    /// A key or a new version of one.
    Key(NewVersion),
    /// A user's public nkey; its seed was sealed to the requester, with a JWT issued at this moment.
    User(String, Timestamp),
    /// An account's identity and signing keys.
    Account(Box<AccountFacts>),
    /// What an OpenPGP certificate says.
    Openpgp(Box<principal::OpenpgpPublished>),
    /// A certificate over the key: signed in custody, or elsewhere and verified.
    Certificate(Box<key::Certified>),
    /// A key with the certificate over it.
    CertifiedKey(NewVersion, Box<key::Certified>),
    /// Authorities for attestations to be trusted, each once.
    Authorities(Vec<operator::AttestationAuthority>),
    /// What a task of a token needs: the command's id, a nonce, and the public halves of its keys.
    Task(uuid::Uuid, Box<TaskFacts>),
    /// What was found out about an agent's report, and made for it.
    Report(Box<super::ReportFacts>),
}

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

/// What a command comes to: events, the target's own first. None if it changes nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decision {
    /// What is to be written, in order, all or nothing.
    pub events: Vec<(HistoryId, Event)>,
}

/// The most events that one decision may write: what JetStream takes in one atomic batch.
pub const MAX_EVENTS: usize = 1_000;

impl Ledger {
    /// Decides what a command does. Changes nothing.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] if a rule says no.
    pub fn decide(
        &self,
        target: &Target,
        command: &Command,
        facts: &Facts,
    ) -> Result<Decision, Rejection> {
        let name = &target.name;
        // A clock that was set back must not date what is decided before what it follows.
        let facts = &Facts {
            now: self.head(target).map_or(facts.now, |h| h.at.max(facts.now)),
            ..facts.clone()
        };
        let mut decision = Decision::default();
        match command {
            Command::Key(command) => {
                self.check_key(name, command)?;
                let fresh = match &facts.made {
                    Made::Key(fresh) | Made::CertifiedKey(fresh, _) => Some(fresh),
                    _ => None,
                };
                let key = self.key(name).map(|e| &e.state);
                match command {
                    key::Command::Certify(certify) => {
                        return self.decide_certify(target, certify, facts);
                    }
                    key::Command::Install(install) => {
                        return self.decide_install(target, install, facts);
                    }
                    key::Command::RevokeCertificate(revoke) => {
                        return self.decide_revoke_certificate(target, revoke, facts.now);
                    }
                    key::Command::Destroy(_) => self.check_lists_no_more(name, facts.now)?,
                    _ => {}
                }
                let now = facts.now;
                let events = key::decide(name, key, command, KeyFacts { now, fresh })?;
                match born(command)? {
                    Some(born) => return self.decide_born_certified(target, events, &born, facts),
                    None => decision.add(target, events, Event::Key),
                }
            }
            Command::Principal(command) => {
                self.check_principal(name, command, facts.now)?;
                let principal = self.principal(name).map(|e| &e.state);
                let published = match &facts.made {
                    Made::Openpgp(published) => Some(&**published),
                    _ => None,
                };
                let events = principal::decide(name, principal, command, published, facts.now)?;
                let ends = events
                    .iter()
                    .any(|e| matches!(e, principal::Event::Offboarded(_)));
                decision.add(target, events, Event::Principal);
                if let (true, principal::Command::Offboard(offboard)) = (ends, command) {
                    self.leave(name, offboard.to.as_ref(), facts.now, &mut decision)?;
                }
            }
            Command::Operator(command) => {
                let state = self.operators.get(name).map(|e| &e.state);
                let authorities = match &facts.made {
                    Made::Authorities(authorities) => &authorities[..],
                    _ => &[],
                };
                let events = operator::decide(name, state, command, authorities)?;
                decision.add(target, events, Event::Operator);
            }
            Command::Account(command) => {
                let made = match &facts.made {
                    Made::Account(made) => Some(&**made),
                    _ => None,
                };
                let account = self.account(name).map(|e| &e.state);
                let events = account::decide(name, account, command, made, facts.now)?;
                decision.add(target, events, Event::Account);
                if let Some(made) = made {
                    self.trust_keys(name, made, facts.now, &mut decision)?;
                }
            }
            Command::User(command) => {
                self.decide_user(target, command, facts, &mut decision)?;
            }
            Command::Token(command) => {
                self.decide_token(target, command, facts, &mut decision)?;
            }
            Command::Report(reported) => {
                self.decide_report(target, reported, facts, &mut decision)?;
            }
        }
        self.spread_compromise(&mut decision, facts.now);
        if decision.events.len() > MAX_EVENTS {
            let what = "events of one command (revoke some of its users first)";
            return Err(Rejection::LimitReached {
                what,
                max: MAX_EVENTS,
            });
        }
        Ok(decision)
    }

    /// Decides what an outcome adds to the ledger: nothing if it stands there already.
    #[must_use]
    pub fn decide_outcome(&self, outcome: &Outcome, now: Timestamp) -> Decision {
        let mut decision = Decision::default();
        match outcome {
            Outcome::Due(name) => return self.decide_due(name, now),
            Outcome::Offboarded(name) => return self.decide_leaving(name, now),
            Outcome::Erased(name) => {
                let event = self.key(name).and_then(|e| key::erased(&e.state, now));
                let target = HistoryId::new(Aggregate::Key, name.clone());
                decision.add(&target, event.into_iter().collect(), Event::Key);
            }
            Outcome::SecretsErased { token, entries } => {
                let target = HistoryId::new(Aggregate::Token, token.clone());
                let event = self
                    .token(token)
                    .and_then(|e| token::erased(&e.state, entries, now));
                decision.add(&target, event.into_iter().collect(), Event::Token);
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
                decision.add(&target, vec![event], Event::Account);
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
                        decision.add(&target, vec![event], Event::User);
                    }
                }
            }
            Outcome::RevocationsExpired(account) => {
                let event = self.expire_revocations(account, now);
                let target = HistoryId::new(Aggregate::Account, account.clone());
                decision.add(&target, event.into_iter().collect(), Event::Account);
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
                decision.add(&target, event.into_iter().collect(), Event::Account);
            }
            Outcome::DriftRepaired { account, repaired } => {
                if self.account(account).is_some() {
                    let target = HistoryId::new(Aggregate::Account, account.clone());
                    let event = account::Event::DriftRepaired(repaired.clone());
                    decision.add(&target, vec![event], Event::Account);
                }
            }
            Outcome::RollbackAccepted(rollback) => {
                if let Some((name, operator)) = self.operator()
                    && !operator.state.accepts(rollback)
                {
                    let target = HistoryId::new(Aggregate::Operator, name.clone());
                    let event = operator::Event::RollbackAccepted(rollback.clone());
                    decision.add(&target, vec![event], Event::Operator);
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
        decision.add(&target, events, Event::Key);
        decision
    }

    fn decide_user(
        &self,
        target: &Target,
        command: &user::Command,
        facts: &Facts,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        let name = &target.name;
        let user = self.user(name).map(|e| &e.state);
        let account = match (command, user) {
            (user::Command::Issue(issue), _) => Some(&issue.account),
            (user::Command::Revoke(_), Some(user)) => Some(&user.account),
            _ => None,
        };
        if let user::Command::Issue(issue) = command {
            let purpose = self.account(&issue.account).map(|e| e.state.purpose);
            let agent = purpose == Some(Purpose::Service) && issue.role == Some(Role::Agent);
            if matches!(purpose, Some(Purpose::System | Purpose::Service)) && !agent {
                let fault = format!(
                    "account {} is this service's own: only agents connect to it",
                    issue.account
                );
                return Err(Rejection::BadValue {
                    field: "account",
                    fault,
                });
            }
            if let Some(principal) = &issue.principal {
                self.check_acting(principal)?;
            }
            for (field, nkey) in [("nkey", &issue.nkey), ("seal_to", &issue.seal_to)] {
                let public = nkey.as_deref().and_then(Fingerprint::of_nkey);
                self.check_sound(field, public)?;
            }
            if let (Some(nkey), None) = (&issue.nkey, user)
                && let Some(by) = self.user_of_nkey(nkey)
            {
                let fault =
                    format!("it is user {by}'s already: every user needs an nkey of its own");
                return Err(Rejection::BadValue {
                    field: "nkey",
                    fault,
                });
            }
        }
        let user_facts = UserFacts {
            now: match facts.made {
                Made::User(_, at) => at.min(facts.now),
                _ => facts.now,
            },
            generated: match &facts.made {
                Made::User(nkey, _) => Some(nkey),
                _ => None,
            },
            account: account.and_then(|a| self.account(a)).map(|e| &e.state),
        };
        let events = user::decide(name, user, command, user_facts)?;
        let revoked = events.iter().any(|e| matches!(e, user::Event::Revoked(_)));
        decision.add(target, events, Event::User);
        if revoked {
            self.check_dispensable(&[name], facts.now)?;
            self.add_revocations(&[name], facts.now, decision)?;
            self.cancel_tasks_of(&[name], facts.now, decision);
        }
        Ok(())
    }

    /// The key aggregates behind a new account.
    fn trust_keys(
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
            decision.add(&target, made.events(title, parent, now), Event::Key);
        }
        Ok(())
    }
}

/// The certificate with which a command's key comes to be, if any.
fn born(command: &key::Command) -> Result<Option<Born<'_>>, Rejection> {
    let (certify, install) = if let key::Command::Generate(generate) = command {
        (generate.certify.as_deref(), None)
    } else if let key::Command::Register(register) = command {
        (register.certify.as_deref(), register.install.as_ref())
    } else {
        (None, None)
    };
    match (certify, install) {
        (None, None) => Ok(None),
        (Some(certify), None) => Ok(Some(Born::Certified(certify))),
        (None, Some(install)) => Ok(Some(Born::Installed(install))),
        (Some(_), Some(_)) => Err(Rejection::BadValue {
            field: "install",
            fault: "a key comes to be with one certificate: leave out `certify` or `install`"
                .to_owned(),
        }),
    }
}

impl Decision {
    pub(super) fn add<E>(&mut self, target: &HistoryId, events: Vec<E>, wrap: fn(E) -> Event) {
        self.events
            .extend(events.into_iter().map(|e| (target.clone(), wrap(e))));
    }
}
