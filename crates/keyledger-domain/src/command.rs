//! Commands: what is asked for, parsed at the edge into types that cannot be wrong in themselves.

use serde::de::DeserializeOwned;

use crate::{
    account, key,
    ledger::{Deciding, Decision},
    name::{Aggregate, HistoryId},
    operator, principal, private_key,
    record::{Record, Why},
    rejection::Rejection,
    stamp::Stamp,
    text, token, user,
    verb::{AnyVerb, Verb, VerbRow, VisitReport},
};

/// The history a command is for.
pub type Target = HistoryId;

/// The largest payload of a command, in bytes.
pub const MAX_COMMAND_BYTES: usize = 64 * 1024;
/// The largest payload of an agent's report, in bytes. The attestations and requests of RSA-4096 keys in all 24 slots have
/// some 72,000. It is less than the 131,072 of a message, so that one that is too large is answered.
pub const MAX_REPORT_BYTES: usize = 112 * 1024;

/// Makes the enums of all aggregates' commands: one line an aggregate, named after its module.
macro_rules! aggregates {
    ($( $(#[doc = $doc:literal])* $name:ident: $module:ident, )+) => {
        /// What is asked of an aggregate.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Command {
            $( $(#[doc = $doc])* $name($module::Command), )+
            /// Of a token, by an agent: sent as a report, not as a command.
            Report(Box<token::Reported>),
        }

        /// What is asked of an aggregate, with what was made for it.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Prepared {
            $( $(#[doc = $doc])* $name($module::Prepared), )+
            /// Of a token, by an agent.
            Report(Box<token::Reported>, <token::Reported as Verb>::Made),
        }

        impl Command {
            /// Every verb that can be sent, by aggregate.
            pub fn verbs() -> impl Iterator<Item = VerbRow> {
                [$($module::Command::VERBS,)+].into_iter().flatten().copied()
            }

            /// Reads the payload of the command `verb` of `aggregate`. An empty payload is an empty object.
            ///
            /// # Errors
            ///
            /// [`Rejection::UnknownVerb`], [`Rejection::PayloadTooLarge`] or [`Rejection::Malformed`], which names the field.
            pub fn parse(
                aggregate: Aggregate,
                verb: &str,
                payload: &[u8],
            ) -> Result<(Self, Why), Rejection> {
                let command = match aggregate {
                    $( Aggregate::$name => $module::Command::parse(verb, payload).map(Self::$name)?, )+
                };
                let why = command.any().why();
                Ok((command, why))
            }

            /// The command without the type of its verb.
            #[must_use]
            pub fn any(&self) -> &dyn AnyVerb {
                match self {
                    $( Self::$name(command) => command.any(), )+
                    Self::Report(reported) => &**reported,
                }
            }

            /// Lets the visitor do what needs the type of the verb.
            pub fn visit<Out, T>(self, visitor: T) -> Out
            where
                T: VisitReport<Out = Out> $( + $module::VisitEach<Out> )+,
            {
                match self {
                    $( Self::$name(command) => command.visit(visitor), )+
                    Self::Report(reported) => visitor.visit_report(reported),
                }
            }

            /// The command with nothing made for it: for most verbs that is all.
            #[must_use]
            pub fn bare(self) -> Prepared {
                match self {
                    $( Self::$name(command) => Prepared::$name(command.bare()), )+
                    Self::Report(reported) => Prepared::Report(reported, None),
                }
            }
        }

        impl Prepared {
            /// The command without the type of its verb.
            #[must_use]
            pub fn any(&self) -> &dyn AnyVerb {
                match self {
                    $( Self::$name(prepared) => prepared.any(), )+
                    Self::Report(reported, _) => &**reported,
                }
            }

            pub(crate) fn decide(&self, on: &Deciding<'_>) -> Result<Decision, Rejection> {
                match self {
                    $( Self::$name(prepared) => prepared.decide(on), )+
                    Self::Report(reported, made) => Verb::decide(&**reported, on, made),
                }
            }
        }
    };
}

aggregates! {
    /// Of a key.
    Key: key,
    /// Of a principal.
    Principal: principal,
    /// Of the operator.
    Operator: operator,
    /// Of an account.
    Account: account,
    /// Of a user.
    User: user,
    /// Of a token.
    Token: token,
}

impl Command {
    /// The verb.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        self.any().verb()
    }

    /// The kind of aggregate it is for.
    #[must_use]
    pub fn aggregate(&self) -> Aggregate {
        self.any().aggregate()
    }

    /// True if it is the command that wrote `first`, the first event under its id, and so is to be answered as it was then.
    #[must_use]
    pub fn is_retry_of(&self, first: &Record, sender: &Stamp) -> bool {
        self.any().is_retry_of(first, sender)
    }
}

/// Reads the JSON payload of a command or a question strictly; a fault names its field. Text in which nothing can be seen is a fault
/// wherever it stands.
///
/// # Errors
///
/// [`Rejection::PayloadTooLarge`] or [`Rejection::Malformed`].
pub fn parse_payload<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Rejection> {
    parse_within(MAX_COMMAND_BYTES, payload)
}

/// Reads the JSON payload of an agent's report, as [`parse_payload`] does.
///
/// # Errors
///
/// [`Rejection::PayloadTooLarge`] or [`Rejection::Malformed`].
pub fn parse_report(payload: &[u8]) -> Result<token::Report, Rejection> {
    parse_within(MAX_REPORT_BYTES, payload)
}

fn parse_within<T: DeserializeOwned>(max: usize, payload: &[u8]) -> Result<T, Rejection> {
    if payload.len() > max {
        return Err(Rejection::PayloadTooLarge {
            bytes: payload.len(),
            max,
        });
    }
    if let Some(found) = private_key::find_in_payload(payload) {
        return Err(Rejection::private(found.field, found.what));
    }
    if let Some(field) = text::unseen_field(payload) {
        let fault = text::NotALine::Empty.to_string();
        return Err(Rejection::Malformed { field, fault });
    }
    let blank = payload.iter().all(u8::is_ascii_whitespace);
    let payload = if blank { &b"{}"[..] } else { payload };
    let mut json = serde_json::Deserializer::from_slice(payload);
    let malformed = |field: String, fault: String| Rejection::Malformed {
        // `.` is the whole, and `?` what broke off before it could be placed.
        field: if field == "." || field == "?" {
            "payload".to_owned()
        } else {
            field
        },
        fault,
    };
    // serde would take a list for a struct, field by field: that is guessing.
    if payload.trim_ascii_start().first() != Some(&b'{') {
        let fault = "a JSON object is expected, like {\"reason\":\"…\"}".to_owned();
        return Err(malformed(".".to_owned(), fault));
    }
    let value = serde_path_to_error::deserialize(&mut json)
        .map_err(|e| malformed(e.path().to_string(), e.inner().to_string()))?;
    json.end()
        .map_err(|e| malformed(".".to_owned(), e.to_string()))?;
    Ok(value)
}

/// Makes the payload of a verb: its aggregate and verb, then the struct of its own fields, behind which `reason` and `ticket` come.
///
/// The struct's docstring says what the verb does, in a sentence. A field that may be absent has the type `Option<…>`; an unknown field is
/// refused.
macro_rules! body {
    ($aggregate:ident $verb:literal, optional reason; $($rest:tt)+) => {
        crate::command::body! { @ $aggregate $verb, Option<crate::text::Reason>; $($rest)+ }
    };
    ($aggregate:ident $verb:literal, required reason; $($rest:tt)+) => {
        crate::command::body! { @ $aggregate $verb, crate::text::Reason; $($rest)+ }
    };
    (@ $aggregate:ident $verb:literal, $reason:ty; $(#[doc = $doc:literal])* $name:ident {
        $( $(#[doc = $field_doc:literal])* $field:ident: $type:ty, )*
    }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[doc = $field_doc])*
                #[serde(skip_serializing_if = "crate::command::is_absent")]
                pub $field: $type,
            )*
            /// Why it is done.
            #[serde(skip_serializing_if = "crate::command::is_absent")]
            pub reason: $reason,
            /// The ticket it is done under.
            #[serde(skip_serializing_if = "crate::command::is_absent")]
            pub ticket: Option<crate::text::Ticket>,
        }

        impl crate::verb::Payload for $name {
            const AGGREGATE: crate::name::Aggregate = crate::name::Aggregate::$aggregate;
            const VERB: &'static str = $verb;
            const ABOUT: &'static str = concat!($($doc),*).trim_ascii_start();

            fn why(&self) -> crate::record::Why {
                crate::record::Why {
                    reason: self.reason.clone().into(),
                    ticket: self.ticket.clone(),
                }
            }
        }
    };
}
pub(crate) use body;

/// True of an `Option` without a value, and of nothing else: what a body leaves out when written.
pub(crate) fn is_absent<T: Absent>(value: &T) -> bool {
    value.absent()
}

/// What can be left out of a body.
pub(crate) trait Absent {
    /// True if it is.
    fn absent(&self) -> bool {
        false
    }
}

impl<T> Absent for Option<T> {
    fn absent(&self) -> bool {
        self.is_none()
    }
}

impl Absent for String {}
impl Absent for crate::name::Name {}
impl<const MAX: usize> Absent for crate::text::Line<MAX> {}
impl Absent for crate::algorithm::Algorithm {}
impl Absent for key::RevocationReason {}
impl Absent for key::Serial {}
impl Absent for principal::Kind {}
impl Absent for token::Profile {}
impl Absent for u16 {}
