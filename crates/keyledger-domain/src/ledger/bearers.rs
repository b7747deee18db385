//! Who bears a public key: the names under which it came into the ledger, and whether it was compromised under one of them.
//!
//! A name is used once, and a key pair may come again under another one: what was compromised stays so whatever it is called.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{group::Fingerprint, name::HistoryId};

/// Public keys to those that bear them. Nearly every one has a single bearer, and millions pay for the place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Bearers {
    pub(super) first: HashMap<Fingerprint, HistoryId>,
    /// Those behind the first, in the order in which they came.
    pub(super) others: HashMap<Fingerprint, Vec<HistoryId>>,
}

impl Bearers {
    pub(super) fn add(&mut self, public: Option<Fingerprint>, bearer: &HistoryId) {
        let Some(public) = public else { return };
        let first = self.first.entry(public).or_insert_with(|| bearer.clone());
        if first == bearer {
            return;
        }
        let others = self.others.entry(public).or_default();
        if !others.contains(bearer) {
            others.push(bearer.clone());
        }
    }
}
