//! Lists of the certificates of the organisation's authorities that were revoked.
//!
//! *Invariant:* nothing that stands in a ledger keeps an authority from giving its list. What cannot be said in a list is left out of
//! an entry, never the entry.

use std::{collections::BTreeMap, sync::Arc};

use keyledger_domain::{
    Ledger, Name, Timestamp,
    key::{self, Certified, RevocationReason},
};
use keyledger_pki::x509::{
    Certificate, CertificateRevocationReason as Reason, Issuer, NewCrl, Revoked, SerialNumber,
    ToBeSigned,
};
use keyledger_wire::query::{Crl, CrlQuery};

use super::{
    authority::read,
    certificates::SigningAuthority,
    dates::moment,
    error::CertifyError,
    list_pages::{ListPlace, changed},
};
use crate::shared::Shared;

/// How long a CRL may be used.
const CRL_DAYS: i64 = 7;

/// A page of the list of what an authority's certificates were revoked: those over keys that were revoked, those that were revoked
/// by themselves, as long as they have not expired.
pub(crate) async fn crl(
    shared: &Shared,
    issuer: &Name,
    query: &CrlQuery,
    now: Timestamp,
) -> Result<Crl, CertifyError> {
    let signing = SigningAuthority::of_list(shared, issuer, now)?;
    let budget = shared.budget();
    let (place, der) = match &query.after {
        Some(after) => {
            let place = ListPlace::parse(after)?;
            let der = match shared.last_list.find(&place.proof) {
                Some(der) => der,
                None => again(shared, issuer, &signing.issuer, &place)?.into(),
            };
            (place, der)
        }
        None => {
            let list = list(&shared.live.ledger.read(), issuer, now);
            let draft = list.draft(&signing.issuer, now, CRL_DAYS)?;
            let signature = signing.signature(shared, &draft).await?;
            let der: Arc<[u8]> = draft.finish(&signature)?.into();
            if der.len() > budget.base64() {
                shared.last_list.keep(&signature, &der);
            }
            (list.begins(now, signature), der)
        }
    };
    let (crl, next) = place.page(&der, budget)?;
    Ok(Crl {
        issuer: issuer.clone(),
        crl,
        bytes: der.len(),
        next,
    })
}

/// The list of an earlier page, if it can still be made.
fn again(
    shared: &Shared,
    name: &Name,
    issuer: &Issuer,
    place: &ListPlace,
) -> Result<Vec<u8>, CertifyError> {
    let list = list(&shared.live.ledger.read(), name, place.at).numbered(place.number);
    let draft = list.draft(issuer, place.at, CRL_DAYS)?;
    Ok(draft.finish(&place.proof).map_err(|_| changed())?)
}

/// What goes into a list of revoked certificates.
pub(super) struct List {
    number: u64,
    entries: Vec<Revoked>,
}

/// What was revoked of what `issuer` certified. Its own certificate, if it is a root, is on no list: whoever trusts it must take it
/// out himself.
pub(super) fn list(ledger: &Ledger, issuer: &Name, now: Timestamp) -> List {
    let mut entries = BTreeMap::new();
    for (over, key, certified) in ledger.issued(issuer) {
        if certified.not_after < now {
            continue;
        }
        let Some(why) = revoked(key, certified, now) else {
            continue;
        };
        let Some(serial_number) = serial_number(certified) else {
            tracing::error!(%issuer, %over, serial = %certified.serial, "a revoked certificate has no serial number that a list can name");
            continue;
        };
        let entry = Revoked {
            serial_number: serial_number.clone(),
            revoked_at: moment(why.at),
            reason: why.reason,
            // Earlier than computers count, and so than a list can say.
            invalid_since: why.invalid_since.filter(|at| at.seconds() >= 0).map(moment),
        };
        entries.insert(serial_number, entry);
    }
    // It rises with every event: no list is newer under an older number.
    List {
        number: ledger.events(),
        entries: entries.into_values().collect(),
    }
}

/// As the event says, or else as the certificate itself does.
fn serial_number(certified: &Certified) -> Option<SerialNumber> {
    let said = certified.serial.parse().ok();
    said.or_else(|| {
        let certificate: Certificate = read(certified).ok()?;
        SerialNumber::from_octets(certificate.serial_number().octets()).ok()
    })
}

impl List {
    #[cfg(test)]
    pub(super) const fn of(number: u64, entries: Vec<Revoked>) -> Self {
        Self { number, entries }
    }

    /// The same under the number of an earlier page.
    pub(super) fn numbered(self, number: u64) -> Self {
        Self { number, ..self }
    }

    /// Where its first page begins.
    pub(super) const fn begins(&self, at: Timestamp, proof: Vec<u8>) -> ListPlace {
        ListPlace {
            from: 0,
            number: self.number,
            at,
            proof,
        }
    }

    /// The list for `issuer` to sign, to be used for so many days, and not longer than its own certificate.
    pub(super) fn draft(
        &self,
        issuer: &Issuer,
        now: Timestamp,
        days: i64,
    ) -> Result<ToBeSigned, CertifyError> {
        let (this_update, usual) = (moment(now), moment(now.plus_days(days)));
        // After its own end a list still says what was revoked until then.
        let next_update = issuer.until().filter(|end| *end > this_update);
        let new = NewCrl {
            number: self.number,
            this_update,
            next_update: next_update.map_or(usual, |end| end.min(usual)),
            entries: &self.entries,
        };
        Ok(issuer.crl(&new)?)
    }
}

/// How a certificate was revoked.
pub(super) struct Why {
    pub(super) at: Timestamp,
    pub(super) reason: Option<Reason>,
    pub(super) invalid_since: Option<Timestamp>,
}

/// How a certificate over a key was revoked, with the key or by itself, if it is to be refused.
pub(super) fn revoked(key: &key::Key, certified: &Certified, now: Timestamp) -> Option<Why> {
    use key::State as S;
    if let Some(revocation) = &key.revocation {
        return Some(Why {
            at: revocation.revoked_at,
            reason: reason(revocation.reason),
            invalid_since: revocation.compromise_occurred_at,
        });
    }
    if let Some(revocation) = key.revocation_of(certified) {
        return Some(Why {
            at: revocation.revoked_at,
            reason: reason(revocation.reason),
            invalid_since: None,
        });
    }
    let (at, reason) = match key.state {
        S::PreActive | S::Active => return None,
        // That a clock ended it says nothing against what it signed.
        S::Deactivated if key.ended_by_clock() => return None,
        S::Deactivated | S::Destroyed | S::DestroyedCompromised | S::Compromised => {
            let at = key.deactivated_at.or(key.destroyed_at).unwrap_or(now);
            (at, Reason::CessationOfOperation)
        }
        // A suspension is not dated in the state: the hold counts from the list that says so.
        S::Suspended => (now, Reason::CertificateHold),
    };
    Some(Why {
        at,
        reason: Some(reason),
        invalid_since: None,
    })
}

const fn reason(reason: RevocationReason) -> Option<Reason> {
    use RevocationReason as R;
    match reason {
        R::Unspecified => None,
        R::KeyCompromise => Some(Reason::KeyCompromise),
        R::CaCompromise => Some(Reason::CaCompromise),
        R::AffiliationChanged => Some(Reason::AffiliationChanged),
        R::Superseded => Some(Reason::Superseded),
        R::CessationOfOperation => Some(Reason::CessationOfOperation),
        R::PrivilegeWithdrawn => Some(Reason::PrivilegeWithdrawn),
    }
}
