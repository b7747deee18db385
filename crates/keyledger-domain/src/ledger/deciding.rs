//! What a rule sees: the ledger, the history that a command is for, and the time.

use super::{Decision, Ledger};
use crate::{
    account::Account,
    command::Target,
    event::Event,
    key::Key,
    name::Name,
    operator::Operator,
    principal::{self, Principal},
    rejection::Rejection,
    time::Timestamp,
    token::{self, Token},
    user::User,
};

/// What a rule sees.
#[derive(Debug, Clone, Copy)]
pub struct Deciding<'a> {
    /// The ledger as it stands.
    pub ledger: &'a Ledger,
    /// The history that the command is for.
    pub target: &'a Target,
    /// The time. Never before the newest event of that history: a clock that was set back must not date what is decided before what it
    /// follows.
    pub now: Timestamp,
}

impl<'a> Deciding<'a> {
    pub(super) fn new(ledger: &'a Ledger, target: &'a Target, clock: Timestamp) -> Self {
        Self {
            ledger,
            target,
            now: ledger.head(target).map_or(clock, |head| head.at.max(clock)),
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
        let entry = self.ledger.operators.get(self.name());
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
