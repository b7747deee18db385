//! The states of all histories, by aggregate: one map each, from the table of aggregates.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Fingerprint;
use crate::{
    cid::EventCid,
    folded::Folded,
    name::{Aggregate, HistoryId, Name},
    time::Timestamp,
    word::Word,
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

macro_rules! states {
    ($( $(#[doc = $doc:literal])* $name:ident: $module:ident, $all:ident, $example:literal; )+) => {
        /// The states of all histories.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub(super) struct States {
            $( pub(super) $all: HashMap<Name, Box<Entry<crate::$module::$name>>>, )+
        }

        impl States {
            /// Where a history stands.
            pub(super) fn head(&self, history: &HistoryId) -> Option<Head> {
                match history.aggregate {
                    $( Aggregate::$name => self.$all.get(&history.name).map(|e| e.head), )+
                }
            }

            /// The state of an aggregate, as its place among those of its kind.
            pub(super) fn place(&self, history: &HistoryId) -> Option<u8> {
                match history.aggregate {
                    $( Aggregate::$name => self.$all.get(&history.name).map(|e| place(&e.state)), )+
                }
            }

            /// The public keys that an aggregate bears.
            pub(super) fn public_keys(&self, history: &HistoryId) -> Vec<Fingerprint> {
                match history.aggregate {
                    $( Aggregate::$name => {
                        let entry = self.$all.get(&history.name);
                        entry.map(|e| e.state.public_keys()).unwrap_or_default()
                    } )+
                }
            }

            /// All that is known of an aggregate.
            pub(super) fn face(&self, history: &HistoryId) -> Option<serde_json::Value> {
                match history.aggregate {
                    $( Aggregate::$name => {
                        let entry = self.$all.get(&history.name)?;
                        serde_json::to_value(&entry.state).ok()
                    } )+
                }
            }
        }

        /// The word of a state of an aggregate, by its place.
        pub(super) fn word_at(aggregate: Aggregate, place: u8) -> &'static str {
            match aggregate {
                $( Aggregate::$name => word::<crate::$module::$name>(place), )+
            }
        }
    };
}
aggregates! { states }

fn place<S: Folded>(state: &S) -> u8 {
    let state = state.state();
    let place = S::State::ALL.iter().position(|known| *known == state);
    place
        .and_then(|place| u8::try_from(place).ok())
        .unwrap_or(u8::MAX)
}

fn word<S: Folded>(place: u8) -> &'static str {
    let state = S::State::ALL.get(usize::from(place));
    state.map_or("unknown", |state| state.as_str())
}
