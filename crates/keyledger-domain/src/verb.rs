//! Verbs: what can be asked of an aggregate, each defined in one file of its own.
//!
//! A verb's file holds its payload (`body!`), and in its [`Verb`]: who may send it, what is made for it
//! outside of the rules, its rule, and by which event its retry is known. One line in the table of its aggregate (`verbs!`) makes it
//! exist. Parsing, schemas, `subjects.md`, the role templates, the endpoints, the client and the CLI follow from that.

use std::fmt;

use crate::{
    event::Event,
    ledger::{Deciding, Decision, Ledger, Reader},
    name::{Aggregate, HistoryId, Name},
    record::{Record, Why},
    rejection::Rejection,
    stamp::Stamp,
    template::TemplateVersion,
};

pub use crate::{binds::Binds, senders::Senders};

/// The payload of a command, or an agent's report: what `body!` writes.
pub trait Payload: Clone + fmt::Debug + PartialEq + Send + Sync + 'static {
    /// The aggregate it is for.
    const AGGREGATE: Aggregate;
    /// The verb: a token of the subject.
    const VERB: &'static str;
    /// What it does, in a sentence.
    const ABOUT: &'static str;

    /// Why it is sent.
    fn why(&self) -> Why;

    /// The history of the aggregate of this name.
    #[must_use]
    fn history(name: &Name) -> HistoryId {
        HistoryId::new(Self::AGGREGATE, name.clone())
    }
}

/// What a verb means.
pub trait Verb: Payload {
    /// What custody makes for it before it is decided, or what is found out for it about bytes from outside. Empty where nothing
    /// was made; [`Nothing`] for most verbs.
    type Made: Clone + fmt::Debug + PartialEq + Default + Send + Sync + 'static;

    /// What goes back to its sender beside the acknowledgement: [`Nothing`] for most.
    type Gives: 'static;

    /// Who may send it.
    const SENDERS: Senders;
    /// The first version of the templates that lets the roles of its senders send it; an administrator may send every command. A new verb
    /// for other roles says a version that no release had: [`TemplateVersion`] says why.
    const SINCE: TemplateVersion = TemplateVersion::V1;
    /// How pressing it is.
    const URGENCY: Urgency;
    /// True of one that may change an account's JWT: it is acknowledged only while servers can be made to hold the new one.
    const CHANGES_ACCOUNT_JWTS: bool = false;

    /// The rule: what is written, or why nothing is. Changes nothing.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] if the rule says no.
    fn decide(&self, on: &Deciding<'_>, made: &Self::Made) -> Result<Decision, Rejection>;

    /// True of the first event that it writes to the history it is for: by that a retry is known.
    fn wrote(&self, first: &Event) -> bool;

    /// True if it is the command that wrote `first`, the first event under its id, and so is to be answered as it was then.
    ///
    /// Of most commands the verb tells: their answer says only what was done. A command whose answer delivers a secret must come from the
    /// same sender, with the same receiver: nobody is given anything that the event does not say he was given.
    fn is_retry_of(&self, first: &Record, _sender: &Stamp) -> bool {
        self.wrote(&first.event)
    }

    /// What its sender would want to know beside the acknowledgement; `changed` is false where everything was so already.
    fn remarks(&self, _ledger: &Ledger, _on: &Name, _changed: bool) -> Vec<String> {
        Vec::new()
    }

    /// What it binds others by: names of principals and keys, and public keys.
    fn binds(&self, _ledger: &Reader<'_>, _on: &Name) -> Binds<'_> {
        Binds::default()
    }
}

/// A user's JWT, or its creds where custody made its nkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {}

/// What became of the certificate that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {}

/// Secrets, sealed to the curve key that the event names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedSecrets {}

/// A verb that stands in the table of its aggregate.
pub trait InTable: Verb {
    /// Any verb of the aggregate.
    type Command;
    /// Any verb of the aggregate, with what was made for it.
    type Prepared;

    /// The verb as one of its aggregate.
    fn into_command(self) -> Self::Command;

    /// The verb as one of its aggregate, with what was made for it.
    fn into_prepared(self, made: Self::Made) -> Self::Prepared;
}

/// What is done with a command of any verb, where its types are needed.
pub trait Visit<V> {
    /// The result.
    type Out;

    /// Visits the verb.
    fn visit(self, verb: V) -> Self::Out;
}

/// Nothing is made for a command, or given with its acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Nothing;

/// How pressing a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// It takes trust away: it has places, a connection and a reserve of its own, and goes before everything that waits.
    TakesTrustAway,
    /// It waits its turn.
    Usual,
}

/// A verb without its types: a row of the table of commands.
#[derive(Debug, Clone, Copy)]
pub struct VerbRow {
    /// The aggregate it belongs to.
    pub aggregate: Aggregate,
    /// The subject token.
    pub verb: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// Who may send it.
    pub senders: Senders,
    /// The first version of the templates that lets them.
    pub since: TemplateVersion,
    /// How pressing it is.
    pub urgency: Urgency,
    /// The JSON Schema of its payload.
    pub schema: fn() -> schemars::Schema,
}

impl VerbRow {
    /// The row of a verb.
    #[must_use]
    pub const fn of<V: Verb + schemars::JsonSchema>() -> Self {
        Self {
            aggregate: V::AGGREGATE,
            verb: V::VERB,
            about: V::ABOUT,
            senders: V::SENDERS,
            since: V::SINCE,
            urgency: V::URGENCY,
            schema: || schemars::schema_for!(V),
        }
    }
}

/// A command of any verb, as what treats all verbs alike sees it.
pub trait AnyVerb: fmt::Debug {
    /// The aggregate it is for.
    fn aggregate(&self) -> Aggregate;
    /// Its verb.
    fn verb(&self) -> &'static str;
    /// Who may send it.
    fn senders(&self) -> Senders;
    /// How pressing it is.
    fn urgency(&self) -> Urgency;
    /// See [`Verb::CHANGES_ACCOUNT_JWTS`].
    fn changes_account_jwts(&self) -> bool;
    /// See [`Payload::why`].
    fn why(&self) -> Why;
    /// See [`Verb::is_retry_of`].
    fn is_retry_of(&self, first: &Record, sender: &Stamp) -> bool;
    /// See [`Verb::remarks`].
    fn remarks(&self, ledger: &Ledger, on: &Name, changed: bool) -> Vec<String>;
    /// See [`Verb::binds`].
    fn binds(&self, ledger: &Reader<'_>, on: &Name) -> Binds<'_>;
}

impl<V: Verb> AnyVerb for V {
    fn aggregate(&self) -> Aggregate {
        V::AGGREGATE
    }

    fn verb(&self) -> &'static str {
        V::VERB
    }

    fn senders(&self) -> Senders {
        V::SENDERS
    }

    fn urgency(&self) -> Urgency {
        V::URGENCY
    }

    fn changes_account_jwts(&self) -> bool {
        V::CHANGES_ACCOUNT_JWTS
    }

    fn why(&self) -> Why {
        Payload::why(self)
    }

    fn is_retry_of(&self, first: &Record, sender: &Stamp) -> bool {
        Verb::is_retry_of(self, first, sender)
    }

    fn remarks(&self, ledger: &Ledger, on: &Name, changed: bool) -> Vec<String> {
        Verb::remarks(self, ledger, on, changed)
    }

    fn binds(&self, ledger: &Reader<'_>, on: &Name) -> Binds<'_> {
        Verb::binds(self, ledger, on)
    }
}
