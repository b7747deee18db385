//! Who signed what is read at the start.
//!
//! Each event names its predecessor's CID in the bytes that are signed: whoever signed the newest event of a history
//! vouches for all before it. So one signature a history is checked, not one an event; `keyledger ledger verify` checks
//! every one.

use std::collections::HashMap;

use data_encoding::BASE64URL_NOPAD;
use keyledger_domain::{
    EventCid, Record, VerifiedBy,
    name::HistoryId,
    verify::{Signatures, signs_ledger},
};
use keyledger_wire::header;

use super::{Live, tail::LoadError};
use crate::store::StoredEvent;

/// The headers that say who signed an event.
pub(super) struct Signed {
    pub(super) signer: String,
    pub(super) signature: String,
}

impl Signed {
    pub(super) fn of(event: &StoredEvent) -> Result<Self, String> {
        let header = |wanted: &'static str| {
            let found = event.headers.iter().find(|(name, _)| name == wanted);
            let value = found.map(|(_, value)| value.clone());
            value.ok_or_else(|| format!("it has no header {wanted}"))
        };
        Ok(Self {
            signer: header(header::SIGNER)?,
            signature: header(header::SIGNATURE)?,
        })
    }
}

/// The signature over the newest event of each history that was read.
#[derive(Default)]
pub(super) struct NewestSigned {
    histories: HashMap<HistoryId, Newest>,
    signers: Vec<String>,
}

/// Some 120 bytes, for as long as a start takes.
struct Newest {
    cid: EventCid,
    sequence: u64,
    /// A place in the list of signers.
    signer: u32,
    genesis: bool,
    /// Of another length it is no signature, and none is kept.
    signature: Option<[u8; 64]>,
}

impl NewestSigned {
    pub(super) fn take(&mut self, record: Record, cid: EventCid, signed: Signed, sequence: u64) {
        let known = self.signers.iter().rposition(|s| *s == signed.signer);
        let signer = known.unwrap_or_else(|| {
            self.signers.push(signed.signer);
            self.signers.len() - 1
        });
        let signature = BASE64URL_NOPAD.decode(signed.signature.as_bytes()).ok();
        let newest = Newest {
            cid,
            sequence,
            signer: u32::try_from(signer).unwrap_or(u32::MAX),
            genesis: record.principal.verified_by == VerifiedBy::Genesis,
            signature: signature.and_then(|bytes| bytes.try_into().ok()),
        };
        self.histories.insert(record.history, newest);
    }

    /// Checks them all against the fold, on all cores.
    ///
    /// # Errors
    ///
    /// [`LoadError::Broken`] names the first event whose signer was not entitled, or did not sign it.
    pub(super) async fn check(self, live: &Live) -> Result<(), LoadError> {
        {
            let ledger = live.ledger.read();
            // A ledger without a trust bootstrap, which is never served, knows no signers.
            if ledger.operator().is_none() {
                return Ok(());
            }
            for newest in self.histories.values() {
                let signer = self.signer(newest);
                if !signs_ledger(&ledger, signer, newest.genesis) {
                    let said = format!("it is signed by {signer}, who was not entitled");
                    return Err(LoadError::Broken {
                        sequence: newest.sequence,
                        said,
                    });
                }
            }
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let checked = tokio::task::spawn_blocking(move || {
            let all: Vec<&Newest> = self.histories.values().collect();
            let share = all.len().div_ceil(cores).max(1);
            std::thread::scope(|scope| {
                let shares: Vec<_> = all
                    .chunks(share)
                    .map(|share| scope.spawn(|| share.iter().find_map(|n| self.fault(n))))
                    .collect();
                let faults = shares
                    .into_iter()
                    .filter_map(|share| share.join().expect("checking a signature does not panic"));
                faults.min_by_key(|(sequence, _)| *sequence)
            })
        });
        match checked.await.expect("checking a signature does not panic") {
            None => Ok(()),
            Some((sequence, said)) => Err(LoadError::Broken { sequence, said }),
        }
    }

    fn fault(&self, newest: &Newest) -> Option<(u64, String)> {
        let signature = newest.signature.unwrap_or([0; 64]);
        let signature = BASE64URL_NOPAD.encode(&signature);
        let mut signatures = Signatures::default();
        let checked = signatures.check(self.signer(newest), newest.cid, &signature);
        checked
            .err()
            .map(|fault| (newest.sequence, fault.to_string()))
    }

    fn signer(&self, newest: &Newest) -> &str {
        let place = usize::try_from(newest.signer).unwrap_or(usize::MAX);
        self.signers.get(place).map_or("", String::as_str)
    }
}
