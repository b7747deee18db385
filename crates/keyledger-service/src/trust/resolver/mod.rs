//! The resolver effect: account JWTs pushed to every server, and seen there.
//!
//! What was measured on nats-server shapes it: a server answers 200 to an older JWT and to a stranger's, so only a
//! look-up on every server confirms; a server that was down while a user was revoked lets it in until it is pushed to; a
//! server that lost its copy of a JWT does not take the same one again.
//!
//! - A change is pushed at once, whatever else is under way; JWTs of one account go out with rising `iat`.
//! - A server that says hello is pushed to at once, and looked at afterwards.
//! - What others push is heard, and answered with the ledger's JWT at once.
//! - Every account is compared on every server at the start, every 30 s, when a server starts, and after a lost
//!   connection; what differs is pushed again.
//! - A JWT of this operator's that is *newer* than the ledger is never pushed over. Another instance made it, or the ledger
//!   was rolled back: once everything that is stored was folded and it still is newer, commands are refused.
//!
//! *Invariant:* nothing is pushed that is not the fold of the ledger; a push is never taken for a confirmation; an older
//! JWT never goes out over a newer one of this operator's.

mod cluster;
mod foreign;
mod pusher;
mod report;
mod servers;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_nats::Client;
use keyledger_domain::{Name, Stamp, account::RenewalCause, ledger::Outcome, text::in_full};
use keyledger_wire::Prefix;
use tokio::{sync::mpsc, task::JoinSet};

pub(crate) use self::cluster::ClusterState;
use self::{pusher::Pusher, servers::Servers};
use super::health::{Ahead, TrustHealth};
use crate::{
    handler::{Clock, Handler},
    signers::Signers,
};

/// How often every account is looked up on every server.
const RECONCILE: Duration = Duration::from_secs(30);
/// How often where pushes by others are not heard of, and there are few accounts.
const RECONCILE_DEAF: Duration = Duration::from_secs(3);
/// How many accounts are few.
const FEW_ACCOUNTS: usize = 200;
/// How soon after a comparison that did not come about.
const SOON: Duration = Duration::from_secs(2);
/// How often the connection is looked at: whether it was made anew, and which servers it tells of.
const LOOK: Duration = Duration::from_millis(25);
/// The pauses between pushes to a server that has just said hello: its routes may not be ready.
const WELCOME_MS: [u64; 3] = [0, 30, 150];
/// The pauses between comparisons after that: on a busy machine it may say hello long before it answers.
const COMPARE_MS: [u64; 7] = [0, 500, 1_000, 2_000, 4_000, 8_000, 15_000];
/// How long the servers are asked at the start whether they know more than the ledger.
const EXAMINE: Duration = Duration::from_secs(10);
/// The pause before a subscription that ended is made again.
const AGAIN: Duration = Duration::from_secs(1);

/// Pushes the JWTs of accounts that changed. Its tasks end with it.
#[derive(Debug)]
pub struct Resolver {
    changed: mpsc::UnboundedSender<Name>,
    pusher: Arc<Pusher>,
    _tasks: JoinSet<()>,
}

/// What the resolver knows of the servers.
#[derive(Debug, Clone)]
pub(crate) struct Watch(Arc<Servers>);

impl Resolver {
    /// Starts, and compares every account on every server at once. The ledger is folded by now.
    #[must_use]
    pub fn start(
        system: Client,
        handler: Handler,
        signers: Arc<Signers>,
        prefix: Prefix,
        clock: Clock,
        principal: Arc<Stamp>,
        health: TrustHealth,
    ) -> Self {
        let (changed, inbox) = mpsc::unbounded_channel();
        let (to_compare, compare) = mpsc::channel(1);
        let (to_welcome, welcome) = mpsc::channel(1);
        let servers = Arc::new(Servers::new(system, to_welcome.clone()));
        let pusher = Pusher::new(servers, handler, signers, prefix, clock, principal, health);
        let pusher = Arc::new(pusher);
        let mut tasks = JoinSet::new();
        tasks.spawn(push_changed(Arc::clone(&pusher), inbox));
        tasks.spawn(compare_all(Arc::clone(&pusher), compare));
        tasks.spawn(welcome_all(Arc::clone(&pusher), welcome, to_compare));
        tasks.spawn(watch_servers(Arc::clone(&pusher)));
        tasks.spawn(watch_connection(Arc::clone(&pusher), to_welcome));
        tasks.spawn(hear_pushes(Arc::clone(&pusher)));
        let hearing = Arc::clone(&pusher);
        tasks.spawn(async move { hearing.hear_refusals().await });
        Self {
            changed,
            pusher,
            _tasks: tasks,
        }
    }

    /// Says that an account's JWT changed.
    pub fn notify(&self, account: Name) {
        // It cannot fail while the tasks live, which is as long as `self`.
        let _ = self.changed.send(account);
    }

    /// Asks the servers whether they hold what the ledger does not know: newer JWTs of this operator's. Servers that do not
    /// answer say nothing.
    pub async fn examine(&self) -> BTreeMap<Name, Ahead> {
        if tokio::time::timeout(EXAMINE, self.pusher.examine())
            .await
            .is_err()
        {
            tracing::warn!(
                "the servers were not all asked what they know; that goes on while commands are taken"
            );
        }
        self.pusher.health.ahead()
    }

    /// Says that the ledger counts, and not what servers hold beyond it: their JWTs are replaced by newer ones.
    pub async fn overrule(&self, ahead: BTreeMap<Name, Ahead>) {
        for (account, Ahead { held, .. }) in ahead {
            tracing::warn!(%account, "the ledger counts, and not the newer JWT that servers hold");
            let cause = RenewalCause::Overridden;
            let renew = Outcome::Renew {
                account,
                above: held,
                cause,
            };
            let principal = Arc::clone(&self.pusher.principal);
            self.pusher.handler.outcome(renew, principal).await;
        }
    }

    /// What it knows of the servers.
    pub(crate) fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.pusher.servers))
    }
}

impl Watch {
    /// Nobody asks the servers anything: the vault is sealed, and nothing can be pushed.
    pub(crate) fn idle(system: Client) -> Self {
        let (nobody, _) = mpsc::channel(1);
        Self(Arc::new(Servers::new(system, nobody)))
    }

    /// The names of the servers that answer.
    pub(crate) fn answering(&self) -> Vec<Box<str>> {
        self.0.names()
    }

    /// The names of those that answered once and do not now, with the seconds since.
    pub(crate) fn silent(&self) -> Vec<(Box<str>, u64)> {
        self.0.silent()
    }

    /// How JetStream's cluster is; nothing where there is none, or nobody says.
    pub(crate) async fn cluster(&self) -> Option<ClusterState> {
        cluster::ask(&self.0).await
    }
}

/// Each account in a task of its own: a bad one holds up no other.
async fn push_changed(pusher: Arc<Pusher>, mut changed: mpsc::UnboundedReceiver<Name>) {
    let mut tasks = JoinSet::new();
    while let Some(account) = changed.recv().await {
        while tasks.try_join_next().is_some() {}
        let pusher = Arc::clone(&pusher);
        tasks.spawn(async move { pusher.changed(&account).await });
    }
}

/// Compares at the start, whenever it is asked to, and otherwise every 30 s.
async fn compare_all(pusher: Arc<Pusher>, mut asked: mpsc::Receiver<()>) {
    loop {
        let compared = pusher.compare_all().await;
        let pause = if !compared {
            SOON
        } else if pusher.health.is_deaf() && pusher.names().len() <= FEW_ACCOUNTS {
            RECONCILE_DEAF
        } else {
            RECONCILE
        };
        // The sender lives as long as this task: its own task never ends.
        let _ = tokio::time::timeout(pause, asked.recv()).await;
    }
}

/// A server that was not there before may hold older JWTs: it lets in who was revoked until it is pushed to. Whoever comes
/// while another is welcomed is welcomed at once.
async fn welcome_all(
    pusher: Arc<Pusher>,
    mut hello: mpsc::Receiver<()>,
    to_compare: mpsc::Sender<()>,
) {
    let mut came = hello.recv().await;
    'welcome: while came.is_some() {
        for pause in WELCOME_MS {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            pusher.welcome().await;
        }
        for pause in COMPARE_MS {
            if let Ok(next) = tokio::time::timeout(Duration::from_millis(pause), hello.recv()).await
            {
                came = next;
                continue 'welcome;
            }
            // Full is as good: somebody asked already.
            let _ = to_compare.try_send(());
        }
        came = hello.recv().await;
    }
}

/// Servers say hello in the system account.
async fn watch_servers(pusher: Arc<Pusher>) {
    loop {
        if let Err(error) = pusher.servers.watch().await {
            tracing::warn!(
                error = in_full(&error),
                "starts of servers are not heard of"
            );
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// What happened while the connection was away was not heard of; and a server is told of over the connection before it says
/// hello itself.
async fn watch_connection(pusher: Arc<Pusher>, to_welcome: mpsc::Sender<()>) {
    let mut connects = pusher.servers.connects();
    let mut addresses = pusher.servers.addresses();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = pusher.servers.connects();
        let there = pusher.servers.addresses();
        let joined = there.difference(&addresses).next().is_some();
        if now != connects || joined {
            let _ = to_welcome.try_send(());
        }
        connects = now;
        addresses = there;
    }
}

/// Hears what others push, for ever.
async fn hear_pushes(pusher: Arc<Pusher>) {
    loop {
        if let Err(error) = pusher.hear_pushes().await {
            tracing::warn!(said = in_full(&error), "pushes by others are not heard of");
        }
        tokio::time::sleep(AGAIN).await;
    }
}
