//! The ledger in memory: the fold of every event ever written, and the decisions made against it.

mod authority;
mod decide;
mod fold;
mod seal;

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use authority::{Claimed, Known, SERVICE_VERBS};
pub use decide::{Decision, Facts, MAX_EVENTS, Made, Outcome};
pub use fold::{Applied, ChainBreak};
pub use seal::Sealed;

use crate::{
    account::Account,
    cid::EventCid,
    key::Key,
    name::{Aggregate, HistoryId, Name},
    operator::Operator,
    principal::Principal,
    time::Timestamp,
    user::User,
};

/// Where a history stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its newest revision.
    pub revision: u32,
    /// The CID of that revision.
    pub cid: EventCid,
    /// When it happened.
    pub at: Timestamp,
    /// Its sequence in the stream: for compare-and-set only, never an identity. 0 if not stored yet.
    pub sequence: u64,
}

/// An aggregate's state with the head of its history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry<S> {
    /// Where its history stands.
    pub head: Head,
    /// What the history made of it.
    pub state: S,
}

/// What is remembered of a command for ever, so that its retry gets the same acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The history it was for.
    pub history: HistoryId,
    /// The last revision it wrote there.
    pub revision: u32,
    /// The state it left: an index into [`Ledger::STATES`].
    pub state: u8,
    /// The stream sequence of that revision, where the event can be read again.
    pub sequence: u64,
}

/// The fold of every event, by aggregate; a pure function of the events in their order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    keys: HashMap<Name, Box<Entry<Key>>>,
    principals: HashMap<Name, Box<Entry<Principal>>>,
    operators: HashMap<Name, Box<Entry<Operator>>>,
    accounts: HashMap<Name, Box<Entry<Account>>>,
    users: HashMap<Name, Box<Entry<User>>>,
    /// Command ids to what they did.
    commands: HashMap<Uuid, Remembered>,
    /// User nkeys to their names.
    user_nkeys: HashMap<Box<str>, Name>,
    /// Account nkeys to their names.
    account_nkeys: HashMap<Box<str>, Name>,
    /// Keys that NATS trust stands on, with what stands on them.
    trust: HashMap<Name, HistoryId>,
    /// What falls due, soonest first.
    due: BTreeSet<(Timestamp, Name)>,
    /// How many events were folded.
    events: u64,
}

impl Ledger {
    /// Every state an acknowledgement can name, in a fixed order: only ever added to.
    pub const STATES: [&'static str; 11] = [
        "pre-active",
        "active",
        "suspended",
        "deactivated",
        "compromised",
        "destroyed",
        "destroyed-compromised",
        "registered",
        "offboarded",
        "issued",
        "revoked",
    ];

    /// An empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many events were folded.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// The key `name`.
    #[must_use]
    pub fn key(&self, name: &Name) -> Option<&Entry<Key>> {
        self.keys.get(name).map(|e| &**e)
    }

    /// All keys, in no order.
    pub fn keys(&self) -> impl Iterator<Item = (&Name, &Entry<Key>)> {
        self.keys.iter().map(|(name, entry)| (name, &**entry))
    }

    /// The principal `name`.
    #[must_use]
    pub fn principal(&self, name: &Name) -> Option<&Entry<Principal>> {
        self.principals.get(name).map(|e| &**e)
    }

    /// All principals, in no order.
    pub fn principals(&self) -> impl Iterator<Item = (&Name, &Entry<Principal>)> {
        self.principals.iter().map(|(name, entry)| (name, &**entry))
    }

    /// The operator: there is one in a ledger.
    #[must_use]
    pub fn operator(&self) -> Option<(&Name, &Entry<Operator>)> {
        self.operators
            .iter()
            .next()
            .map(|(name, entry)| (name, &**entry))
    }

    /// The account `name`.
    #[must_use]
    pub fn account(&self, name: &Name) -> Option<&Entry<Account>> {
        self.accounts.get(name).map(|e| &**e)
    }

    /// All accounts, in no order.
    pub fn accounts(&self) -> impl Iterator<Item = (&Name, &Entry<Account>)> {
        self.accounts.iter().map(|(name, entry)| (name, &**entry))
    }

    /// The name of the account with this public nkey.
    #[must_use]
    pub fn account_of_nkey(&self, nkey: &str) -> Option<&Name> {
        self.account_nkeys.get(nkey)
    }

    /// The user `name`.
    #[must_use]
    pub fn user(&self, name: &Name) -> Option<&Entry<User>> {
        self.users.get(name).map(|e| &**e)
    }

    /// All users, in no order.
    pub fn users(&self) -> impl Iterator<Item = (&Name, &Entry<User>)> {
        self.users.iter().map(|(name, entry)| (name, &**entry))
    }

    /// The name of the user with this public nkey.
    #[must_use]
    pub fn user_of_nkey(&self, nkey: &str) -> Option<&Name> {
        self.user_nkeys.get(nkey)
    }

    /// What NATS trust stands on the key `name`.
    #[must_use]
    pub fn trust_on(&self, name: &Name) -> Option<&HistoryId> {
        self.trust.get(name)
    }

    /// What was done by the command with this id.
    #[must_use]
    pub fn remembered(&self, command: &Uuid) -> Option<&Remembered> {
        self.commands.get(command)
    }

    /// Where a history stands; nothing if it has not begun.
    #[must_use]
    pub fn head(&self, history: &HistoryId) -> Option<Head> {
        let name = &history.name;
        match history.aggregate {
            Aggregate::Key => self.keys.get(name).map(|e| e.head),
            Aggregate::Principal => self.principals.get(name).map(|e| e.head),
            Aggregate::Operator => self.operators.get(name).map(|e| e.head),
            Aggregate::Account => self.accounts.get(name).map(|e| e.head),
            Aggregate::User => self.users.get(name).map(|e| e.head),
        }
    }

    /// The state of an aggregate in one word; nothing if it does not exist.
    #[must_use]
    pub fn state(&self, history: &HistoryId) -> Option<&'static str> {
        let name = &history.name;
        match history.aggregate {
            Aggregate::Key => self.keys.get(name).map(|e| e.state.state.as_str()),
            Aggregate::Principal => self.principals.get(name).map(|e| {
                if e.state.offboarded_at.is_some() {
                    "offboarded"
                } else {
                    "registered"
                }
            }),
            Aggregate::Operator => self.operators.get(name).map(|_| "active"),
            Aggregate::Account => self.accounts.get(name).map(|_| "active"),
            Aggregate::User => self.users.get(name).map(|e| {
                if e.state.revoked_at.is_some() {
                    "revoked"
                } else {
                    "issued"
                }
            }),
        }
    }

    /// The keys for which something is due at `now`, soonest first.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = &Name> {
        self.due
            .iter()
            .take_while(move |(at, _)| *at <= now)
            .map(|(_, name)| name)
    }

    /// The next moment at which something falls due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }
}

impl Remembered {
    /// The state it left, in a word.
    #[must_use]
    pub fn state(&self) -> &'static str {
        Ledger::STATES
            .get(usize::from(self.state))
            .copied()
            .unwrap_or_default()
    }
}
