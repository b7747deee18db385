//! What is wrong with trust at this moment: what the resolver saw on the servers, and which keys do not open.
//!
//! Commands are refused by it, and `keyledger doctor` shows it.

use std::{collections::BTreeMap, sync::Arc};

use keyledger_domain::{Name, Timestamp};
use parking_lot::RwLock;

/// What is wrong, shared by those who find it out and those who act on it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct TrustHealth(Arc<RwLock<State>>);

#[derive(Debug, Default)]
struct State {
    ahead: BTreeMap<Name, Ahead>,
    unpushed: BTreeMap<Name, String>,
    keys: BTreeMap<Name, String>,
    restored: BTreeMap<Name, Timestamp>,
    foreign: BTreeMap<Name, Foreign>,
    deaf: bool,
    refused: bool,
}

/// A server holds a newer JWT of an account, signed by this operator, than the ledger ever made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    /// The `iat` of the newest one held, in seconds.
    pub held: i64,
    /// The `iat` of the ledger's, in seconds.
    pub known: i64,
}

/// Somebody else pushed an account's JWT, or lost one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// How often since this instance started.
    pub times: u32,
    /// When it was noticed last.
    pub last_at: Timestamp,
    /// What it was.
    pub what: &'static str,
}

impl TrustHealth {
    /// Why no command may be taken; nothing if the servers bear the ledger out.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let state = self.0.read();
        let (name, ahead) = state.ahead.first_key_value()?;
        Some(format!(
            "servers hold a JWT of account {name}, signed by this operator at {}, that is newer than the ledger's of {}: \
             the ledger was rolled back, or somebody else signs with the operator's key",
            Timestamp::from_seconds(ahead.held),
            Timestamp::from_seconds(ahead.known),
        ))
    }

    /// Why a change of an account would reach no server; nothing if it would.
    #[must_use]
    pub fn unenforceable(&self, account: &Name) -> Option<String> {
        let state = self.0.read();
        let said = state.unpushed.get(account)?;
        Some(format!(
            "the JWT of account {account} does not reach the servers: {said}"
        ))
    }

    /// Accounts of which servers hold newer JWTs than the ledger made.
    #[must_use]
    pub fn ahead(&self) -> BTreeMap<Name, Ahead> {
        self.0.read().ahead.clone()
    }

    /// Accounts whose JWTs do not reach the servers, with why.
    #[must_use]
    pub fn unpushed(&self) -> BTreeMap<Name, String> {
        self.0.read().unpushed.clone()
    }

    /// Trust keys that do not open, with why.
    #[must_use]
    pub fn keys(&self) -> BTreeMap<Name, String> {
        self.0.read().keys.clone()
    }

    /// Trust keys that were restored from the organisation's directory.
    #[must_use]
    pub fn restored(&self) -> BTreeMap<Name, Timestamp> {
        self.0.read().restored.clone()
    }

    /// Accounts whose JWTs somebody else pushed.
    #[must_use]
    pub fn foreign(&self) -> BTreeMap<Name, Foreign> {
        self.0.read().foreign.clone()
    }

    /// True if pushes by others are not heard of: the creds of the system account's user do not allow it.
    #[must_use]
    pub fn is_deaf(&self) -> bool {
        self.0.read().deaf
    }

    /// True while the servers refuse this instance in the system account.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.0.read().refused
    }

    /// Notes what servers hold beyond the ledger; true if that is new.
    pub(super) fn set_ahead(&self, account: &Name, ahead: Ahead) -> bool {
        let before = self.0.write().ahead.insert(account.clone(), ahead);
        before != Some(ahead)
    }

    /// The servers hold nothing beyond the ledger any more.
    pub(super) fn clear_ahead(&self, account: &Name) {
        // Looked at first: each comparison says so.
        if self.0.read().ahead.contains_key(account) {
            self.0.write().ahead.remove(account);
            tracing::info!(%account, "no server holds a newer JWT than the ledger any more");
        }
    }

    /// Notes why a JWT does not reach the servers; nothing if it does.
    pub(super) fn set_unpushed(&self, account: &Name, said: Option<String>) {
        match said {
            Some(said) => {
                self.0.write().unpushed.insert(account.clone(), said);
            }
            None if self.0.read().unpushed.contains_key(account) => {
                self.0.write().unpushed.remove(account);
            }
            None => {}
        }
    }

    /// Notes which trust keys do not open.
    pub(super) fn set_keys(&self, keys: BTreeMap<Name, String>) {
        self.0.write().keys = keys;
    }

    /// Notes that a trust key's material was written anew.
    pub(super) fn add_restored(&self, key: &Name, at: Timestamp) {
        self.0.write().restored.insert(key.clone(), at);
    }

    /// Counts a push by somebody else.
    pub(super) fn add_foreign(&self, account: &Name, what: &'static str, at: Timestamp) {
        let mut state = self.0.write();
        let counted = state.foreign.entry(account.clone()).or_insert(Foreign {
            times: 0,
            last_at: at,
            what,
        });
        counted.times = counted.times.saturating_add(1);
        counted.last_at = at;
        counted.what = what;
    }

    /// Notes whether pushes by others are heard of.
    pub(crate) fn set_deaf(&self, deaf: bool) {
        self.0.write().deaf = deaf;
    }

    /// Notes whether the servers refuse this instance in the system account.
    pub(crate) fn set_refused(&self, refused: bool) {
        self.0.write().refused = refused;
    }
}
