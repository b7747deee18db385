//! The ledger's moments and those of certificates, which are whole seconds.

use keyledger_domain::Timestamp;
use keyledger_pki::Moment;

pub(crate) fn moment(at: Timestamp) -> Moment {
    Moment::from_seconds(at.seconds())
}

pub(crate) fn timestamp(at: Moment) -> Timestamp {
    Timestamp::from_seconds(at.seconds())
}
