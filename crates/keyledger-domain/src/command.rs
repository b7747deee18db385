//! Commands: what is asked for, parsed at the edge into types that cannot be wrong in themselves.

use serde::de::DeserializeOwned;

use crate::{
    account, key,
    name::{Aggregate, HistoryId},
    operator, principal, private_key,
    record::Why,
    rejection::Rejection,
    text, token, user,
};

/// The history a command is for.
pub type Target = HistoryId;

/// The largest payload of a command, in bytes.
pub const MAX_COMMAND_BYTES: usize = 64 * 1024;
/// The largest payload of an agent's report, in bytes. The attestations and requests of RSA-4096 keys in all 24 slots have
/// some 72,000. It is less than the 131,072 of a message, so that one that is too large is answered.
pub const MAX_REPORT_BYTES: usize = 112 * 1024;

/// What is asked of an aggregate.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Of a key.
    Key(key::Command),
    /// Of a principal.
    Principal(principal::Command),
    /// Of the operator.
    Operator(operator::Command),
    /// Of an account.
    Account(account::Command),
    /// Of a user.
    User(user::Command),
    /// Of a token.
    Token(token::Command),
    /// Of a token, by an agent: sent as a report, not as a command.
    Report(Box<token::Reported>),
}

/// One verb of an aggregate: a row of the table of commands.
#[derive(Debug, Clone, Copy)]
pub struct Verb {
    /// The aggregate it belongs to.
    pub aggregate: Aggregate,
    /// The subject token.
    pub verb: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// The JSON Schema of its payload.
    pub schema: fn() -> schemars::Schema,
}

impl Command {
    /// True of one that may change an account's JWT: it counts only once servers hold the new one.
    #[must_use]
    pub const fn changes_account_jwts(&self) -> bool {
        use {principal::Command as P, token::Command as T, user::Command as U};
        match self {
            Self::Account(account::Command::Create(_))
            | Self::User(U::Revoke(_))
            | Self::Principal(P::Offboard(_))
            | Self::Token(T::Lose(_)) => true,
            Self::Key(_)
            | Self::Principal(_)
            | Self::Operator(_)
            | Self::User(_)
            | Self::Token(_)
            | Self::Report(_) => false,
        }
    }

    /// Every verb that can be sent, by aggregate.
    pub fn verbs() -> impl Iterator<Item = Verb> {
        [
            key::Command::VERBS,
            principal::Command::VERBS,
            operator::Command::VERBS,
            account::Command::VERBS,
            user::Command::VERBS,
            token::Command::VERBS,
        ]
        .into_iter()
        .flatten()
        .copied()
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
        Ok(match aggregate {
            Aggregate::Key => {
                let (command, why) = key::Command::parse(verb, payload)?;
                (Self::Key(command), why)
            }
            Aggregate::Principal => {
                let (command, why) = principal::Command::parse(verb, payload)?;
                (Self::Principal(command), why)
            }
            Aggregate::Operator => {
                let (command, why) = operator::Command::parse(verb, payload)?;
                (Self::Operator(command), why)
            }
            Aggregate::Account => {
                let (command, why) = account::Command::parse(verb, payload)?;
                (Self::Account(command), why)
            }
            Aggregate::User => {
                let (command, why) = user::Command::parse(verb, payload)?;
                (Self::User(command), why)
            }
            Aggregate::Token => {
                let (command, why) = token::Command::parse(verb, payload)?;
                (Self::Token(command), why)
            }
        })
    }

    /// The verb.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Key(command) => command.verb(),
            Self::Principal(command) => command.verb(),
            Self::Operator(command) => command.verb(),
            Self::Account(command) => command.verb(),
            Self::User(command) => command.verb(),
            Self::Token(command) => command.verb(),
            Self::Report(_) => token::Reported::VERB,
        }
    }

    /// The kind of aggregate it is for.
    #[must_use]
    pub const fn aggregate(&self) -> Aggregate {
        match self {
            Self::Key(_) => Aggregate::Key,
            Self::Principal(_) => Aggregate::Principal,
            Self::Operator(_) => Aggregate::Operator,
            Self::Account(_) => Aggregate::Account,
            Self::User(_) => Aggregate::User,
            Self::Token(_) | Self::Report(_) => Aggregate::Token,
        }
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

/// Makes the enum of an aggregate's commands with their verbs and schemas.
///
/// Every body is a struct with the fields `reason` and `ticket`; where the reason is required its type says so.
macro_rules! commands {
    ($aggregate:expr; $( $(#[doc = $doc:literal])* $verb:literal => $name:ident, )+) => {
        /// What is asked for.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(clippy::large_enum_variant)] // a command lives for one decision
        pub enum Command {
            $( $(#[doc = $doc])* $name($name), )+
        }

        impl Command {
            /// Every verb, with its schema.
            pub const VERBS: &'static [crate::command::Verb] = &[$(
                crate::command::Verb {
                    aggregate: $aggregate,
                    verb: $verb,
                    about: concat!($($doc),*).trim_ascii_start(),
                    schema: || schemars::schema_for!($name),
                },
            )+];

            /// The verb.
            #[must_use]
            pub const fn verb(&self) -> &'static str {
                match self { $(Self::$name(_) => $verb,)+ }
            }

            /// Reads the payload of `verb`.
            ///
            /// # Errors
            ///
            /// See [`crate::Command::parse`].
            pub fn parse(
                verb: &str,
                payload: &[u8],
            ) -> Result<(Self, crate::record::Why), crate::rejection::Rejection> {
                match verb {
                    $($verb => {
                        let body: $name = crate::command::parse_payload(payload)?;
                        let why = crate::record::Why {
                            reason: body.reason.clone().into(),
                            ticket: body.ticket.clone(),
                        };
                        Ok((Self::$name(body), why))
                    })+
                    _ => Err(crate::rejection::Rejection::UnknownVerb {
                        aggregate: $aggregate,
                        verb: verb.chars().take(80).collect(),
                    }),
                }
            }
        }
    };
}
pub(crate) use commands;

/// Makes the struct of a command's body: its own fields, then `reason` and `ticket`.
///
/// A field that may be absent has the type `Option<…>`; an unknown field is refused.
macro_rules! body {
    (optional reason; $($rest:tt)+) => {
        crate::command::body! { @ Option<crate::text::Reason>; $($rest)+ }
    };
    (required reason; $($rest:tt)+) => {
        crate::command::body! { @ crate::text::Reason; $($rest)+ }
    };
    (@ $reason:ty; $(#[doc = $doc:literal])* $name:ident {
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
