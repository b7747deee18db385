//! Lists of the certificates of the organisation's authorities that were revoked.

use keyledger_domain::{
    Ledger, Name, Timestamp,
    key::{self, RevocationReason},
};

use super::certificates::{CertifyError, Signing, failed};
use crate::{
    shared::Shared,
    x509::{
        CertificateRevocationReason as Reason, Issuer, NewCrl, Revoked, SerialNumber, ToBeSigned,
    },
};

/// How long a CRL may be used.
const CRL_DAYS: i64 = 7;

/// The list of what an authority's certificates were revoked, as DER: those over keys that were revoked and that have not
/// expired.
pub(crate) async fn crl(
    shared: &Shared,
    issuer: &Name,
    now: Timestamp,
) -> Result<Vec<u8>, CertifyError> {
    let signing = Signing::of(shared, issuer, None)?;
    let list = list(&shared.live.ledger.read(), issuer, now)?;
    let to_be_signed = list.draft(&signing.issuer, now, CRL_DAYS)?;
    signing.sign(shared, &to_be_signed).await
}

/// What goes into a list of revoked certificates.
pub(super) struct List {
    number: u64,
    entries: Vec<Revoked>,
}

/// What was revoked of what `issuer` certified.
pub(super) fn list(ledger: &Ledger, issuer: &Name, now: Timestamp) -> Result<List, CertifyError> {
    let mut entries = Vec::new();
    for (_, key) in ledger.keys() {
        let Some(revoked) = revoked(&key.state, now) else {
            continue;
        };
        for certified in key.state.certificates() {
            if certified.issuer != *issuer || certified.not_after < now {
                continue;
            }
            let serial_number: SerialNumber = certified.serial.parse().map_err(failed)?;
            entries.push(Revoked {
                serial_number,
                ..revoked.clone()
            });
        }
    }
    entries.sort_by(|a, b| a.serial_number.cmp(&b.serial_number));
    // It rises with every event: no list is newer under an older number.
    let number = ledger.events();
    Ok(List { number, entries })
}

impl List {
    /// The list for `issuer` to sign, to be used for so many days.
    pub(super) fn draft(
        &self,
        issuer: &Issuer,
        now: Timestamp,
        days: i64,
    ) -> Result<ToBeSigned, CertifyError> {
        let new = NewCrl {
            number: self.number,
            this_update: Timestamp::from_seconds(now.seconds()),
            next_update: Timestamp::from_seconds(now.plus_days(days).seconds()),
            entries: &self.entries,
        };
        issuer.crl(&new).map_err(failed)
    }
}

/// How a key was revoked, if its certificates are to be refused.
fn revoked(key: &key::Key, now: Timestamp) -> Option<Revoked> {
    use {RevocationReason as R, key::State as S};
    let (revoked_at, reason, invalid_since) = match (&key.revocation, key.state) {
        (Some(revocation), _) => (
            revocation.revoked_at,
            match revocation.reason {
                R::Unspecified => None,
                R::KeyCompromise => Some(Reason::KeyCompromise),
                R::CaCompromise => Some(Reason::CaCompromise),
                R::AffiliationChanged => Some(Reason::AffiliationChanged),
                R::Superseded => Some(Reason::Superseded),
                R::CessationOfOperation => Some(Reason::CessationOfOperation),
                R::PrivilegeWithdrawn => Some(Reason::PrivilegeWithdrawn),
            },
            revocation.compromise_occurred_at,
        ),
        (None, S::Deactivated | S::Destroyed | S::DestroyedCompromised | S::Compromised) => {
            let at = key.deactivated_at.or(key.destroyed_at)?;
            (at, Some(Reason::CessationOfOperation), None)
        }
        // A suspension is not dated in the state: the hold counts from the list that says so.
        (None, S::Suspended) => (now, Some(Reason::CertificateHold), None),
        (None, S::PreActive | S::Active) => return None,
    };
    Some(Revoked {
        serial_number: SerialNumber::from_random([0; 16]),
        revoked_at,
        reason,
        invalid_since,
    })
}
