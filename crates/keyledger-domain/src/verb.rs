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
};

pub use crate::senders::Senders;

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

/// What is done with a command of any verb, where its types are needed.
pub trait Visit<V> {
    /// The result.
    type Out;

    /// Visits the verb.
    fn visit(self, verb: V) -> Self::Out;
}

/// What is done with an agent's report, where other commands are visited.
pub trait VisitReport {
    /// The result.
    type Out;

    /// Visits the report.
    fn visit_report(self, reported: Box<crate::token::Reported>) -> Self::Out;
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

/// What a command about a key binds others by. Services may bind only themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Binds<'a> {
    /// The principal that is to answer for the key.
    pub owner: Option<&'a Name>,
    /// The key above it.
    pub parent: Option<&'a Name>,
    /// The public key that it brings.
    pub public: Option<crate::ledger::Fingerprint>,
    /// True if it is to have a certificate, which vouches for it.
    pub certifies: bool,
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

/// Makes the table of an aggregate's verbs, in the order in which `subjects.md` shows them: one line a verb, each in the module of this
/// name. `writes` names the event that the verb's file defines; the others stand in the aggregate's table of events.
macro_rules! verbs {
    ($aggregate:ident; $( $module:ident => $name:ident $(writes $event:ident)?, )+) => {
        $( mod $module; )+
        $( pub use $module::*; )+

        /// What is asked for.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(clippy::large_enum_variant)] // a command lives for one decision
        pub enum Command {
            $( #[allow(missing_docs)] $name($name), )+
        }

        /// What is asked for, with what was made for it.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(clippy::large_enum_variant)] // a command lives for one decision
        pub enum Prepared {
            $( #[allow(missing_docs)] $name($name, <$name as crate::verb::Verb>::Made), )+
        }

        /// Visits each verb of this aggregate.
        pub trait VisitEach<Out>: $( crate::verb::Visit<$name, Out = Out> + )+ {}

        impl<Out, T> VisitEach<Out> for T where T: $( crate::verb::Visit<$name, Out = Out> + )+ {}

        impl Command {
            /// Every verb, with its schema.
            pub const VERBS: &'static [crate::verb::VerbRow] = &[
                $( crate::verb::VerbRow::of::<$name>(), )+
            ];

            /// Reads the payload of `verb`.
            ///
            /// # Errors
            ///
            /// See [`crate::Command::parse`].
            pub fn parse(
                verb: &str,
                payload: &[u8],
            ) -> Result<Self, crate::rejection::Rejection> {
                use crate::verb::Payload;
                match verb {
                    $( <$name as Payload>::VERB =>
                        crate::command::parse_payload(payload).map(Self::$name), )+
                    _ => Err(crate::rejection::Rejection::UnknownVerb {
                        aggregate: crate::name::Aggregate::$aggregate,
                        verb: verb.chars().take(80).collect(),
                    }),
                }
            }

            /// The verb without its type.
            #[must_use]
            pub const fn any(&self) -> &dyn crate::verb::AnyVerb {
                match self { $( Self::$name(verb) => verb, )+ }
            }

            /// Lets the visitor do what needs the type of the verb.
            pub fn visit<Out, T: VisitEach<Out>>(self, visitor: T) -> Out {
                match self { $( Self::$name(verb) => crate::verb::Visit::visit(visitor, verb), )+ }
            }

            /// The verb with nothing made for it.
            #[must_use]
            pub fn bare(self) -> Prepared {
                match self { $( Self::$name(verb) => Prepared::$name(verb, Default::default()), )+ }
            }
        }

        impl Prepared {
            /// The verb without its type.
            #[must_use]
            pub const fn any(&self) -> &dyn crate::verb::AnyVerb {
                match self { $( Self::$name(verb, _) => verb, )+ }
            }

            pub(crate) fn decide(
                &self,
                on: &crate::ledger::Deciding<'_>,
            ) -> Result<crate::ledger::Decision, crate::rejection::Rejection> {
                match self { $( Self::$name(verb, made) => crate::verb::Verb::decide(verb, on, made), )+ }
            }
        }

        /// The events that the files of verbs define.
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        #[serde(untagged)]
        pub enum VerbEvents {
            $( $( #[allow(missing_docs)] $event($event), )? )+
        }

        impl VerbEvents {
            /// Their types, with what they mean.
            pub const TYPES: &'static [(&'static str, &'static str)] = &[
                $( $( (
                    <$event as crate::event::VerbEvent<super::$aggregate>>::TYPE,
                    <$event as crate::event::VerbEvent<super::$aggregate>>::ABOUT,
                ), )? )+
            ];

            /// The versioned type.
            #[must_use]
            pub const fn type_name(&self) -> &'static str {
                match *self {
                    $( $( Self::$event(_) => <$event as crate::event::VerbEvent<super::$aggregate>>::TYPE, )? )+
                }
            }

            /// Reads a stored body.
            ///
            /// # Errors
            ///
            /// [`Unreadable`](crate::event::Unreadable) if the type is unknown or the body does not fit it.
            pub fn read(type_name: &str, _body: &[u8]) -> Result<Self, crate::event::Unreadable> {
                $( $(
                    if type_name == <$event as crate::event::VerbEvent<super::$aggregate>>::TYPE {
                        return crate::event::read_body(type_name, _body).map(Self::$event);
                    }
                )? )+
                Err(crate::event::Unreadable::Type(type_name.chars().take(80).collect()))
            }

            /// See [`VerbEvent::joins`](crate::event::VerbEvent::joins).
            pub(crate) fn joins(&self) -> Vec<crate::group::Group> {
                match *self {
                    $( $( Self::$event(ref event) => crate::event::VerbEvent::joins(event), )? )+
                }
            }

            /// Folds it into the state. Never fails.
            pub(crate) fn evolve(&self, _state: &mut super::$aggregate) {
                match *self {
                    $( $( Self::$event(ref event) => crate::event::VerbEvent::evolve(event, _state), )? )+
                }
            }
        }

        $( $(
            impl From<$event> for crate::Event {
                fn from(event: $event) -> Self {
                    Self::$aggregate(super::Event::OfVerb(VerbEvents::$event(event)))
                }
            }
        )? )+

        $(
            impl From<$name> for crate::Command {
                fn from(verb: $name) -> Self {
                    Self::$aggregate(Command::$name(verb))
                }
            }

            impl From<($name, <$name as crate::verb::Verb>::Made)> for crate::Prepared {
                fn from((verb, made): ($name, <$name as crate::verb::Verb>::Made)) -> Self {
                    Self::$aggregate(Prepared::$name(verb, made))
                }
            }
        )+
    };
}
pub(crate) use verbs;
