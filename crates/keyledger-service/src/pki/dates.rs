//! The ledger's moments and those of certificates, which are whole seconds.

use keyledger_domain::Timestamp;
use keyledger_pki::{Moment, x509::Certificate};

/// A moment of the ledger as a certificate writes it.
pub(crate) fn moment(at: Timestamp) -> Moment {
    Moment::from_seconds(at.seconds())
}

/// A moment of a certificate as the ledger writes it.
pub(super) fn timestamp(at: Moment) -> Timestamp {
    Timestamp::from_seconds(at.seconds())
}

/// From when and until when a certificate holds.
pub(super) fn period(certificate: &Certificate) -> (Timestamp, Timestamp) {
    (
        timestamp(certificate.not_before()),
        timestamp(certificate.not_after()),
    )
}
