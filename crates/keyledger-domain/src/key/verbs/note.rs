//! `key.note`.

use serde::{Deserialize, Serialize};

use crate::{
    command::body,
    event::{Event, VerbEvent},
    key::Key,
    ledger::{Deciding, Decision},
    rejection::Rejection,
    senders::Senders,
    text,
    time::Timestamp,
    verb::{Nothing, Urgency, Verb},
};

body! { Key "note", optional reason;
    /// Note a remark on a key: something that was seen or agreed, with its date; its history shows it
    Note {
        /// The remark.
        text: text::Note,
        /// The moment that the remark is about: not in the future and not before 1970; now if absent.
        at: Option<Timestamp>,
    }
}

/// A remark on a key was noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noted {
    /// The remark.
    pub text: text::Note,
    /// The moment that the remark is about.
    pub at: Timestamp,
}

impl VerbEvent<Key> for Noted {
    const TYPE: &'static str = "key.v1.noted";
    const ABOUT: &'static str = "A remark on it was noted.";

    /// It changes nothing about the key: who wants to know reads the history.
    fn evolve(&self, _key: &mut Key) {}
}

impl Verb for Note {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    /// In every state, also of a destroyed key: its record stays.
    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        on.key()?;
        let at = self.at.unwrap_or(on.now);
        let rule = match () {
            () if at > on.now => "it lies in the future",
            () if at < Timestamp::from_seconds(0) => "it lies before 1970: look at the year",
            () => {
                let text = self.text.clone();
                return Ok(on.writes([Noted { text, at }]));
            }
        };
        let (field, value) = ("at", at);
        Err(Rejection::BadDate { field, value, rule })
    }

    fn wrote(&self, first: &Event) -> bool {
        first.type_name() == <Noted as VerbEvent<Key>>::TYPE
    }
}
