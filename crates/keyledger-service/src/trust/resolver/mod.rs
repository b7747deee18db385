//! The resolver effect: account JWTs pushed to every server, and seen there.
//!
//! What was measured on nats-server shapes it: a server answers 200 to an older JWT and to a stranger's, so only a
//! look-up on every server confirms; a server that was down while a user was revoked lets it in until it is pushed to.
//!
//! - A change is pushed at once, whatever else is under way; JWTs of one account go out with rising `iat`.
//! - Every account is compared on every server at the start, every 30 s, when a server starts, and after a lost
//!   connection; what differs is pushed again.
//! - A JWT that is *newer* than this instance's ledger is another instance's: it is not pushed over, unless it stays
//!   newer, which only somebody with a stolen key could bring about.
//!
//! *Invariant:* nothing is pushed that is not the fold of the ledger; a push is never taken for a confirmation.

mod pusher;
mod report;
mod servers;

use std::{sync::Arc, time::Duration};

use async_nats::Client;
use keyledger_domain::{Name, Stamp};
use tokio::{sync::mpsc, task::JoinSet};

use self::{pusher::Pusher, servers::Servers};
use crate::{
    handler::{Clock, Handler},
    signers::Signers,
};

/// How often every account is looked up on every server.
const RECONCILE: Duration = Duration::from_secs(30);
/// How soon after a comparison that did not come about.
const SOON: Duration = Duration::from_secs(2);
/// How often the connection is asked whether it was made anew.
const LOOK: Duration = Duration::from_secs(1);

/// Pushes the JWTs of accounts that changed. Its tasks end with it.
#[derive(Debug)]
pub struct Resolver {
    changed: mpsc::UnboundedSender<Name>,
    _tasks: JoinSet<()>,
}

impl Resolver {
    /// Starts, and compares every account on every server at once. The ledger is folded by now.
    #[must_use]
    pub fn start(
        system: Client,
        handler: Handler,
        signers: Arc<Signers>,
        clock: Clock,
        principal: Arc<Stamp>,
    ) -> Self {
        let (changed, inbox) = mpsc::unbounded_channel();
        let servers = Servers::new(system);
        let pusher = Arc::new(Pusher::new(servers, handler, signers, clock, principal));
        let (to_compare, compare) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        tasks.spawn(push_changed(Arc::clone(&pusher), inbox));
        tasks.spawn(compare_all(Arc::clone(&pusher), compare));
        tasks.spawn(watch_servers(Arc::clone(&pusher), to_compare.clone()));
        tasks.spawn(watch_connection(Arc::clone(&pusher), to_compare));
        tasks.spawn(async move { pusher.hear_refusals().await });
        Self {
            changed,
            _tasks: tasks,
        }
    }

    /// Says that an account's JWT changed.
    pub fn notify(&self, account: Name) {
        // It cannot fail while the tasks live, which is as long as `self`.
        let _ = self.changed.send(account);
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
        let pause = if pusher.compare_all().await {
            RECONCILE
        } else {
            SOON
        };
        // Both senders live as long as this task: their own tasks never end.
        let _ = tokio::time::timeout(pause, asked.recv()).await;
    }
}

/// A server that was not there before may hold older JWTs.
async fn watch_servers(pusher: Arc<Pusher>, to_compare: mpsc::Sender<()>) {
    loop {
        if let Err(said) = pusher.servers().watch(&to_compare).await {
            tracing::warn!(%said, "starts of servers are not heard of");
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What happened while the connection was away was not heard of.
async fn watch_connection(pusher: Arc<Pusher>, to_compare: mpsc::Sender<()>) {
    let mut before = pusher.servers().connects();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = pusher.servers().connects();
        if now != std::mem::replace(&mut before, now) {
            // Full is as good: somebody asked already.
            let _ = to_compare.try_send(());
        }
    }
}
