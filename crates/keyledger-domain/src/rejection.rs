//! Rejections: a rule says no. The caller's to fix, never retried unchanged.

use std::fmt;

use crate::{
    algorithm::{Algorithm, Purposes},
    key::{RevocationReason, State},
    name::{Aggregate, HistoryId, Name},
    private_key::PrivateKey,
    text::Reason,
    time::Timestamp,
};

/// Makes the enum of rejections: one block a reason, with its code, what to do, and the rejections that have it.
macro_rules! rejections {
    ($( $reason:expr, $code:literal, $remedy:literal => {
        $( $(#[$about:meta])* $name:ident $( { $($fields:tt)* } )? $( ( $($field:tt)* ) )?, )+
    } )+) => {
        /// Why a command or a query was refused. Nothing was written.
        ///
        /// [`Rejection::reason`] is stable: programs match on it. The sentence is for people and may change.
        #[derive(Debug, Clone, PartialEq, thiserror::Error)]
        #[non_exhaustive]
        pub enum Rejection {
            $( $( $(#[$about])* $name $( { $($fields)* } )? $( ( $($field)* ) )?, )+ )+
        }

        impl Rejection {
            /// Every reason with its code and what to do: the table of the documents.
            pub const TABLE: &'static [(&'static str, u16, &'static str)] =
                &[$( ($reason, $code, $remedy), )+];

            /// The stable name of the rule.
            #[must_use]
            pub const fn reason(&self) -> &'static str {
                match self {
                    $( $( Self::$name { .. } )|+ => $reason, )+
                }
            }

            /// Its code on the wire, 400 to 499.
            #[must_use]
            pub const fn code(&self) -> u16 {
                match self {
                    $( $( Self::$name { .. } )|+ => $code, )+
                }
            }
        }
    };
}

rejections! {
    "malformed", 400, "the payload does not fit the verb's schema; the message names the field" => {
        /// The payload is not the JSON that the verb's schema asks for.
        #[error("field {field}: {fault}")]
        Malformed {
            /// The path of the field, or `payload`.
            field: String,
            /// What was found and what was expected.
            fault: String,
        },
    }
    "payload_too_large", 413, "send at most 65,536 bytes; an agent's report may have 114,688" => {
        /// The payload is larger than a command or a report may be.
        #[error("the payload has {bytes} bytes, and at most {max} are allowed")]
        PayloadTooLarge {
            /// How many there were.
            bytes: usize,
            /// How many may be.
            max: usize,
        },
    }
    "bad_name", 400, "a name is `[a-z0-9][a-z0-9_-]{0,62}`; a token's is its serial number" => {
        /// The subject's last token is not a name.
        #[error("{fault}")]
        BadName {
            /// What is wrong with it.
            fault: String,
        },
    }
    "bad_header", 400, "a `CIM-*` header is not a UUID, a token signature's header cannot be read or is alone, or one is there twice" => {
        /// A header of the command cannot be read.
        #[error("header {header}: {fault}")]
        BadHeader {
            /// Which one.
            header: &'static str,
            /// What is wrong with it.
            fault: String,
        },
    }
    "unknown_verb", 404, "`nats micro info keyledger` lists the commands" => {
        /// No aggregate has this verb.
        #[error("{aggregate} has no command {verb:?}: `nats micro info keyledger` lists those it has")]
        UnknownVerb {
            /// The aggregate named.
            aggregate: Aggregate,
            /// The verb asked for.
            verb: String,
        },
    }
    "unidentified", 401, "import the service with `share: true`; nats-server then says who sends" => {
        /// nats-server did not say who sent it: the sender's account does not import the service with `share: true`.
        #[error(
            "nobody vouches for the sender: import the service with `share: true` and send to the imported subject"
        )]
        Unidentified,
    }
    "unauthorised", 403, "use credentials of a role that may do it, issued by this organisation" => {
        /// The sender is known to nats-server but has no authority here.
        #[error("the sender may not do this: {why}")]
        Unauthorised {
            /// Which authority is missing.
            why: String,
        },
    }
    "bad_signature", 403, "sign this very command anew, with a key in 9c or 9a of your own provisioned token" => {
        /// The command's token signature does not count: it is none over this command, or not by a key that signs for the sender now.
        #[error("the token signature does not count: {why}")]
        BadSignature {
            /// What is wrong with it.
            why: String,
        },
    }
    "token_signature_required", 403, "repeat it with `--sign-with piv:9c` where your token is plugged in; the service was started to ask for that" => {
        /// The command is taken only with a signature by a key on the sender's token.
        #[error(
            "`{aggregate}.{verb}` must be signed by a key on your token: `keyledger … --sign-with piv:9c`"
        )]
        TokenSignatureRequired {
            /// The aggregate.
            aggregate: Aggregate,
            /// What was asked.
            verb: &'static str,
        },
    }
    "message_id_reused", 409, "a new command needs a new `CIM-Message-Id`" => {
        /// The command's id was used before, for something else.
        #[error("message id {id} was already used for {by}: a new command needs a new id")]
        MessageIdReused {
            /// The id.
            id: uuid::Uuid,
            /// The history that the first command with this id wrote to.
            by: HistoryId,
        },
    }
    "not_found", 404, "check the name; `keyledger inventory` lists the keys, `list` of `principal`, `account`, `user` and `token` the others" => {
        /// There is no such aggregate.
        #[error("there is no {0}")]
        NotFound(HistoryId),
        /// It is there, and has nothing of this kind.
        #[error("{of} has no {what}: {remedy}")]
        Nothing {
            /// What is there.
            of: HistoryId,
            /// What it has not.
            what: &'static str,
            /// How it gets one.
            remedy: &'static str,
        },
    }
    "name_taken", 409, "choose another name, names are never used again; a token is enrolled once, and `keyledger token show SERIAL` shows it" => {
        /// The name is taken, for ever: also by what was destroyed.
        #[error(fmt = name_taken)]
        NameTaken(HistoryId),
    }
    "not_allowed", 409, "the state does not allow it; `keyledger key show NAME` or `keyledger token show SERIAL` says which it is" => {
        /// The state does not allow it.
        #[error("a key that is {state} does not allow `{verb}`")]
        NotAllowed {
            /// The state it is in.
            state: State,
            /// What was asked.
            verb: &'static str,
        },
        /// The token's state does not allow it.
        #[error("token {token} is {phase}, which does not allow `{verb}`: {remedy}")]
        TokenNotAllowed {
            /// The token.
            token: Name,
            /// Where it stands.
            phase: crate::token::Phase,
            /// What was asked.
            verb: &'static str,
            /// What to do first.
            remedy: &'static str,
        },
        /// The key was revoked before, for another reason.
        #[error(
            "key {key} was revoked before, at {at} for {}{}: `keyledger key history {key}` shows by whom",
            .reason.as_str(), .why.as_ref().map(|why| format!(" ({})", why.as_str())).unwrap_or_default()
        )]
        RevokedBefore {
            /// The key.
            key: Name,
            /// When.
            at: Timestamp,
            /// Why, in KMIP's words.
            reason: RevocationReason,
            /// Why, in the words of who revoked it.
            why: Option<Reason>,
        },
    }
    Rejection::TASK_NOT_OPEN, 410, "an agent stops walking it; `keyledger token show SERIAL` says what became of it" => {
        /// No task of the token is open under this id for this agent.
        #[error(
            "token {token} has no such task open for this agent: it has ended, was cancelled, or never was"
        )]
        TaskNotOpen {
            /// The token.
            token: Name,
        },
    }
    "purpose_not_possible", 422, "choose purposes that the algorithm can serve" => {
        /// The algorithm cannot do what the key would be for.
        #[error("{algorithm} cannot {purposes}: it can {able}")]
        PurposeNotPossible {
            /// The algorithm.
            algorithm: Algorithm,
            /// What was asked of it.
            purposes: Purposes,
            /// What it can do.
            able: Purposes,
        },
    }
    "bad_date", 422, "correct the date; the message says the rule" => {
        /// A date that contradicts another or the present.
        #[error("{field} {value}: {rule}")]
        BadDate {
            /// The field.
            field: &'static str,
            /// Its value.
            value: Timestamp,
            /// The rule it breaks.
            rule: &'static str,
        },
    }
    "out_of_range", 422, "correct the number; the message says the range" => {
        /// A number out of its range.
        #[error("{field} {value} is out of range: {min} to {max}")]
        OutOfRange {
            /// The field.
            field: &'static str,
            /// Its value.
            value: i64,
            /// The least allowed.
            min: i64,
            /// The most allowed.
            max: i64,
        },
    }
    "bad_value", 422, "correct the value; the message says how" => {
        /// A value that is well-formed and yet cannot be.
        #[error("field {field}: {fault}")]
        BadValue {
            /// The field.
            field: &'static str,
            /// What is wrong, and what to write instead.
            fault: String,
        },
    }
    "compromised", 422, "make a new key pair and send its public half; that one is known to others, or was just sent in clear" => {
        /// A public key that was compromised, or a private key where a public one belongs.
        #[error("field {field}: {fault}")]
        Compromised {
            /// The field.
            field: String,
            /// What is known of it, and what to do.
            fault: String,
        },
    }
    "in_use", 409, "first change what stands on it" => {
        /// Something else stands on it.
        #[error("{what} is in use by {by}")]
        InUse {
            /// What cannot go.
            what: HistoryId,
            /// What needs it.
            by: String,
        },
    }
    "no_material", 409, "act where the secret half is kept" => {
        /// The key keeps its secret elsewhere or has none.
        #[error("key {key} has no secret half here: {why}")]
        NoMaterial {
            /// The key.
            key: Name,
            /// Where it is instead.
            why: &'static str,
        },
    }
    "ended", 409, "it was offboarded, revoked or suspended; use another" => {
        /// A principal, account or user that has ended.
        #[error("{0} is no longer active")]
        Ended(HistoryId),
    }
    "nothing_to_change", 422, "name at least one field that is to be different" => {
        /// The command changes nothing.
        #[error("nothing to change: name at least one field that is to be different")]
        NothingToChange,
    }
    "revocations_full", 409, "replace the users named in the message, whose JWTs are older than what is on the list; `keyledger doctor` shows how full each list is" => {
        /// A further revocation would make the account's JWT larger than servers take: nobody would enforce it.
        #[error(
            "the revocation list of account {account} is full: with more than its {entries} entries its JWT is larger than nats-server takes, and the revocation would not be enforced; {}",
            room(in_the_way, *rest, *first_end)
        )]
        RevocationsFull {
            /// The account.
            account: Name,
            /// How many entries the list has.
            entries: usize,
            /// When the first of them may leave by itself, in seconds; nothing if none ever may.
            first_end: Option<i64>,
            /// Users whose JWTs are older than what is on the list, and keep it from becoming one entry.
            in_the_way: Vec<Name>,
            /// How many more there are of them.
            rest: usize,
        },
    }
    "limit_reached", 422, "ask for what fits: the message has the limit, and the page Limits of the documentation says what it is for; where old ones count, \
             remove some first" => {
        /// A limit on counts.
        #[error("{what}: at most {max} are allowed")]
        LimitReached {
            /// Of what.
            what: &'static str,
            /// How many.
            max: usize,
        },
    }
}

/// How a revocation list gets room again.
fn room(in_the_way: &[Name], rest: usize, first_end: Option<i64>) -> String {
    let names: Vec<_> = in_the_way.iter().map(Name::as_str).collect();
    let names = names.join(", ");
    let more = if rest > 0 {
        format!(" and {rest} more, the oldest of `keyledger user list`")
    } else {
        String::new()
    };
    let end = first_end.map(|end| {
        format!(
            "; or wait until entries leave it, the first an hour after {}",
            Timestamp::from_seconds(end)
        )
    });
    format!(
        "issue {names}{more} anew under other names with `keyledger user issue`, and revoke the old ones: \
         everything that was issued before then becomes one entry{}",
        end.unwrap_or_default()
    )
}

/// What is to be done about a name that is taken: a token has one serial number, and no other to choose.
fn name_taken(history: &HistoryId, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let remedy = if history.aggregate == Aggregate::Token {
        "is enrolled already"
    } else {
        "exists already, and a name is never used again: choose another"
    };
    write!(f, "{history} {remedy}")
}

impl Rejection {
    /// The reason of [`Rejection::TaskNotOpen`], by which an agent learns that a task is over.
    pub const TASK_NOT_OPEN: &'static str = "task_not_open";

    /// A private key has come where a public one belongs: whoever saw it on its way has it.
    #[must_use]
    pub fn private(field: impl Into<String>, what: PrivateKey) -> Self {
        Self::Compromised {
            field: field.into(),
            fault: format!(
                "that is {what}: it was not stored, and it was sent; treat it as compromised, make a new key pair, and send its \
                 public half"
            ),
        }
    }
}
