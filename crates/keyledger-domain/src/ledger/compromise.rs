//! A public key that is compromised under one name is compromised under all.

use super::{Decision, Reader};
use crate::{
    event::Event,
    key::{self, RevocationReason},
    name::{Aggregate, HistoryId},
    text::Reason,
    time::Timestamp,
};

impl Reader<'_> {
    /// Revokes, for the same reason, every key that bears a public key of one that a decision finds compromised.
    pub(super) fn spread_compromise(&self, decision: &mut Decision, now: Timestamp) {
        let mut place = 0;
        while let Some((history, event)) = decision.events.get(place) {
            place += 1;
            let Event::Key(key::Event::Revoked(revoked)) = event else {
                continue;
            };
            if !revoked.revocation_reason.is_compromise() {
                continue;
            }
            let (reason, occurred) = (revoked.revocation_reason, revoked.compromise_occurred_at);
            for other in self.namesakes(&history.name.clone()) {
                let revokes = |(known, event): &(HistoryId, Event)| {
                    known == other
                        && matches!(event, Event::Key(key::Event::Revoked(revoked))
                            if revoked.revocation_reason.is_compromise())
                };
                if other.aggregate == Aggregate::Key && !decision.events.iter().any(revokes) {
                    self.spread_to(other, reason, occurred, decision, now);
                }
            }
        }
    }

    fn spread_to(
        &self,
        other: &HistoryId,
        revocation_reason: RevocationReason,
        compromise_occurred_at: Option<Timestamp>,
        decision: &mut Decision,
        now: Timestamp,
    ) {
        let Some(entry) = self.key(&other.name) else {
            return;
        };
        let revoke = |compromise_occurred_at| key::Revoke {
            revocation_reason,
            compromise_occurred_at,
            compromise_detected_at: None,
            reason: Reason::new("its public key was compromised under another name")
                .expect("it is a line"),
            ticket: None,
        };
        let (key, now) = (&entry.state, now.max(entry.head.at));
        let revoked = |occurred| key.revoke(&other.name, &revoke(occurred), now);
        // A date that cannot be this key's is left out, for it is compromised all the same. What is so already is refused, and that is well.
        let events = revoked(compromise_occurred_at).or_else(|_| revoked(None));
        let events = events.unwrap_or_default();
        decision.add(other, events);
    }
}
