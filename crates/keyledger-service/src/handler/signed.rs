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
use tokio::task::JoinHandle;

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

/// How many histories are gathered until they are checked: some 10 MB.
const WINDOW: usize = 32_768;

/// The signature over the newest event of each history that was read since the last check.
#[derive(Default)]
pub(super) struct NewestSigned {
    histories: HashMap<HistoryId, Newest>,
    signers: Vec<String>,
    /// Checks under way, in threads of their own, while more is read.
    checks: Vec<JoinHandle<Option<(u64, String)>>>,
}

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
    pub(super) fn take(&mut self, record: Record, cid: EventCid, signed: &Signed, sequence: u64) {
        let known = self.signers.iter().rposition(|s| *s == signed.signer);
        let signer = known.unwrap_or_else(|| {
            self.signers.push(signed.signer.clone());
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

    /// Begins to check what was gathered, once it is enough.
    ///
    /// # Errors
    ///
    /// [`LoadError::Broken`] if a signer was not entitled, or an earlier check found a signature that is none.
    pub(super) async fn check_some(&mut self, live: &Live) -> Result<(), LoadError> {
        if self.histories.len() < WINDOW {
            return Ok(());
        }
        if self.checks.len() >= cores() {
            found(self.checks.remove(0)).await?;
        }
        self.begin(live)
    }

    /// Checks what is left, and waits for all checks.
    ///
    /// # Errors
    ///
    /// [`LoadError::Broken`] names an event whose signer was not entitled, or did not sign it.
    pub(super) async fn check_all(mut self, live: &Live) -> Result<(), LoadError> {
        self.begin(live)?;
        for check in self.checks {
            found(check).await?;
        }
        Ok(())
    }

    fn begin(&mut self, live: &Live) -> Result<(), LoadError> {
        let histories = std::mem::take(&mut self.histories);
        let signers = std::mem::take(&mut self.signers);
        let signer = |newest: &Newest| {
            let place = usize::try_from(newest.signer).unwrap_or(usize::MAX);
            signers.get(place).map_or("", String::as_str).to_owned()
        };
        let ledger = live.ledger.read();
        // A ledger without a trust bootstrap, which is never served, knows no signers.
        if ledger.operator().is_none() {
            return Ok(());
        }
        let mut all = Vec::with_capacity(histories.len());
        for newest in histories.into_values() {
            let signer = signer(&newest);
            if !signs_ledger(&ledger, &signer, newest.genesis) {
                return Err(LoadError::Broken {
                    sequence: newest.sequence,
                    said: format!("it is signed by {signer}, who was not entitled"),
                });
            }
            all.push((newest, signer));
        }
        drop(ledger);
        self.checks.push(tokio::task::spawn_blocking(move || {
            let mut signatures = Signatures::default();
            all.iter().find_map(|(newest, signer)| {
                let signature = BASE64URL_NOPAD.encode(&newest.signature.unwrap_or([0; 64]));
                let checked = signatures.check(signer, newest.cid, &signature);
                checked
                    .err()
                    .map(|fault| (newest.sequence, fault.to_string()))
            })
        }));
        Ok(())
    }
}

async fn found(check: JoinHandle<Option<(u64, String)>>) -> Result<(), LoadError> {
    match check.await.expect("checking a signature does not panic") {
        None => Ok(()),
        Some((sequence, said)) => Err(LoadError::Broken { sequence, said }),
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
