//! The resolver effect: account JWTs pushed to every server, and seen there.
//!
//! A server answers 200 to anything, so only a look-up on every server confirms. What differs is pushed again: a
//! server that was down while a user was revoked would let it in.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use async_nats::{Client, Subscriber};
use futures::StreamExt;
use keyledger_domain::{
    Name, Stamp,
    account::{Account, Confirmed, DriftRepaired},
    ledger::Outcome,
};
use keyledger_wire::subject::system;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::jwt::account_jwt;
use crate::{
    handler::{Clock, Handler},
    signers::Signers,
};

/// How long answers are gathered where it is not known how many servers there are.
const GATHER: Duration = Duration::from_millis(300);
/// How long the known servers are given to answer.
const ANSWER: Duration = Duration::from_secs(2);
/// How often every account is looked up on every server.
const RECONCILE: Duration = Duration::from_secs(30);
/// The pause before a push is tried again; it doubles up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Pushes the JWTs of accounts that changed.
#[derive(Debug)]
pub struct Resolver {
    changed: mpsc::UnboundedSender<Name>,
    _tasks: JoinSet<()>,
}

/// What every push needs.
struct Pusher {
    system: Client,
    handler: Handler,
    signers: Arc<Signers>,
    clock: Clock,
    principal: Arc<Stamp>,
    /// Servers that answered: id to name.
    servers: Mutex<BTreeMap<String, String>>,
    /// One push an account at a time, so that an older JWT never follows a newer one.
    turns: Mutex<HashMap<Name, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Deserialize)]
struct Answer {
    server: Server,
}

#[derive(Deserialize)]
struct Server {
    id: String,
    name: String,
}

impl Resolver {
    /// Starts, and compares every account on every server at once.
    #[must_use]
    pub fn start(
        system: Client,
        handler: Handler,
        signers: Arc<Signers>,
        clock: Clock,
        principal: Arc<Stamp>,
    ) -> Self {
        let (changed, inbox) = mpsc::unbounded_channel();
        let pusher = Arc::new(Pusher {
            system,
            handler,
            signers,
            clock,
            principal,
            servers: Mutex::default(),
            turns: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(push_changed(Arc::clone(&pusher), inbox));
        tasks.spawn(watch_servers(Arc::clone(&pusher), changed.clone()));
        tasks.spawn(reconcile(pusher, changed.clone()));
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
        tasks.spawn(async move { pusher.converge(&account).await });
    }
}

/// A server that was not there before may hold older JWTs: everything is compared at once.
async fn watch_servers(pusher: Arc<Pusher>, changed: mpsc::UnboundedSender<Name>) {
    loop {
        let Ok(mut events) = pusher.system.subscribe(system::SERVER_EVENTS).await else {
            tokio::time::sleep(LONGEST_PAUSE).await;
            continue;
        };
        while let Some(message) = events.next().await {
            let Ok(answer) = serde_json::from_slice::<Answer>(&message.payload) else {
                continue;
            };
            let Server { id, name } = answer.server;
            if pusher.servers.lock().insert(id, name.clone()).is_none() {
                tracing::info!(server = %name, "a server has started");
                pusher.all(&changed);
            }
        }
    }
}

async fn reconcile(pusher: Arc<Pusher>, changed: mpsc::UnboundedSender<Name>) {
    let mut every = tokio::time::interval(RECONCILE);
    loop {
        every.tick().await;
        pusher.find_servers().await;
        pusher.all(&changed);
    }
}

impl Pusher {
    fn all(&self, changed: &mpsc::UnboundedSender<Name>) {
        let ledger = self.handler.live().ledger.read();
        for (name, _) in ledger.accounts() {
            let _ = changed.send(name.clone());
        }
    }

    /// Brings every server to hold the account's newest JWT, however long it takes.
    async fn converge(&self, name: &Name) {
        let turn = Arc::clone(self.turns.lock().entry(name.clone()).or_default());
        let _turn = turn.lock().await;
        let mut pause = PAUSE;
        loop {
            match self.converge_once(name).await {
                Ok(true) => return,
                Ok(false) => {
                    tracing::warn!(account = %name, "not every server holds the newest JWT yet")
                }
                Err(said) => tracing::error!(account = %name, %said, "the JWT was not pushed"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            if pause == LONGEST_PAUSE {
                // The next reconciliation takes it up again.
                return;
            }
        }
    }

    /// True if every server holds the newest JWT.
    async fn converge_once(&self, name: &Name) -> Result<bool, String> {
        let account = {
            let ledger = self.handler.live().ledger.read();
            ledger.account(name).map(|e| e.state.clone())
        };
        let Some(account) = account else {
            return Ok(true);
        };
        let jwt = self.jwt(&account).await?;
        let confirmed = account.confirmed == Some(account.issued_at);
        // A fresh JWT is pushed at once; one that was confirmed is looked up first.
        if confirmed && self.held_everywhere(&account, &jwt).await? {
            return Ok(true);
        }
        self.push(&jwt).await?;
        if !self.held_everywhere(&account, &jwt).await? {
            return Ok(false);
        }
        if confirmed {
            self.report_drift(name, &account).await;
        } else {
            self.report_confirmed(name, &account).await;
        }
        Ok(true)
    }

    async fn jwt(&self, account: &Account) -> Result<String, String> {
        let key = {
            let ledger = self.handler.live().ledger.read();
            let (_, operator) = ledger.operator().ok_or("the ledger has no operator")?;
            let keys = &operator.state.signing_keys;
            let key = keys.iter().find(|k| k.nkey == account.issuer);
            key.ok_or("its issuer is not a signing key of the operator")?
                .key
                .clone()
        };
        let signer = self.signers.signer(&key).await.map_err(|e| e.to_string())?;
        account_jwt(account, &signer).map_err(|e| e.to_string())
    }

    /// What the servers say to a push is not believed; that nobody takes it is.
    async fn push(&self, jwt: &str) -> Result<(), String> {
        let request = async_nats::Request::new()
            .payload(jwt.to_owned().into())
            .timeout(Some(ANSWER));
        let reply = self
            .system
            .send_request(system::CLAIMS_UPDATE, request)
            .await;
        reply.map(|_| ()).map_err(|e| e.to_string())
    }

    async fn held_everywhere(&self, account: &Account, jwt: &str) -> Result<bool, String> {
        if self.servers.lock().is_empty() {
            self.find_servers().await;
        }
        let known = self.servers.lock().len();
        let subject = system::claims_lookup(&account.nkey);
        let answers = self.scatter(&subject, known).await?;
        Ok(answers.len() >= known.max(1) && answers.iter().all(|held| held == jwt.as_bytes()))
    }

    /// Asks all servers which they are.
    async fn find_servers(&self) {
        let Ok(answers) = self.scatter(system::PING, 0).await else {
            return;
        };
        let found: BTreeMap<_, _> = answers
            .iter()
            .filter_map(|answer| serde_json::from_slice::<Answer>(answer).ok())
            .map(|answer| (answer.server.id, answer.server.name))
            .collect();
        if !found.is_empty() {
            *self.servers.lock() = found;
        }
    }

    /// Asks all servers at once, and gathers `count` answers; or, if that is 0, all that come in time.
    async fn scatter(&self, subject: &str, count: usize) -> Result<Vec<Vec<u8>>, String> {
        let inbox = self.system.new_inbox();
        let mut replies: Subscriber = self
            .system
            .subscribe(inbox.clone())
            .await
            .map_err(|e| e.to_string())?;
        let sent = self
            .system
            .publish_with_reply(subject.to_owned(), inbox, "".into())
            .await;
        sent.map_err(|e| e.to_string())?;
        let end = Instant::now() + if count == 0 { GATHER } else { ANSWER };
        let mut answers = Vec::new();
        while count == 0 || answers.len() < count {
            let Ok(Some(message)) = timeout_at(end, replies.next()).await else {
                break;
            };
            answers.push(message.payload.to_vec());
        }
        Ok(answers)
    }

    async fn report_confirmed(&self, name: &Name, account: &Account) {
        let now = (self.clock)();
        let since = |at: keyledger_domain::Timestamp| {
            u64::try_from(now.ms().saturating_sub(at.ms())).unwrap_or_default()
        };
        let users = {
            let ledger = self.handler.live().ledger.read();
            let open = ledger.users().filter(|(_, u)| {
                u.state.account == *name
                    && u.state.revocation_took_ms.is_none()
                    // Only what this JWT holds: a later revocation waits for its own.
                    && account.revocations.contains_key(&u.state.nkey)
            });
            open.filter_map(|(user, u)| Some((user.clone(), since(u.state.revoked_at?))))
                .collect()
        };
        let confirmed = Confirmed {
            issued_at: account.issued_at,
            servers: self.server_names(),
            took_ms: since(account.changed_at),
            confirmed_at: now,
        };
        let outcome = Outcome::Confirmed {
            account: name.clone(),
            confirmed,
            users,
        };
        self.handler
            .outcome(outcome, Arc::clone(&self.principal))
            .await;
    }

    async fn report_drift(&self, name: &Name, account: &Account) {
        tracing::warn!(account = %name, "a server held another JWT; it was pushed again");
        let repaired = DriftRepaired {
            // A look-up does not say which server answers.
            server: self.server_names().join(",").into(),
            found: None,
            issued_at: account.issued_at,
        };
        let outcome = Outcome::DriftRepaired {
            account: name.clone(),
            repaired,
        };
        self.handler
            .outcome(outcome, Arc::clone(&self.principal))
            .await;
    }

    fn server_names(&self) -> Vec<Box<str>> {
        self.servers
            .lock()
            .values()
            .map(|name| name.as_str().into())
            .collect()
    }
}
