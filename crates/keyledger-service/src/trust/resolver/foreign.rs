//! Pushes by others: heard, answered at once, written down now and then.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::SubscribeError;
use futures::{StreamExt, stream};
use keyledger_claims::{AccountBody, AccountClaims, decode};
use keyledger_domain::{Name, account::Account, text::in_full};
use keyledger_wire::subject::system;

use super::pusher::{PushTurn, Pusher, shortened};

/// How long another instance may be behind with what this one has folded: it pushes what it knows.
const OTHERS_LAG_MS: i64 = 2_000;
/// How often drift of one account is written down at the most.
const WRITE_DOWN: Duration = Duration::from_secs(60);
/// The pause before it is looked a second time.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How many pushes in a second are answered at once; after that one every [`CALM`].
const AT_ONCE: u32 = 20;
/// The pause between answers to somebody who does not stop.
const CALM: Duration = Duration::from_millis(50);

/// What a push by somebody else was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pushed {
    /// This operator's, and newer than the ledger of this instance.
    Newer,
    /// Older, by an instance that has not folded the newest event yet.
    Late,
    /// Anything else, in words.
    Foreign(&'static str),
}

/// Why pushes by others are not heard of. It is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeafError {
    /// NATS did not take the subscription.
    #[error("subscribing")]
    Subscribe(#[from] SubscribeError),
    /// A subscription ended with its connection.
    #[error("a subscription has ended")]
    Ended,
}

impl Pusher {
    /// Hears what is pushed until a subscription ends.
    pub(super) async fn hear_pushes(self: &Arc<Self>) -> Result<(), DeafError> {
        if self.health.is_deaf() {
            // It would be refused; everything is compared more often instead.
            return std::future::pending().await;
        }
        let mut heard = Vec::new();
        for subject in system::CLAIMS_UPDATES {
            heard.push(self.servers.client().subscribe(subject).await?);
        }
        let mut heard = stream::select_all(heard);
        while let Some(message) = heard.next().await {
            self.heard(&message.payload).await;
        }
        Err(DeafError::Ended)
    }

    /// Answers a push, unless it is the ledger's own.
    async fn heard(self: &Arc<Self>, payload: &[u8]) {
        // What is no account's JWT is refused by servers too.
        let Some(jwt) = std::str::from_utf8(payload).ok() else {
            return;
        };
        let Ok(claims) = decode::<AccountBody>(jwt) else {
            return;
        };
        let name = {
            let ledger = self.handler.live().ledger.read();
            ledger.account_of_nkey(&claims.sub).cloned()
        };
        let Some(name) = name else { return };
        let turn = self.turn(&name);
        let newest = self.newest(&name, &mut *turn.lock().await).await;
        let Ok(Some(newest)) = newest else { return };
        if *newest.jwt == *jwt {
            return;
        }
        match self.judge(&claims, &newest.account) {
            Pushed::Newer => {
                let pusher = Arc::clone(self);
                tokio::spawn(async move { pusher.settle(&name).await });
            }
            Pushed::Late => {
                let pushed = self.push(&name, true).await;
                tracing::debug!(account = %name, ok = pushed.is_ok(), "another instance pushed late");
            }
            Pushed::Foreign(what) => {
                turn.lock().await.calm().await;
                if let Err(error) = self.push(&name, true).await {
                    let said = in_full(&error);
                    tracing::error!(account = %name, %said, "somebody else pushed its JWT, and it was not pushed over");
                }
                self.drifted(&name, Some(shortened(&claims.jti)), what)
                    .await;
            }
        }
    }

    fn judge(&self, claims: &AccountClaims, account: &Account) -> Pushed {
        if !self.is_ours(&claims.iss) {
            return Pushed::Foreign("a JWT signed by a stranger");
        }
        let age = (self.clock)().ms() - account.changed_at.ms();
        match claims.iat.cmp(&account.issued_at) {
            std::cmp::Ordering::Greater => Pushed::Newer,
            std::cmp::Ordering::Less if age < OTHERS_LAG_MS => Pushed::Late,
            std::cmp::Ordering::Less => Pushed::Foreign("an older JWT of this operator"),
            std::cmp::Ordering::Equal => {
                Pushed::Foreign("a JWT of this operator that the ledger did not make")
            }
        }
    }

    /// An account's JWT was another one somewhere: counts it, and sees to it that it is seen right and written down.
    pub(super) async fn drifted(
        self: &Arc<Self>,
        name: &Name,
        found: Option<Box<str>>,
        what: &'static str,
    ) {
        self.health.add_foreign(name, what, (self.clock)());
        let turn = self.turn(name);
        let mut turn = turn.lock().await;
        turn.foreign = turn.foreign.saturating_add(1);
        turn.found = found;
        if std::mem::replace(&mut turn.repairing, true) {
            turn.news.notify_one();
        } else {
            tracing::error!(account = %name, what, "a server was given another JWT than the ledger's; it is pushed over");
            let (pusher, name) = (Arc::clone(self), name.clone());
            tokio::spawn(async move { pusher.repair(&name).await });
        }
    }

    /// Looks until every server holds the ledger's JWT again, and writes down what there was; until nothing is new.
    async fn repair(&self, name: &Name) {
        let turn = self.turn(name);
        loop {
            let newest = self.newest(name, &mut *turn.lock().await).await;
            let Ok(Some(newest)) = newest else {
                turn.lock().await.repairing = false; // the next comparison takes it up
                return;
            };
            self.look_until_held(name, &newest).await;
            // A server may take in what somebody else pushed after what was pushed over it, where both came at once.
            tokio::time::sleep(LOOK_AGAIN).await;
            self.look_until_held(name, &newest).await;
            let (recorded, news) = {
                let turn = turn.lock().await;
                (turn.recorded, Arc::clone(&turn.news))
            };
            let wait = recorded.map(|at| WRITE_DOWN.saturating_sub(at.elapsed()));
            if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = news.notified() => continue,
                }
            }
            let (times, found) = {
                let mut turn = turn.lock().await;
                if turn.foreign == 0 {
                    turn.repairing = false;
                    return;
                }
                turn.recorded = Some(Instant::now());
                (std::mem::take(&mut turn.foreign), turn.found.take())
            };
            self.report_drift(name, &newest.account, found, times).await;
        }
    }
}

impl PushTurn {
    /// Waits a moment if too many pushes were answered: two that never agree must not fill the network.
    async fn calm(&mut self) {
        let (since, answered) = self.answered;
        let now = Instant::now();
        if since.is_none_or(|since| now.duration_since(since) > Duration::from_secs(1)) {
            self.answered = (Some(now), 1);
            return;
        }
        self.answered.1 = answered.saturating_add(1);
        if answered >= AT_ONCE {
            tokio::time::sleep(CALM).await;
        }
    }
}
