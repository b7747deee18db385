//! The ledger of the past moment that was asked about last, kept for the next page.

use std::{sync::Arc, time::Duration};

use keyledger_domain::{Ledger, Timestamp};
use parking_lot::Mutex;

/// How long one is kept after it was last asked: it takes as much memory as the ledger of now.
const KEPT: Duration = Duration::from_secs(10);
/// The ledger of a past moment.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) at: Timestamp,
    /// How far the stream was folded.
    pub(super) after: u64,
    pub(super) ledger: Ledger,
}

/// The one that was asked last.
#[derive(Debug, Default)]
pub(crate) struct LastPast(Mutex<KeptPast>);

#[derive(Debug, Default)]
struct KeptPast {
    past: Option<Past>,
    /// How often one was put here.
    puts: u64,
}

impl LastPast {
    /// Keeps one for a while.
    pub(super) fn keep(self: &Arc<Self>, past: Past) {
        let puts = {
            let mut kept = self.0.lock();
            kept.past = Some(past);
            kept.puts += 1;
            kept.puts
        };
        let this = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(KEPT).await;
            let mut kept = this.0.lock();
            if kept.puts == puts {
                kept.past = None;
            }
        });
    }

    /// Takes the one of a moment; any other is let go before a new one takes its memory.
    pub(super) fn take(&self, at: Timestamp) -> Option<Past> {
        self.0.lock().past.take().filter(|past| past.at == at)
    }
}
