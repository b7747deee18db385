//! What becomes of the keys on a token: they share its fate.

use crate::{
    algorithm::{Algorithm, Purpose, Purposes},
    key::{self, Custodian, Dates, Description, Public, RevocationReason},
    ledger::{Decision, Reader},
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
    text::Reason,
    time::Timestamp,
    token::{Holder, NewCertificate},
};

impl Reader<'_> {
    pub(in crate::ledger) fn revoke_key(
        &self,
        name: &Name,
        reason: RevocationReason,
        now: Timestamp,
        decision: &mut Decision,
    ) {
        let revoke = key::Revoke {
            revocation_reason: reason,
            compromise_occurred_at: None,
            compromise_detected_at: None,
            reason: Reason::new("what is true of its token is true of it").expect("it is a line"),
            ticket: None,
        };
        self.add_to_key(
            name,
            &[&|key, now| key.revoke(name, &revoke, now)],
            now,
            decision,
        );
    }

    /// Nobody is to rely on it until its token is trusted again.
    pub(super) fn suspend_key(&self, name: &Name, now: Timestamp, decision: &mut Decision) {
        self.add_to_key(name, &[&|key, _| key.suspend()], now, decision);
    }

    /// Its token is trusted again.
    pub(super) fn resume_key(&self, name: &Name, now: Timestamp, decision: &mut Decision) {
        self.add_to_key(name, &[&key::Key::resume], now, decision);
    }

    /// A key that is no longer on its token is gone for good, unless it was imported: custody has it.
    pub(crate) fn destroy_key(&self, name: &Name, now: Timestamp, decision: &mut Decision) {
        let of_token = |key: &key::Key| key.custodian == Custodian::Token;
        if !self.key(name).is_some_and(|key| of_token(&key.state)) {
            return;
        }
        let end: [Step<'_>; 2] = [&key::Key::deactivate, &key::Key::destroy];
        self.add_to_key(name, &end, now, decision);
    }

    pub(super) fn activate_key(
        &self,
        name: &Name,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        let id = HistoryId::new(Aggregate::Key, name.clone());
        let Some(entry) = self.key(name) else {
            return Err(Rejection::NotFound(id));
        };
        decision.add(&id, entry.state.activate(entry.head.at.max(now))?);
        Ok(())
    }

    /// Adds what `steps`, one after the other, do to a key; what its state does not allow is left out.
    fn add_to_key(&self, name: &Name, steps: &[Step<'_>], now: Timestamp, decision: &mut Decision) {
        let Some(entry) = self.key(name) else { return };
        // A clock that was set back must not date what happens to a key before what happened to it.
        let now = now.max(entry.head.at);
        let mut key = entry.state.clone();
        let id = HistoryId::new(Aggregate::Key, name.clone());
        for step in steps {
            let events = step(&key, now).unwrap_or_default();
            for event in &events {
                key.evolve(event, now);
            }
            decision.add(&id, events);
        }
    }
}

/// What is done to a key.
type Step<'a> = &'a dyn Fn(&key::Key, Timestamp) -> Result<Vec<key::Event>, Rejection>;

/// A key on a token, as its history begins.
pub(super) fn registered(
    algorithm: Algorithm,
    purpose: Purpose,
    public_key: &str,
    holder: Option<&Holder>,
    certificate: Option<&NewCertificate>,
) -> key::Created {
    // A slot's name does not change what an algorithm can do.
    let purposes = if algorithm.able().has(purpose) {
        Purposes::of(&[purpose])
    } else {
        algorithm.usual()
    };
    key::Created {
        algorithm,
        purposes,
        custodian: Custodian::Token,
        public: Public {
            public_key: Some(public_key.into()),
            nkey: None,
            check_value: None,
        },
        material: None,
        parent: None,
        description: Description {
            title: holder.map(|h| h.title.clone()),
            owner: holder.map(|h| h.principal.clone()),
            ..Description::default()
        },
        schedule: Dates {
            protect_stop_at: certificate.map(|c| c.certified.not_after),
            rotation_period_days: Some(key::MAX_PERIOD_DAYS),
            ..Dates::default()
        },
    }
}
