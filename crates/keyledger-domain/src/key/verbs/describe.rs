//! `key.describe`.

use crate::{
    command::body,
    event::Event,
    key::{self, Classification, Description},
    ledger::{Deciding, Decision, Reader},
    name::Name,
    rejection::Rejection,
    senders::Senders,
    text::{Labels, Note, Title},
    verb::{Binds, Nothing, Urgency, Verb},
};

body! { Key "describe", optional reason;
    /// Describe a key: owner, classification, usage, handling, disposal, title, labels; what is absent stays as it is
    Describe {
        /// What people call it.
        title: Option<Title>,
        /// The principal that answers for it.
        owner: Option<Name>,
        /// How sensitive it is.
        classification: Option<Classification>,
        /// What it may be used for, in words.
        usage: Option<Note>,
        /// How it is to be handled.
        handling: Option<Note>,
        /// How it is to be disposed of.
        disposal: Option<Note>,
        /// Labels, by name; at most 32. They replace all there are.
        labels: Option<Labels>,
    }
}

impl Verb for Describe {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::AndServices;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        if let Some(owner) = &self.owner {
            on.acting(owner)?;
        }
        let key = on.key()?;
        let asked = Description {
            title: self.title.clone(),
            owner: self.owner.clone(),
            classification: self.classification,
            usage: self.usage.clone(),
            handling: self.handling.clone(),
            disposal: self.disposal.clone(),
            labels: self.labels.clone(),
        };
        if asked == Description::default() {
            return Err(Rejection::NothingToChange);
        }
        let event = key::Event::Described(asked);
        let mut after = key.clone();
        after.evolve(&event, key.created_at);
        Ok(on.writes((after != *key).then_some(event)))
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Key(key::Event::Described(_)))
    }

    fn binds(&self, _ledger: &Reader<'_>, _on: &Name) -> Binds<'_> {
        Binds {
            owner: self.owner.as_ref(),
            ..Binds::default()
        }
    }
}
