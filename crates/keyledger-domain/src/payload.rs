//! Payloads of commands: how they are written down, and how they are read.

use serde::de::DeserializeOwned;

use crate::{key, principal, private_key, rejection::Rejection, text, token};

/// The largest payload of a command, in bytes.
pub const MAX_COMMAND_BYTES: usize = 64 * 1024;
/// The largest payload of an agent's report, in bytes. The attestations and requests of RSA-4096 keys in all 24 slots have
/// some 72,000. It is less than the 131,072 of a message, so that one that is too large is answered.
pub const MAX_REPORT_BYTES: usize = 112 * 1024;

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
        crate::payload::body! { @ $aggregate $verb, Option<crate::text::Reason>; $($rest)+ }
    };
    ($aggregate:ident $verb:literal, required reason; $($rest:tt)+) => {
        crate::payload::body! { @ $aggregate $verb, crate::text::Reason; $($rest)+ }
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
                #[serde(skip_serializing_if = "crate::payload::is_absent")]
                pub $field: $type,
            )*
            /// Why it is done.
            #[serde(skip_serializing_if = "crate::payload::is_absent")]
            pub reason: $reason,
            /// The ticket it is done under.
            #[serde(skip_serializing_if = "crate::payload::is_absent")]
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
