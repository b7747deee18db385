//! Headers of commands, events and replies.

/// On a command: its own id, a UUID. A second command with the same id is the same command, for ever.
pub const MESSAGE_ID: &str = "CIM-Message-Id";
/// On commands and events: the conversation.
pub const CORRELATION_ID: &str = "CIM-Correlation-Id";
/// On commands and events: the id of the message that caused it.
pub const CAUSATION_ID: &str = "CIM-Causation-Id";
/// On a command that a key on the sender's token signed: the key's name, such as `1000001-9c-2`. With [`TOKEN_SIGNATURE`], or not at all.
pub const TOKEN_KEY: &str = "Keyledger-Token-Key";
/// On a command that a key on the sender's token signed: the signature over `keyledger_domain::signed::command_statement`, base64url
/// without padding. Such a command has a [`MESSAGE_ID`] of its own, a `UUIDv7` of when it was signed.
pub const TOKEN_SIGNATURE: &str = "Keyledger-Token-Signature";
/// Older names of the three, accepted and never sent.
pub const OLDER: [(&str, &str); 3] = [
    ("X-Message-ID", MESSAGE_ID),
    ("X-Correlation-ID", CORRELATION_ID),
    ("X-Causation-ID", CAUSATION_ID),
];
/// On events: the versioned type, such as `key.v1.revoked`.
pub const EVENT_TYPE: &str = "CIM-Event-Type";
/// On events: the aggregate's name.
pub const AGGREGATE_ID: &str = "CIM-Aggregate-Id";
/// On events: the version of the record's own form.
pub const SCHEMA_VERSION: &str = "CIM-Schema-Version";
/// What [`SCHEMA_VERSION`] says today.
pub const SCHEMA_VERSION_NOW: &str = "1";
/// On events: the event's id; JetStream drops a second one within its window.
pub const NATS_MSG_ID: &str = "Nats-Msg-Id";
/// On events: the CID of the exact stored bytes.
pub const CID: &str = "Keyledger-Cid";
/// On events: the signature over the CID's 36 bytes, base64url without padding.
pub const SIGNATURE: &str = "Keyledger-Signature";
/// On events: the public nkey that signed.
pub const SIGNER: &str = "Keyledger-Signer";
/// On a request over a shared service import: nats-server's own stamp, which says who sent it.
pub const REQUEST_INFO: &str = "Nats-Request-Info";
/// On a refusal: a sentence.
pub const SERVICE_ERROR: &str = "Nats-Service-Error";
/// On a refusal: 400–499 a rejection, 500–599 an error.
pub const SERVICE_ERROR_CODE: &str = "Nats-Service-Error-Code";
/// Compare-and-set: the sequence that the newest event of a history must have.
pub const EXPECTED_LAST: &str = "Nats-Expected-Last-Subject-Sequence";
/// Compare-and-set: the history, as a subject filter.
pub const EXPECTED_LAST_SUBJECT: &str = "Nats-Expected-Last-Subject-Sequence-Subject";
/// Compare-and-set: the sequence that the newest event of all must have.
pub const EXPECTED_LAST_OF_ALL: &str = "Nats-Expected-Last-Sequence";
/// Atomic batch: its id.
pub const BATCH_ID: &str = "Nats-Batch-Id";
/// Atomic batch: the message's place, from 1.
pub const BATCH_SEQUENCE: &str = "Nats-Batch-Sequence";
/// Atomic batch: on the last message, `1`.
pub const BATCH_COMMIT: &str = "Nats-Batch-Commit";

#[cfg(test)]
mod tests {
    use super::*;
    use keyledger_domain::verify::header as verified;

    /// The domain cannot see this module, and refuses every event that has another header.
    #[test]
    fn what_is_written_is_what_is_verified() {
        assert_eq!(NATS_MSG_ID, verified::NATS_MSG_ID);
        assert_eq!(CORRELATION_ID, verified::CORRELATION_ID);
        assert_eq!(CAUSATION_ID, verified::CAUSATION_ID);
        assert_eq!(EVENT_TYPE, verified::EVENT_TYPE);
        assert_eq!(AGGREGATE_ID, verified::AGGREGATE_ID);
        assert_eq!(SCHEMA_VERSION, verified::SCHEMA_VERSION);
        assert_eq!(SCHEMA_VERSION_NOW, verified::SCHEMA_VERSION_NOW);
        assert_eq!(CID, verified::CID);
        assert_eq!(SIGNATURE, verified::SIGNATURE);
        assert_eq!(SIGNER, verified::SIGNER);
        for name in [
            EXPECTED_LAST,
            EXPECTED_LAST_SUBJECT,
            BATCH_ID,
            BATCH_SEQUENCE,
            BATCH_COMMIT,
        ] {
            assert!(verified::OF_THE_APPEND.contains(&name), "{name}");
        }
    }
}
