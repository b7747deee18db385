//! `key.revoke`.

use super::OfKey;
use crate::{
    command::body,
    event::Event,
    key::{self, Key, RevocationReason, Revoked, State},
    ledger::{Deciding, Decision, Ledger},
    name::Name,
    rejection::Rejection,
    senders::Senders,
    time::Timestamp,
    verb::{Nothing, Payload, Urgency, Verb},
};

body! { Key "revoke", required reason;
    /// Revoke a key for one of KMIP's reasons; a compromise makes it compromised, anything else deactivated
    Revoke {
        /// Why, in KMIP's words.
        revocation_reason: RevocationReason,
        /// When the compromise happened, as far as is known; never in the future.
        compromise_occurred_at: Option<Timestamp>,
        /// When it was noticed; now if absent.
        compromise_detected_at: Option<Timestamp>,
    }
}

impl Verb for Revoke {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::TakesTrustAway;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        let key = on.key()?;
        on.check_not_the_ledgers()?;
        on.check_not_behind_trust()?;
        key.revoke(on.name(), self, on.now)
            .map(|events| on.writes(events))
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Key(key::Event::Revoked(_)))
    }

    fn remarks(&self, ledger: &Ledger, on: &Name, changed: bool) -> Vec<String> {
        let mut said = match self.revocation_reason.is_compromise() {
            true => ledger.same_public_key(&Self::history(on)),
            false => Vec::new(),
        };
        if let (Some(key), true) = (ledger.key(on), changed) {
            said.extend(ledger.after_revocation([on], key.head.at));
        }
        said
    }
}

impl Key {
    /// What its revocation writes, as far as its own history goes: nothing if that stands there already, and no more is known.
    pub(crate) fn revoke(
        &self,
        name: &Name,
        revoke: &Revoke,
        now: Timestamp,
    ) -> Result<Vec<key::Event>, Rejection> {
        if is_revoked_so(self, revoke) {
            return Ok(vec![]);
        }
        match revoked(self, revoke, now) {
            Ok(event) => Ok(vec![event]),
            Err(rejection) => Err(already(name, self).unwrap_or(rejection)),
        }
    }
}

/// True if the revocation stands there already, and the command knows nothing new.
fn is_revoked_so(key: &Key, r: &Revoke) -> bool {
    let known = |said: Option<Timestamp>, stands| said.is_none() || said == stands;
    key.revocation.as_ref().is_some_and(|stands| {
        stands.reason == r.revocation_reason
            && known(r.compromise_occurred_at, stands.compromise_occurred_at)
            && known(r.compromise_detected_at, stands.compromise_detected_at)
    })
}

/// That it was revoked before, if it was: when and why.
fn already(name: &Name, key: &Key) -> Option<Rejection> {
    let before = key.revocation.as_deref()?;
    Some(Rejection::RevokedBefore {
        key: name.clone(),
        at: before.revoked_at,
        reason: before.reason,
        why: before.why.clone(),
    })
}

fn revoked(key: &Key, r: &Revoke, now: Timestamp) -> Result<key::Event, Rejection> {
    let state = key.state;
    let compromise = r.revocation_reason.is_compromise();
    let allowed = match state {
        State::Active | State::Suspended => true,
        // KMIP has no way from pre-active to deactivated: what was never used is destroyed.
        // A compromise may be found later, also after destruction; other reasons add nothing then.
        State::PreActive | State::Deactivated | State::Destroyed => compromise,
        State::Compromised | State::DestroyedCompromised => false,
    };
    if !allowed {
        return Err(Revoke::not_allowed(state));
    }
    for (field, date) in [
        ("compromise_occurred_at", r.compromise_occurred_at),
        ("compromise_detected_at", r.compromise_detected_at),
    ] {
        let Some(value) = date else { continue };
        if !compromise {
            let rule = "only a revocation for key_compromise or ca_compromise has such a date";
            return Err(Rejection::BadDate { field, value, rule });
        }
        if value > now {
            return Err(Rejection::BadDate {
                field,
                value,
                rule: "it lies in the future",
            });
        }
        check_plausible(key, field, value)?;
    }
    let detected = compromise.then(|| r.compromise_detected_at.unwrap_or(now));
    if let (Some(occurred), Some(detected)) = (r.compromise_occurred_at, detected)
        && detected < occurred
    {
        let rule = "a compromise is not detected before it occurred";
        let field = "compromise_detected_at";
        return Err(Rejection::BadDate {
            field,
            value: detected,
            rule,
        });
    }
    Ok(key::Event::Revoked(Revoked {
        revocation_reason: r.revocation_reason,
        revoked_at: now,
        compromise_occurred_at: r.compromise_occurred_at,
        compromise_detected_at: detected,
    }))
}

/// A key is not compromised before it is there. Of one that is kept elsewhere nobody here knows when that was, but computers
/// count from 1970, and so do the lists that will say it.
fn check_plausible(key: &Key, field: &'static str, value: Timestamp) -> Result<(), Rejection> {
    // A day's grace: a date alone is its first moment, in whatever time zone it was meant.
    let made = key.created_at.plus_days(-1);
    let rule = match () {
        () if value < Timestamp::from_seconds(0) => "it lies before 1970: look at the year",
        () if key.custodian.knows_its_birth() && value < made => {
            "the key was not made yet then: look at the year"
        }
        () => return Ok(()),
    };
    Err(Rejection::BadDate { field, value, rule })
}
