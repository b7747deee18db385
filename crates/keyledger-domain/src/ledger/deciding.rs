//! What a rule sees: the ledger, the history that a command is for, and the time. What it looks at is noted.

use std::{cell::RefCell, collections::BTreeSet};

use super::{Decision, Entry, Fingerprint, Group, Head, Ledger, Reads};
use crate::{
    account::{Account, Purpose, SigningKey},
    event::Event,
    key::{Certified, Custodian, Key},
    name::{Aggregate, HistoryId, Name, Target},
    operator::Operator,
    principal::{self, Principal},
    rejection::Rejection,
    stamp::Role,
    time::Timestamp,
    token::{self, Token},
    user::User,
};

/// The ledger as rules see it: each history and each group that is looked at is noted.
///
/// There is no way around it to what can change. What never changes is not noted, and says so.
#[derive(Debug)]
pub struct Reader<'a> {
    ledger: &'a Ledger,
    reads: RefCell<Reads>,
}

impl Ledger {
    /// Looks at the ledger, and notes at what.
    #[must_use]
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            ledger: self,
            reads: RefCell::default(),
        }
    }
}

impl<'a> Reader<'a> {
    /// What was looked at.
    #[must_use]
    pub fn into_reads(self) -> Reads {
        self.reads.into_inner()
    }

    fn note(&self, aggregate: Aggregate, name: &Name) {
        let history = HistoryId::new(aggregate, name.clone());
        self.reads.borrow_mut().note(history);
    }

    fn note_group(&self, group: Group) {
        self.reads.borrow_mut().note_group(group);
    }

    /// Notes each of the members that were found in a group.
    fn members<S>(
        &self,
        group: Group,
        aggregate: Aggregate,
        found: impl Iterator<Item = (&'a Name, &'a Entry<S>)>,
    ) -> Vec<(&'a Name, &'a S)>
    where
        S: 'a,
    {
        self.note_group(group);
        let noted = found.map(|(name, entry)| {
            self.note(aggregate, name);
            (name, &entry.state)
        });
        noted.collect()
    }

    /// Where a history stands; nothing if it has not begun.
    pub(crate) fn head(&self, history: &HistoryId) -> Option<Head> {
        self.note(history.aggregate, &history.name);
        self.ledger.head(history)
    }

    /// The key `name`.
    pub(crate) fn key(&self, name: &Name) -> Option<&'a Entry<Key>> {
        self.note(Aggregate::Key, name);
        self.ledger.key(name)
    }

    /// The principal `name`.
    pub(crate) fn principal(&self, name: &Name) -> Option<&'a Entry<Principal>> {
        self.note(Aggregate::Principal, name);
        self.ledger.principal(name)
    }

    /// The operator `name`.
    pub(crate) fn operator(&self, name: &Name) -> Option<&'a Entry<Operator>> {
        self.note(Aggregate::Operator, name);
        self.ledger.states.operators.get(name).map(|e| &**e)
    }

    /// The name of the operator: there is one in a ledger, from its first event on.
    pub(crate) fn operators_name(&self) -> Option<&'a Name> {
        self.ledger.operator().map(|(name, _)| name)
    }

    /// The account `name`.
    pub(crate) fn account(&self, name: &Name) -> Option<&'a Entry<Account>> {
        self.note(Aggregate::Account, name);
        self.ledger.account(name)
    }

    /// The name, purpose and signing keys of the account with this nkey. They never change: nothing is noted.
    pub(crate) fn account_of_nkey(
        &self,
        nkey: &str,
    ) -> Option<(&'a Name, Purpose, &'a [SigningKey])> {
        let name = self.ledger.account_of_nkey(nkey)?;
        let account = &self.ledger.account(name)?.state;
        Some((name, account.purpose, &account.signing_keys))
    }

    /// The accounts of this service's own that are for one of `purposes`. The bootstrap makes them, and none comes later: only they are
    /// noted.
    pub(crate) fn own_accounts(&self, purposes: &[Purpose]) -> Vec<(&'a Name, &'a Account)> {
        let accounts = self.ledger.accounts();
        let found = accounts.filter(|(_, account)| {
            let purpose = account.state.purpose;
            purpose.is_own() && purposes.contains(&purpose)
        });
        let noted = found.map(|(name, entry)| {
            self.note(Aggregate::Account, name);
            (name, &entry.state)
        });
        noted.collect()
    }

    /// The user `name`.
    pub(crate) fn user(&self, name: &Name) -> Option<&'a Entry<User>> {
        self.note(Aggregate::User, name);
        self.ledger.user(name)
    }

    /// The keys and the principal that the user `name` was issued for. They never change: nothing is noted.
    pub(crate) fn issued_for(&self, name: &Name) -> (&'a [Name], Option<&'a Name>) {
        let user = self.ledger.user(name).map(|entry| &entry.state);
        user.map_or((&[], None), |user| (&user.keys, user.principal.as_ref()))
    }

    /// The name of the user with this public nkey. Once there it stays: only that there is none is noted.
    pub(crate) fn user_of_nkey(&self, nkey: &str) -> Option<&'a Name> {
        let found = self.ledger.user_of_nkey(nkey);
        if found.is_none()
            && let Some(public) = Fingerprint::of_nkey(nkey)
        {
            self.note_group(Group::Bearers(public));
        }
        found
    }

    /// The token `name`.
    pub(crate) fn token(&self, name: &Name) -> Option<&'a Entry<Token>> {
        self.note(Aggregate::Token, name);
        self.ledger.token(name)
    }

    /// The key that the certificate of an authority with this serial number is over.
    pub(crate) fn certified(&self, issuer: &Name, serial: &str) -> Option<&'a Name> {
        self.note_group(Group::Certificate(issuer.clone(), serial.into()));
        self.ledger.certified(issuer, serial)
    }

    /// When the last certificate ends that an authority issued, itself aside.
    pub(crate) fn last_certificate_ends(&self, issuer: &Name) -> Option<Timestamp> {
        self.note_group(Group::CertifiedBy(issuer.clone()));
        // What is issued stays: members do not count.
        let issued = self.ledger.issued(issuer);
        let ends = issued.map(|(_, _, certified): (_, _, &Certified)| certified.not_after);
        ends.max()
    }

    /// The keys that are or were authorities, by name.
    pub(crate) fn authorities(&self) -> Vec<(&'a Name, &'a Key)> {
        let found = self.ledger.authorities();
        self.members(Group::Authorities, Aggregate::Key, found)
    }

    /// What NATS trust stands on the key `name`. It stands on it from the decision on that makes the key: the key's history is noted.
    pub(crate) fn trust_on(&self, name: &Name) -> Option<&'a HistoryId> {
        self.note(Aggregate::Key, name);
        self.ledger.trust_on(name)
    }

    /// False of a key that no clock may end, since NATS trust or the ledger itself stands on it.
    pub(crate) fn ends(&self, name: &Name) -> bool {
        self.note(Aggregate::Key, name);
        self.ledger.ends(name)
    }

    /// True of a key that custody made for a principal's tokens. It is so from the decision on that makes the key: the key's history is
    /// noted.
    pub(crate) fn is_escrowed(&self, name: &Name) -> bool {
        self.note(Aggregate::Key, name);
        self.ledger.is_escrowed(name)
    }

    /// The keys and users that bear a public key, the first first.
    pub(crate) fn bearers(&self, public: Fingerprint) -> Vec<&'a HistoryId> {
        self.note_group(Group::Bearers(public));
        let bearers: Vec<_> = self.ledger.bearers(public).collect();
        for bearer in &bearers {
            self.note(bearer.aggregate, &bearer.name);
        }
        bearers
    }

    /// True if a token made this public key: what was attested once is never attested anew.
    pub(crate) fn was_made_on_a_token(&self, public: Fingerprint) -> bool {
        let mut bearers = self.bearers(public).into_iter();
        bearers.any(|bearer| {
            let key = (bearer.aggregate == Aggregate::Key).then(|| self.ledger.key(&bearer.name));
            key.flatten()
                .is_some_and(|key| key.state.custodian == Custodian::Token)
        })
    }

    /// Who else bears a public key of this key.
    pub(crate) fn namesakes(&self, key: &Name) -> BTreeSet<&'a HistoryId> {
        let versions = self.key(key).map(|entry| &entry.state.versions);
        let publics = versions.into_iter().flatten().filter_map(|version| {
            Fingerprint::of_version(version.public_key.as_deref(), version.nkey.as_deref())
        });
        let bearers = publics.flat_map(|public| self.bearers(public));
        let is_other = |it: &&HistoryId| it.aggregate != Aggregate::Key || it.name != *key;
        bearers.filter(is_other).collect()
    }

    /// The keys that a principal owns.
    pub(crate) fn owned_by(&self, principal: &Name) -> Vec<(&'a Name, &'a Key)> {
        let keys = self.ledger.keys();
        let found = keys.filter(|(_, key)| key.state.owner.as_ref() == Some(principal));
        self.members(Group::OwnedBy(principal.clone()), Aggregate::Key, found)
    }

    /// The principals that `person` answers for.
    pub(crate) fn answered_by(&self, person: &Name) -> Vec<(&'a Name, &'a Principal)> {
        let all = self.ledger.principals();
        let found = all.filter(|(_, p)| p.state.responsible.as_ref() == Some(person));
        let group = Group::AnsweredBy(person.clone());
        self.members(group, Aggregate::Principal, found)
    }

    /// The users that stand for a principal.
    pub(crate) fn users_of(&self, principal: &Name) -> Vec<(&'a Name, &'a User)> {
        let users = self.ledger.users();
        let found = users.filter(|(_, user)| user.state.principal.as_ref() == Some(principal));
        self.members(Group::UsersOf(principal.clone()), Aggregate::User, found)
    }

    /// The users of an account.
    pub(crate) fn users_in(&self, account: &Name) -> Vec<(&'a Name, &'a User)> {
        let users = self.ledger.users();
        let found = users.filter(|(_, user)| user.state.account == *account);
        self.members(Group::UsersIn(account.clone()), Aggregate::User, found)
    }

    /// The users that are or were administrators.
    pub(crate) fn administrators(&self) -> Vec<(&'a Name, &'a User)> {
        let users = self.ledger.users();
        let found = users.filter(|(_, user)| user.state.role == Some(Role::Administrator));
        self.members(Group::Administrators, Aggregate::User, found)
    }

    /// The tokens that a principal holds.
    pub(crate) fn tokens_of(&self, principal: &Name) -> Vec<(&'a Name, &'a Token)> {
        let tokens = self.ledger.tokens();
        let found = tokens.filter(|(_, token)| token.state.principal.as_ref() == Some(principal));
        self.members(Group::TokensOf(principal.clone()), Aggregate::Token, found)
    }

    /// The tokens that were last seen at a workstation.
    pub(crate) fn seen_at(&self, workstation: &Name) -> Vec<(&'a Name, &'a Token)> {
        let tokens = self.ledger.tokens();
        let found = tokens.filter(|(_, t)| t.state.workstation.as_ref() == Some(workstation));
        self.members(Group::SeenAt(workstation.clone()), Aggregate::Token, found)
    }

    /// The tokens with a task for the agent of this nkey.
    pub(crate) fn tasks_of(&self, agent: &str) -> Vec<(&'a Name, &'a Token)> {
        let tokens = self.ledger.tokens();
        let is_its = |token: &Token| {
            let task = token.task.as_ref();
            task.is_some_and(|task| *task.filed.agent == *agent)
        };
        let found = tokens.filter(|(_, token)| is_its(&token.state));
        self.members(Group::TasksOf(agent.into()), Aggregate::Token, found)
    }
}

/// What a rule sees.
#[derive(Debug)]
pub struct Deciding<'a> {
    /// The ledger as it stands.
    pub(crate) ledger: Reader<'a>,
    /// The history that the command is for.
    pub target: &'a Target,
    /// The time. Never before the newest event of that history: a clock that was set back must not date what is decided before what it
    /// follows.
    pub now: Timestamp,
}

impl<'a> Deciding<'a> {
    pub(super) fn new(ledger: &'a Ledger, target: &'a Target, clock: Timestamp) -> Self {
        let ledger = ledger.reader();
        let head = ledger.head(target);
        Self {
            ledger,
            target,
            now: head.map_or(clock, |head| head.at.max(clock)),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'a Name {
        &self.target.name
    }

    /// Refuses a name that is taken.
    pub(crate) fn check_new(&self) -> Result<(), Rejection> {
        match self.ledger.head(self.target) {
            None => Ok(()),
            Some(_) => Err(Rejection::NameTaken(self.target.clone())),
        }
    }

    /// The key that the command is for.
    pub(crate) fn key(&self) -> Result<&'a Key, Rejection> {
        let entry = self.ledger.key(self.name());
        Ok(&entry.ok_or_else(|| self.not_found())?.state)
    }

    /// The principal that the command is for.
    pub(crate) fn principal(&self) -> Result<&'a Principal, Rejection> {
        let entry = self.ledger.principal(self.name());
        Ok(&entry.ok_or_else(|| self.not_found())?.state)
    }

    /// The operator that the command is for.
    pub(crate) fn operator(&self) -> Result<&'a Operator, Rejection> {
        let entry = self.ledger.operator(self.name());
        Ok(&entry.ok_or_else(|| self.not_found())?.state)
    }

    /// The account that the command is for.
    pub(crate) fn this_account(&self) -> Result<&'a Account, Rejection> {
        let entry = self.ledger.account(self.name());
        Ok(&entry.ok_or_else(|| self.not_found())?.state)
    }

    /// The user that the command is for.
    pub(crate) fn user(&self) -> Result<&'a User, Rejection> {
        let entry = self.ledger.user(self.name());
        Ok(&entry.ok_or_else(|| self.not_found())?.state)
    }

    /// The token that the command is for.
    pub(crate) fn token(&self) -> Result<&'a Token, Rejection> {
        self.serial()?;
        let entry = self.ledger.token(self.name());
        Ok(&entry.ok_or_else(|| self.not_found())?.state)
    }

    /// The serial number that the name of a token is.
    pub(crate) fn serial(&self) -> Result<token::Serial, Rejection> {
        token::Serial::of(self.name()).map_err(|e| Rejection::BadName {
            fault: e.to_string(),
        })
    }

    /// An account by its name.
    pub(crate) fn account(&self, name: &Name) -> Option<&'a Account> {
        self.ledger.account(name).map(|entry| &entry.state)
    }

    /// Refuses a principal that does not exist or acts no more; gives its kind.
    pub(crate) fn acting(&self, principal: &Name) -> Result<principal::Kind, Rejection> {
        self.ledger.check_acting(principal)
    }

    /// What writes these events to the history that the command is for.
    pub(crate) fn writes<E: Into<Event>>(&self, events: impl IntoIterator<Item = E>) -> Decision {
        let mut decision = Decision::default();
        decision.add(self.target, events);
        decision
    }

    fn not_found(&self) -> Rejection {
        Rejection::NotFound(self.target.clone())
    }
}
