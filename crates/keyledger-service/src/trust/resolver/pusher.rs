//! Pushing one account's JWT until every server holds it.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use keyledger_claims::{AccountBody, decode};
use keyledger_domain::{Name, Stamp, account::Account};
use keyledger_wire::subject::system;
use parking_lot::Mutex;
use serde::Deserialize;

use super::servers::Servers;
use crate::{
    handler::{Clock, Handler},
    signers::Signers,
    trust::jwt::account_jwt,
};

/// The pauses between look-ups after a push: a server takes 1 to 2 ms, a cluster some more. After the last one the
/// next comparison takes it up again.
const PAUSES_MS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_000, 4_000];
/// From which look-up on a JWT is pushed once more: a push can be lost.
const PUSH_AGAIN_AFTER: usize = 5;
/// How many accounts are compared at once: thousands of them must not crowd out a revocation.
const COMPARE_AT_ONCE: usize = 16;
/// How long a JWT that is newer than the ledger is believed to be another instance's: two comparisons.
const BELIEVE_NEWER: Duration = Duration::from_secs(65);

/// What every push needs.
pub(super) struct Pusher {
    pub(super) servers: Servers,
    pub(super) handler: Handler,
    signers: Arc<Signers>,
    pub(super) clock: Clock,
    pub(super) principal: Arc<Stamp>,
    /// Where servers answer to pushes.
    refusals: String,
    /// What was pushed of each account.
    turns: Mutex<HashMap<Name, Arc<tokio::sync::Mutex<Turn>>>>,
}

/// An account's turn to be pushed: held while a JWT is made and sent, so that none follows a newer one.
#[derive(Default)]
struct Turn {
    /// The newest JWT made, and its `iat`.
    made: Option<(i64, Arc<str>)>,
    /// The `iat` of the newest one sent.
    pushed: i64,
    /// Since when a server holds a newer one than the ledger knows.
    newer_since: Option<Instant>,
}

/// A JWT that is to be held by every server, with the account it was made of.
struct Newest {
    account: Account,
    jwt: Arc<str>,
}

/// What the servers hold of an account.
enum Held {
    /// All of them the newest JWT.
    Everywhere,
    /// Some did not answer; the others hold it.
    Unknown,
    /// A JWT of the operator's that is newer than the ledger.
    Newer,
    /// Something else, with its `jti`; none if there was nothing, or nothing that is a JWT.
    Other(Option<Box<str>>),
}

impl Pusher {
    pub(super) fn new(
        servers: Servers,
        handler: Handler,
        signers: Arc<Signers>,
        clock: Clock,
        principal: Arc<Stamp>,
    ) -> Self {
        let refusals = servers.client().new_inbox();
        let turns = Mutex::default();
        Self {
            servers,
            handler,
            signers,
            clock,
            principal,
            refusals,
            turns,
        }
    }

    pub(super) const fn servers(&self) -> &Servers {
        &self.servers
    }

    /// Logs what servers say to pushes. A 200 says nothing; a refusal says why.
    pub(super) async fn hear_refusals(&self) {
        let Ok(mut replies) = self.servers.client().subscribe(self.refusals.clone()).await else {
            return;
        };
        while let Some(reply) = replies.next().await {
            if let Some(said) = refusal(&reply.payload) {
                tracing::error!(%said, "a server refuses an account's JWT");
            }
        }
    }

    /// An account changed: pushes it at once, and sees it on every server.
    pub(super) async fn changed(&self, name: &Name) {
        for pause in PAUSES_MS {
            match self.push(name, false).await {
                Ok(Some(newest)) => return self.confirm(name, newest, None).await,
                // Another task pushed this very JWT, and sees to it.
                Ok(None) => return,
                Err(said) => {
                    tracing::error!(account = %name, %said, "the JWT was not pushed; trying on");
                }
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Compares every account on every server. False if it is worth trying again soon.
    pub(super) async fn compare_all(&self) -> bool {
        if let Err(said) = self.servers.find().await {
            tracing::warn!(%said, "accounts were not compared");
            return false;
        }
        let names: Vec<Name> = {
            let ledger = self.handler.live().ledger.read();
            ledger.accounts().map(|(name, _)| name.clone()).collect()
        };
        let compare = |name: Name| async move {
            let compared = self.compare(&name).await;
            if let Err(said) = &compared {
                tracing::error!(account = %name, %said, "the account was not compared; trying on");
            }
            compared.is_ok()
        };
        let compared = stream::iter(names)
            .map(compare)
            .buffer_unordered(COMPARE_AT_ONCE);
        compared.all(|good| async move { good }).await
    }

    /// Compares one account on every server, and pushes it again where it differs.
    async fn compare(&self, name: &Name) -> Result<(), String> {
        let turn = self.turn(name);
        let Some(newest) = self.newest(name, &mut *turn.lock().await).await? else {
            return Ok(());
        };
        let confirmed = newest.account.confirmed == Some(newest.account.issued_at);
        let found = match self.held(&newest).await? {
            Held::Everywhere => {
                turn.lock().await.newer_since = None;
                if !confirmed {
                    self.report_confirmed(name, &newest.account).await;
                }
                return Ok(());
            }
            Held::Unknown => return Ok(()),
            Held::Newer => {
                let since = *turn
                    .lock()
                    .await
                    .newer_since
                    .get_or_insert_with(Instant::now);
                if since.elapsed() < BELIEVE_NEWER {
                    return Ok(());
                }
                tracing::error!(
                    account = %name,
                    "servers hold a newer JWT than the ledger knows: SOMEBODY ELSE SIGNS WITH THE OPERATOR'S KEY, or \
                     this instance does not follow the ledger"
                );
                None
            }
            Held::Other(found) => found,
        };
        if let Some(newest) = self.push(name, true).await? {
            self.confirm(name, newest, confirmed.then_some(found)).await;
        }
        Ok(())
    }

    fn turn(&self, name: &Name) -> Arc<tokio::sync::Mutex<Turn>> {
        Arc::clone(self.turns.lock().entry(name.clone()).or_default())
    }

    /// Sends the newest JWT to all servers. Nothing if it was sent before, unless `again`.
    async fn push(&self, name: &Name, again: bool) -> Result<Option<Newest>, String> {
        let turn = self.turn(name);
        let mut turn = turn.lock().await;
        let Some(newest) = self.newest(name, &mut turn).await? else {
            return Ok(None);
        };
        if turn.pushed == newest.account.issued_at && !again {
            return Ok(None);
        }
        let payload = Bytes::copy_from_slice(newest.jwt.as_bytes());
        let client = self.servers.client();
        let sent = client.publish_with_reply(system::CLAIMS_UPDATE, self.refusals.clone(), payload);
        sent.await.map_err(|e| e.to_string())?;
        turn.pushed = newest.account.issued_at;
        Ok(Some(newest))
    }

    /// The account as it stands in the ledger, and its JWT: checked, signed, and made once.
    async fn newest(&self, name: &Name, turn: &mut Turn) -> Result<Option<Newest>, String> {
        let (account, key) = {
            let ledger = self.handler.live().ledger.read();
            let Some(account) = ledger.account(name).map(|entry| entry.state.clone()) else {
                return Ok(None);
            };
            let (_, operator) = ledger.operator().ok_or("the ledger has no operator")?;
            let mut keys = operator.state.signing_keys.iter();
            let key = keys.find(|key| key.nkey == account.issuer);
            let key = key.ok_or("its issuer is not a signing key of the operator")?;
            (account, key.key.clone())
        };
        // Every change of what is in it gives it a new `iat`.
        if let Some((_, jwt)) = turn
            .made
            .as_ref()
            .filter(|(iat, _)| *iat == account.issued_at)
        {
            return Ok(Some(Newest {
                account,
                jwt: Arc::clone(jwt),
            }));
        }
        let signer = self.signers.signer(&key).await.map_err(|e| e.to_string())?;
        let jwt: Arc<str> = account_jwt(&account, &signer)
            .map_err(|e| e.to_string())?
            .into();
        turn.made = Some((account.issued_at, Arc::clone(&jwt)));
        Ok(Some(Newest { account, jwt }))
    }

    /// Looks until every server holds it, and says so; `drifted` names what was found if it had been confirmed before.
    async fn confirm(&self, name: &Name, newest: Newest, drifted: Option<Option<Box<str>>>) {
        let turn = self.turn(name);
        let mut fault = String::new();
        for (look, pause) in PAUSES_MS.into_iter().enumerate() {
            if turn.lock().await.pushed > newest.account.issued_at {
                return; // a newer one is out, and is being looked for
            }
            match self.held(&newest).await {
                Ok(Held::Everywhere) => {
                    return match drifted {
                        Some(found) => self.report_drift(name, &newest.account, found).await,
                        None => self.report_confirmed(name, &newest.account).await,
                    };
                }
                // Another instance's: its event is on its way here.
                Ok(Held::Newer) if drifted.is_none() => return,
                Ok(Held::Newer) => "some servers hold a newer JWT".clone_into(&mut fault),
                Ok(Held::Unknown) => "some servers do not answer".clone_into(&mut fault),
                Ok(Held::Other(_)) => "some servers hold another JWT".clone_into(&mut fault),
                Err(said) => fault = said,
            }
            if look >= PUSH_AGAIN_AFTER
                && let Err(said) = self.push(name, true).await
            {
                fault = said;
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        tracing::error!(account = %name, %fault, "the JWT is not on every server; trying on");
    }

    /// What the servers hold.
    async fn held(&self, newest: &Newest) -> Result<Held, String> {
        let subject = system::claims_lookup(&newest.account.nkey);
        let said = self.servers.ask(&subject).await?;
        let mut others = said
            .answers
            .iter()
            .filter(|held| held[..] != *newest.jwt.as_bytes());
        let Some(other) = others.next() else {
            return Ok(if said.complete {
                Held::Everywhere
            } else {
                Held::Unknown
            });
        };
        if others
            .chain([other])
            .any(|held| self.is_newer(held, &newest.account))
        {
            return Ok(Held::Newer);
        }
        let jti = std::str::from_utf8(other).ok().and_then(|jwt| {
            // Shown shortened: it comes from outside.
            let claims = decode::<AccountBody>(jwt).ok()?;
            Some(claims.jti.chars().take(80).collect::<String>().into())
        });
        Ok(Held::Other(jti))
    }

    /// True of a JWT for this account that the operator signed after the newest one that this instance knows.
    fn is_newer(&self, held: &[u8], account: &Account) -> bool {
        let claims = std::str::from_utf8(held)
            .ok()
            .and_then(|jwt| decode::<AccountBody>(jwt).ok());
        let Some(claims) = claims else { return false };
        let ledger = self.handler.live().ledger.read();
        let ours = ledger.operator().is_some_and(|(_, operator)| {
            operator
                .state
                .signing_keys
                .iter()
                .any(|key| *key.nkey == *claims.iss)
        });
        ours && *claims.sub == *account.nkey && claims.iat > account.issued_at
    }
}

/// Why a server did not take a JWT, as it says.
fn refusal(payload: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Reply {
        error: Option<Fault>,
    }
    #[derive(Deserialize)]
    struct Fault {
        #[serde(default)]
        account: String,
        #[serde(default)]
        description: String,
    }
    let fault = serde_json::from_slice::<Reply>(payload).ok()?.error?;
    Some(format!("{}: {}", fault.account, fault.description))
}
