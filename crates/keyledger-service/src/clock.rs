//! The server's clock and the ledger's time as second opinions: nothing is decided by a clock that jumped.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use keyledger_domain::Timestamp;
use keyledger_wire::Prefix;
use parking_lot::RwLock;
use serde::Deserialize;
use tokio::{sync::Notify, time::timeout};

use crate::handler::Clock;

/// How far the clock may be from the server's or behind the ledger's newest event before nothing is decided by it: far
/// above NTP's error, far below a day.
pub(crate) const MAX_SKEW_MS: i64 = 60_000;
/// How often the clocks are compared.
const EVERY: Duration = Duration::from_secs(15);
/// How often while they differ: set right again, they are believed at once.
const WHILE_APART: Duration = Duration::from_secs(1);
/// How far the clock may move against this machine's steady one until it is compared anew.
const MAX_DRIFT_MS: i64 = 1_000;

#[derive(Deserialize)]
struct StreamInfo {
    ts: Option<Timestamp>,
}

/// Milliseconds that `clock` is ahead of the server's; nothing if the server does not say.
async fn ahead_ms(nats: &async_nats::Client, prefix: &Prefix, clock: &Clock) -> Option<i64> {
    let subject = format!("$JS.API.STREAM.INFO.{}", prefix.events_stream());
    let request = async_nats::Request::new().timeout(Some(Duration::from_secs(2)));
    let before = clock().ms();
    let reply = nats.send_request(subject, request).await.ok()?;
    let after = clock().ms();
    let info: StreamInfo = serde_json::from_slice(&reply.payload).ok()?;
    Some(before + (after - before) / 2 - info.ts?.ms())
}

/// Why nothing may be decided by this machine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClockRefusal {
    /// Nothing to compare it with: without the server nothing is written either, so wait for it.
    #[error("the server does not say what time it is")]
    ServerSilent,
    /// The clocks of the two machines differ.
    #[error("this machine's clock is {}: set both by NTP", apart(*ahead_ms))]
    Apart {
        /// By how much this one is ahead.
        ahead_ms: i64,
    },
    /// This clock is behind what was written already.
    #[error(
        "the ledger's newest event happened at {latest}, and this machine's clock says {now}: set the clock, or, if it is right, start with --accept-clock"
    )]
    BehindLedger {
        /// When the newest event happened.
        latest: Timestamp,
        /// What this clock says.
        now: Timestamp,
    },
}

fn apart(ahead_ms: i64) -> String {
    let side = if ahead_ms < 0 { "behind" } else { "ahead of" };
    format!("{} s {side} nats-server's", ahead_ms.unsigned_abs() / 1_000)
}

/// Compares this machine's clock with the server's again and again, and notices at once when it jumps in between.
pub(crate) struct ClockWatch {
    nats: async_nats::Client,
    prefix: Prefix,
    clock: Clock,
    /// Whatever the others say, this clock is right.
    accept: bool,
    compared: RwLock<Option<Compared>>,
    again: Notify,
}

/// What a comparison found.
#[derive(Debug, Clone, Copy)]
struct Compared {
    ahead_ms: i64,
    /// This machine's clock then.
    clock: Timestamp,
    /// Its steady clock then.
    at: Instant,
}

impl Compared {
    /// By how much the clock has moved since against the steady one.
    fn drift_ms(&self, now: Timestamp) -> i64 {
        let steady = i64::try_from(self.at.elapsed().as_millis()).unwrap_or(i64::MAX);
        now.ms() - self.clock.ms() - steady
    }
}

impl ClockWatch {
    pub(crate) fn new(
        nats: async_nats::Client,
        prefix: Prefix,
        clock: Clock,
        accept: bool,
    ) -> Self {
        Self {
            nats,
            prefix,
            clock,
            accept,
            compared: RwLock::default(),
            again: Notify::new(),
        }
    }

    /// The clock to go by: this machine's, or, while it is not believed, what the server's would say. The service itself
    /// records what it did also while commands are refused, and must not date that by a clock that jumped.
    pub(crate) fn clock(self: &Arc<Self>) -> Clock {
        let watch = Arc::clone(self);
        Arc::new(move || {
            let now = (watch.clock)();
            let ahead = watch.ahead_ms().filter(|ahead| ahead.abs() > MAX_SKEW_MS);
            match ahead {
                Some(ahead) if !watch.accept => Timestamp::from_ms(now.ms() - ahead),
                _ => now,
            }
        })
    }

    /// Milliseconds that this machine's clock is ahead of the server's now; nothing if the server does not say.
    pub(crate) async fn measure(&self) -> Option<i64> {
        ahead_ms(&self.nats, &self.prefix, &self.clock).await
    }

    /// Compares the clocks now; false if the server does not say, which changes nothing: without it nothing is written
    /// either.
    pub(crate) async fn check(&self) -> bool {
        let Some(ahead_ms) = self.measure().await else {
            return false;
        };
        if ahead_ms.abs() > MAX_SKEW_MS {
            tracing::error!(
                ahead_ms,
                accepted = self.accept,
                "this clock and the server's differ"
            );
        }
        *self.compared.write() = Some(Compared {
            ahead_ms,
            clock: (self.clock)(),
            at: Instant::now(),
        });
        true
    }

    /// Compares now, for what cannot be undone.
    ///
    /// # Errors
    ///
    /// [`ClockRefusal`]: nothing may be decided by this clock.
    pub(crate) async fn confirm(&self, latest: Option<Timestamp>) -> Result<(), ClockRefusal> {
        if !self.check().await && !self.accept {
            return Err(ClockRefusal::ServerSilent);
        }
        self.refusal(latest).map_or(Ok(()), Err)
    }

    /// Compares for ever.
    pub(crate) async fn watch(&self) {
        loop {
            let apart = self
                .ahead_ms()
                .is_some_and(|ahead| ahead.abs() > MAX_SKEW_MS);
            let pause = if apart { WHILE_APART } else { EVERY };
            let _ = timeout(pause, self.again.notified()).await;
            self.check().await;
        }
    }

    /// How far the clock is ahead of the server's, as far as is known.
    fn ahead_ms(&self) -> Option<i64> {
        let compared = (*self.compared.read())?;
        let drift = compared.drift_ms((self.clock)());
        if drift.abs() > MAX_DRIFT_MS {
            self.again.notify_one();
        }
        Some(compared.ahead_ms + drift)
    }

    /// Why nothing may be decided by this clock, behind a ledger whose newest event happened at `latest`; nothing if all
    /// is well.
    pub(crate) fn refusal(&self, latest: Option<Timestamp>) -> Option<ClockRefusal> {
        if self.accept {
            return None;
        }
        if let Some(ahead_ms) = self.ahead_ms()
            && ahead_ms.abs() > MAX_SKEW_MS
        {
            return Some(ClockRefusal::Apart { ahead_ms });
        }
        let now = (self.clock)();
        let latest = latest.filter(|latest| latest.ms() - now.ms() > MAX_SKEW_MS)?;
        Some(ClockRefusal::BehindLedger { latest, now })
    }
}
