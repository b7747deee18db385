//! The genesis events as they are stored: sealed, signed and verified.

use std::sync::Arc;

use keyledger_domain::{
    Decision, Ledger, Stamp, Timestamp, VerifiedBy,
    ledger::Sealed,
    record::{Ids, Why},
    text::Reason,
    verify::{HeadDigest, Options, SignedHead, StoredEvent, export, header},
};
use keyledger_wire::Prefix;
use uuid::Uuid;

use super::Genesis;
use crate::trust::init_error::InitError;

/// The genesis events as they are stored.
pub(in crate::trust) struct Written {
    pub(in crate::trust) ledger: Ledger,
    pub(in crate::trust) events: Vec<StoredEvent>,
    /// An export of them.
    pub(in crate::trust) text: String,
}

impl Genesis {
    /// Seals and signs the events, and proves that they make a ledger that verifies.
    pub(in crate::trust) fn write(
        &self,
        prefix: &Prefix,
        now: Timestamp,
    ) -> Result<Written, InitError> {
        let operator: Arc<str> = self.operator_nkey().into();
        let stamp = Arc::new(Stamp {
            account: Arc::clone(&operator),
            user: operator,
            name: None,
            role: None,
            host: None,
            verified_by: VerifiedBy::Genesis,
            key: None,
        });
        let reason = Reason::new("trust bootstrap").expect("it is a line of text");
        let why = Why {
            reason: Some(reason),
            ticket: None,
        };
        let decision = Decision {
            events: self.events.clone(),
        };
        let ids = Ids::root(Uuid::now_v7());
        let mut ledger = Ledger::new();
        let sealed = ledger.seal(decision, ids, &stamp, &why, now, Uuid::now_v7);
        let mut digest = HeadDigest::new();
        let mut events = Vec::new();
        for (sequence, event) in (1..).zip(&sealed) {
            ledger.apply(&event.record, event.cid, sequence)?;
            digest.push(&event.cid);
            events.push(self.store(event, sequence, prefix));
        }
        let head = SignedHead::unsigned(
            prefix.as_str(),
            &digest,
            events.len() as u64,
            now,
            self.operator_nkey(),
        );
        let signature = self.identity.signer.sign(&head.message());
        let head = head.with_signature(&signature);
        let mut lines = vec![export::Line::Header {
            prefix: prefix.to_string(),
        }];
        lines.extend(events.iter().cloned().map(export::Line::Event));
        lines.push(export::Line::Head(head));
        let text: String = lines
            .iter()
            .map(|line| export::write_line(line) + "\n")
            .collect();
        check(&text, prefix, self.operator_nkey())?;
        Ok(Written {
            ledger,
            events,
            text,
        })
    }

    fn store(&self, event: &Sealed, sequence: u64, prefix: &Prefix) -> StoredEvent {
        let record = &event.record;
        let signature = self.identity.signer.sign(&event.cid.to_bytes());
        let signer = self.operator_nkey();
        let headers = header::of_event(record, &event.cid, &signature, signer);
        StoredEvent {
            sequence,
            subject: prefix.event(&record.history, record.event.past()),
            headers: headers
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect(),
            payload: event.bytes.clone(),
        }
    }
}

/// Verifies an export of genesis events against the operator.
pub(in crate::trust) fn check(
    text: &str,
    prefix: &Prefix,
    operator: &str,
) -> Result<(), export::ExportError> {
    let mut reader = export::Reader::new(Options {
        prefix: Some(prefix.to_string()),
        expected_operator: Some(operator.to_owned()),
        earlier_heads: Vec::new(),
    });
    for line in text.lines() {
        reader.take(line)?;
    }
    reader.finish().map(|_| ())
}
