//! Of keys.

mod certify;
mod generate;
mod install;
mod register;
mod rotate;
mod turns;
mod version;

use keyledger_domain::{
    Event, Timestamp,
    key::{Certification, Certified, Event as KeyEvent},
};
use keyledger_wire::IssuedCertificate;

pub(crate) use turns::Turns;
pub(super) use turns::VersionTurn;
pub(crate) use version::KeptVersion;

use super::Giving;
use crate::delivery::Delivery;

/// What ends earlier than was asked for, by more than this, was cut short.
const CUT_MS: i64 = 120_000;

/// The certificate that a command brought: of one that was done before, the same.
fn delivered(on: &Giving<'_>, wanted: Option<&Certification>) -> Delivery {
    Delivery {
        certificate: certificate(on, wanted),
        ..Delivery::default()
    }
}

fn certificate(on: &Giving<'_>, wanted: Option<&Certification>) -> Option<IssuedCertificate> {
    let done = on.done;
    let ledger = on.shared.live.ledger.read();
    let key = &ledger.key(&done.history.name)?.state;
    // If the certificate was installed before, nothing was written now.
    let wrote = done.wrote.as_ref()?;
    let certified: &Certified = if let Event::Key(KeyEvent::Certified(certified)) = &wrote.event {
        certified
    } else {
        key.certificates().next()? // the first one came with the key
    };
    let wanted_until = wanted.and_then(|wanted| wanted.end(wrote.occurred_at).ok());
    // The end was computed a moment before it was recorded.
    let is_cut = |until: &Timestamp| certified.not_after.plus_ms(CUT_MS) < *until;
    Some(IssuedCertificate {
        issuer: certified.issuer.clone(),
        serial: certified.serial.to_string(),
        not_before: certified.not_before,
        not_after: certified.not_after,
        cut_short_from: wanted_until.filter(is_cut),
    })
}
