//! Pushing one account's JWT until every server holds it.

use std::{
    cmp::Reverse,
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::PublishError;
use bytes::Bytes;
use futures::{StreamExt, stream};
use keyledger_claims::{AccountBody, decode};
use keyledger_domain::{
    Name, Stamp,
    account::{Account, RenewalCause},
    ledger::Outcome,
    text::in_full,
};
use keyledger_wire::{Prefix, subject::system};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::Notify;

use super::servers::{Servers, ServersError};
use crate::{
    handler::{Clock, Handler},
    scatter::NotAsked,
    signers::Signers,
    signing::SignerError,
    store::ReadError,
    trust::{
        health::{Ahead, TrustHealth},
        jwt::{JwtError, account_draft, leave_draft, rendered},
    },
};

/// The pauses between look-ups after a push: a server takes 1 to 2 ms, a cluster some more. After the last one the
/// next comparison takes it up again.
const PAUSES_MS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_000, 4_000];
/// From which look-up on a JWT is pushed once more: a push can be lost.
const PUSH_AGAIN_AFTER: usize = 5;
/// From which look-up on a server that has nothing is taken for one that lost it, and takes only a newer one.
const LOST_AFTER: usize = 7;
/// How often an account's JWT is renewed for servers that keep nothing, at the most.
const RENEW_EVERY: Duration = Duration::from_secs(3_600);
/// How many accounts are compared at once: thousands of them must not crowd out a revocation.
const COMPARE_AT_ONCE: usize = 16;
/// The pauses before it is looked again whether the ledger has what servers hold: a stale leader of its stream may tell of an
/// older end for a moment.
const SETTLE_MS: [u64; 4] = [0, 300, 1_000, 2_000];
/// How long a server that has said hello is given to say what it holds before it is pushed to.
const LOOK_FIRST: Duration = Duration::from_millis(40);

/// Why an account's JWT was not pushed, or what servers hold of it is not known. All of it is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum PushError {
    /// What the store holds was not folded.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The operator's signing key does not open.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The JWT would be refused: report it.
    #[error("making the JWT")]
    Jwt(#[from] JwtError),
    /// The servers did not say what they hold.
    #[error("asking the servers")]
    Servers(#[from] ServersError),
    /// A server that has just said hello was not asked.
    #[error("asking a new server")]
    NotAsked(#[from] NotAsked),
    /// NATS did not take the JWT.
    #[error("sending the JWT")]
    Publish(#[from] PublishError),
    /// The ledger was not set up: run `keyledger setup`.
    #[error("the ledger has no operator")]
    NoOperator,
    /// The account was signed by a key that the operator has no more: report it.
    #[error("its issuer is not a signing key of the operator")]
    StrangeIssuer,
    /// The servers know more than the ledger: see `keyledger doctor`.
    #[error("servers hold a newer JWT of this operator's")]
    Ahead,
    /// The JWT does not fit a message: raise the limit.
    #[error("it has {bytes} bytes, and the server's max_payload is {most}: raise it")]
    TooLarge {
        /// The JWT's size.
        bytes: usize,
        /// The largest message.
        most: usize,
    },
}

/// What every push needs.
pub(super) struct Pusher {
    pub(super) servers: Arc<Servers>,
    pub(super) handler: Handler,
    signers: Arc<Signers>,
    prefix: Prefix,
    pub(super) clock: Clock,
    pub(super) principal: Arc<Stamp>,
    pub(super) health: TrustHealth,
    /// Where servers answer to pushes.
    refusals: String,
    /// What was pushed of each account.
    turns: Mutex<HashMap<Name, Arc<tokio::sync::Mutex<PushTurn>>>>,
}

impl std::fmt::Debug for Pusher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pusher").finish_non_exhaustive()
    }
}

/// An account's turn to be pushed: held while a JWT is made and sent, so that none follows a newer one.
#[derive(Default)]
pub(super) struct PushTurn {
    /// The newest JWT made, and its `iat`.
    made: Option<(i64, Arc<str>)>,
    /// The `iat` of the newest one sent.
    pushed: i64,
    /// When it was last renewed for a server that keeps nothing.
    renewed: Option<Instant>,
    /// Other JWTs found since that was last written down.
    pub(super) foreign: u32,
    /// The `jti` of the newest of them.
    pub(super) found: Option<Box<str>>,
    /// True while a task sees to it.
    pub(super) repairing: bool,
    /// Told of each one more.
    pub(super) news: Arc<Notify>,
    /// When that was last written down.
    pub(super) recorded: Option<Instant>,
    /// Since when pushes by others are counted, and how many were answered.
    pub(super) answered: (Option<Instant>, u32),
}

/// A JWT that is to be held by every server, with the account it was made of.
pub(super) struct NewestJwt {
    pub(super) account: Account,
    pub(super) jwt: Arc<str>,
}

/// What the servers hold of an account.
enum Held {
    /// All of them the newest JWT.
    Everywhere,
    /// Some did not answer; the others hold it.
    Unknown,
    /// A JWT of the operator's that is newer than the ledger: its `iat`.
    Newer(i64),
    /// Nothing, on one of them.
    Lost,
    /// Something else, with its `jti` if it is a JWT.
    Other(Option<Box<str>>),
}

impl Pusher {
    pub(super) fn new(
        servers: Arc<Servers>,
        handler: Handler,
        signers: Arc<Signers>,
        prefix: Prefix,
        clock: Clock,
        principal: Arc<Stamp>,
        health: TrustHealth,
    ) -> Self {
        let refusals = servers.client().new_inbox();
        let turns = Mutex::default();
        Self {
            servers,
            handler,
            signers,
            prefix,
            clock,
            principal,
            health,
            refusals,
            turns,
        }
    }

    /// Takes in what servers say to pushes. A 200 says nothing; a refusal says why.
    pub(super) async fn hear_refusals(&self) {
        let Ok(mut replies) = self.servers.client().subscribe(self.refusals.clone()).await else {
            return;
        };
        while let Some(reply) = replies.next().await {
            let Some((account, said)) = refusal(&reply.payload) else {
                continue;
            };
            tracing::error!(%account, %said, "a server refuses an account's JWT");
            let name = {
                let ledger = self.handler.live().ledger.read();
                ledger.account_of_nkey(&account).cloned()
            };
            if let Some(name) = name {
                self.health
                    .set_unpushed(&name, Some(format!("a server refuses it: {said}")));
            }
        }
    }

    /// An account changed: pushes it at once, and sees it on every server.
    pub(super) async fn changed(&self, name: &Name) {
        for pause in PAUSES_MS {
            match self.push(name, false).await {
                Ok(Some(newest)) => return self.confirm(name, newest).await,
                // Another task pushed this very JWT, and sees to it.
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(account = %name, said = in_full(&error), "the JWT was not pushed; trying on");
                }
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// All accounts, the one that changed last first.
    pub(super) fn names(&self) -> Vec<Name> {
        let ledger = self.handler.live().ledger.read();
        let accounts = ledger.accounts();
        let mut names: Vec<_> = accounts
            .map(|(name, account)| (Reverse(account.state.changed_at), name.clone()))
            .collect();
        names.sort_unstable();
        names.into_iter().map(|(_, name)| name).collect()
    }

    /// Asks whether servers hold newer JWTs than the ledger made.
    pub(super) async fn examine(&self) {
        let examine = |name: Name| async move {
            let turn = self.turn(&name);
            let newest = self.newest(&name, &mut *turn.lock().await).await;
            let held = match newest {
                Ok(Some(newest)) => self.held(&newest).await,
                Ok(None) => return,
                Err(error) => Err(error),
            };
            let settled = match held {
                Ok(Held::Newer(_)) => self.settle(&name).await,
                Ok(Held::Everywhere | Held::Unknown | Held::Lost | Held::Other(_)) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = settled {
                tracing::warn!(account = %name, said = in_full(&error), "what servers hold of it is not known yet");
            }
        };
        stream::iter(self.names())
            .for_each_concurrent(COMPARE_AT_ONCE, examine)
            .await;
    }

    /// Pushes every account to a server that has just said hello, unless it holds more than the ledger knows.
    pub(super) async fn welcome(&self) {
        let welcome = |name: Name| async move {
            if let Err(error) = self.welcome_with(&name).await {
                tracing::warn!(account = %name, said = in_full(&error), "a new server was not pushed to yet");
            }
        };
        stream::iter(self.names())
            .for_each_concurrent(COMPARE_AT_ONCE, welcome)
            .await;
    }

    async fn welcome_with(&self, name: &Name) -> Result<(), PushError> {
        let turn = self.turn(name);
        let Some(newest) = self.newest(name, &mut *turn.lock().await).await? else {
            return Ok(());
        };
        let subject = system::claims_lookup(&newest.account.nkey);
        let answers = self.servers.ask_briefly(&subject, LOOK_FIRST).await;
        let answers = answers?;
        if answers
            .iter()
            .any(|held| self.newer(held, &newest.account).is_some())
        {
            return self.settle(name).await;
        }
        self.push(name, true).await.map(|_| ())
    }

    /// Compares every account on every server. False if that did not come about: it is worth trying again soon.
    pub(super) async fn compare_all(self: &Arc<Self>) -> bool {
        if let Err(error) = self.servers.find().await {
            tracing::warn!(error = in_full(&error), "accounts were not compared");
            return false;
        }
        let compare = |name: Name| async move {
            self.compare(&name).await.unwrap_or_else(|error| {
                tracing::error!(account = %name, said = in_full(&error), "the account was not compared; trying on");
                false
            })
        };
        let compared = stream::iter(self.names())
            .map(compare)
            .buffer_unordered(COMPARE_AT_ONCE);
        // All of them, also after one that failed.
        let all = compared
            .fold(true, |all, good| async move { all && good })
            .await;
        if !all {
            tracing::warn!("not every server said what it holds of every account; asking again");
        }
        all
    }

    /// Compares one account on every server, and pushes it again where it differs. False if some server did not say what it holds.
    async fn compare(self: &Arc<Self>, name: &Name) -> Result<bool, PushError> {
        let turn = self.turn(name);
        let Some(newest) = self.newest(name, &mut *turn.lock().await).await? else {
            return Ok(true);
        };
        let confirmed = newest.account.confirmed == Some(newest.account.issued_at);
        let (found, what) = match self.held(&newest).await? {
            Held::Everywhere => {
                self.is_held(name).await;
                if !confirmed {
                    self.report_confirmed(name, &newest.account).await;
                }
                return Ok(true);
            }
            Held::Unknown => return Ok(false),
            Held::Newer(_) => return self.settle(name).await.map(|()| true),
            Held::Lost => (None, "none: a server lost it"),
            Held::Other(found) => (found, "another JWT than the ledger's"),
        };
        let Some(newest) = self.push(name, true).await? else {
            return Ok(true);
        };
        if confirmed {
            self.drifted(name, found, what).await;
        } else {
            self.confirm(name, newest).await;
        }
        Ok(true)
    }

    /// A server holds a newer JWT of this operator's than the ledger of this instance. It is another instance's, unless it
    /// still is newer once everything that is stored was folded: then the ledger was rolled back.
    pub(super) async fn settle(&self, name: &Name) -> Result<(), PushError> {
        let turn = self.turn(name);
        let mut ahead = None;
        for pause in SETTLE_MS {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            self.handler.catch_up().await?;
            let Some(newest) = self.newest(name, &mut *turn.lock().await).await? else {
                return Ok(());
            };
            let Held::Newer(held) = self.held(&newest).await? else {
                self.health.clear_ahead(name);
                return Ok(());
            };
            let known = newest.account.issued_at;
            ahead = Some(Ahead { held, known });
        }
        if let Some(ahead) = ahead
            && self.health.set_ahead(name, ahead)
        {
            tracing::error!(
                account = %name, held = ahead.held, known = ahead.known,
                "servers hold a newer JWT than the ledger ever made: THE LEDGER WAS ROLLED BACK, or SOMEBODY ELSE SIGNS WITH \
                 THE OPERATOR'S KEY. Nothing is pushed over it, and no command is taken"
            );
        }
        Ok(())
    }

    /// Remembers that an account's JWT cannot be pushed: commands that change it are refused meanwhile.
    fn unpushed(&self, name: &Name, error: PushError) -> PushError {
        self.health.set_unpushed(name, Some(in_full(&error)));
        error
    }

    pub(super) fn turn(&self, name: &Name) -> Arc<tokio::sync::Mutex<PushTurn>> {
        Arc::clone(self.turns.lock().entry(name.clone()).or_default())
    }

    /// Sends the newest JWT to all servers. Nothing if it was sent before, unless `again`.
    pub(super) async fn push(
        &self,
        name: &Name,
        again: bool,
    ) -> Result<Option<NewestJwt>, PushError> {
        let turn = self.turn(name);
        let mut turn = turn.lock().await;
        let newest = match self.newest(name, &mut turn).await {
            Ok(Some(newest)) => newest,
            Ok(None) => return Ok(None),
            Err(error) => return Err(self.unpushed(name, error)),
        };
        if turn.pushed == newest.account.issued_at && !again {
            return Ok(None);
        }
        if let Some(ahead) = self.health.ahead().get(name) {
            if ahead.held >= newest.account.issued_at {
                return Err(PushError::Ahead);
            }
            // The ledger was put above it, by an administrator's word.
            self.health.clear_ahead(name);
        }
        let client = self.servers.client();
        let (bytes, most) = (newest.jwt.len(), client.server_info().max_payload);
        if bytes > most {
            return Err(self.unpushed(name, PushError::TooLarge { bytes, most }));
        }
        let payload = Bytes::copy_from_slice(newest.jwt.as_bytes());
        let sent = client.publish_with_reply(system::CLAIMS_UPDATE, self.refusals.clone(), payload);
        sent.await?;
        turn.pushed = newest.account.issued_at;
        Ok(Some(newest))
    }

    /// The account as it stands in the ledger, and its JWT: checked, signed, and made once.
    pub(super) async fn newest(
        &self,
        name: &Name,
        turn: &mut PushTurn,
    ) -> Result<Option<NewestJwt>, PushError> {
        let (account, key, rendered) = {
            let ledger = self.handler.live().ledger.read();
            let Some(account) = ledger.account(name).map(|entry| entry.state.clone()) else {
                return Ok(None);
            };
            let (_, operator) = ledger.operator().ok_or(PushError::NoOperator)?;
            let mut keys = operator.state.signing_keys.iter();
            let key = keys.find(|key| key.nkey == account.issuer);
            let key = key.ok_or(PushError::StrangeIssuer)?;
            // Every change of what is in it gives it a new `iat`.
            if let Some((_, jwt)) = turn
                .made
                .as_ref()
                .filter(|(iat, _)| *iat == account.issued_at)
            {
                return Ok(Some(NewestJwt {
                    account,
                    jwt: Arc::clone(jwt),
                }));
            }
            let rendered = rendered(&account, &self.prefix, &*ledger)?;
            (account, key.key.clone(), rendered)
        };
        let signer = self.signers.signer(&key).await?;
        let mut tokens = Vec::new();
        for leave in rendered.leave() {
            let exporter = self.signers.signer(&leave.key).await?;
            let draft = leave_draft(&account, leave, exporter.public_nkey())?;
            tokens.push(exporter.sign_claims(draft).await?);
        }
        let mut tokens = tokens.into_iter();
        let claims = rendered.signed(|_| Ok::<_, PushError>(tokens.next().unwrap_or_default()))?;
        let draft = account_draft(&account, &claims, signer.public_nkey())?;
        let jwt: Arc<str> = signer.sign_claims(draft).await?.into();
        turn.made = Some((account.issued_at, Arc::clone(&jwt)));
        Ok(Some(NewestJwt { account, jwt }))
    }

    /// Looks until every server holds it, and says so.
    async fn confirm(&self, name: &Name, newest: NewestJwt) {
        if self.look_until_held(name, &newest).await {
            self.report_confirmed(name, &newest.account).await;
        }
    }

    /// Looks until every server holds it, and pushes again meanwhile. False if a newer one is out, or that does not come about.
    pub(super) async fn look_until_held(&self, name: &Name, newest: &NewestJwt) -> bool {
        let turn = self.turn(name);
        let mut fault = String::new();
        for (look, pause) in PAUSES_MS.into_iter().enumerate() {
            if turn.lock().await.pushed > newest.account.issued_at {
                return false; // a newer one is out, and is being looked for
            }
            match self.held(newest).await {
                Ok(Held::Everywhere) => {
                    self.is_held(name).await;
                    return true;
                }
                // Another instance's, whose event is on its way here; or the ledger was rolled back.
                Ok(Held::Newer(_)) => {
                    if let Err(error) = self.settle(name).await {
                        tracing::error!(account = %name, said = in_full(&error), "what servers hold beyond the ledger was not settled");
                    }
                    return false;
                }
                Ok(Held::Unknown) => "some servers do not answer".clone_into(&mut fault),
                Ok(Held::Lost) if look >= LOST_AFTER => {
                    if self.renew(name, newest).await {
                        return false; // a newer one goes out
                    }
                    "some servers keep none".clone_into(&mut fault);
                }
                Ok(Held::Lost) => "some servers hold none".clone_into(&mut fault),
                Ok(Held::Other(_)) => "some servers hold another JWT".clone_into(&mut fault),
                Err(error) => fault = in_full(&error),
            }
            if look >= PUSH_AGAIN_AFTER
                && let Err(error) = self.push(name, true).await
            {
                fault = in_full(&error);
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        tracing::error!(account = %name, %fault, "the JWT is not on every server; trying on");
        false
    }

    /// Has the JWT signed anew: a server that lost its copy does not take the same one again. True if it is.
    async fn renew(&self, name: &Name, newest: &NewestJwt) -> bool {
        let turn = self.turn(name);
        {
            let mut turn = turn.lock().await;
            if turn.renewed.is_some_and(|at| at.elapsed() < RENEW_EVERY) {
                return false;
            }
            turn.renewed = Some(Instant::now());
        }
        tracing::error!(account = %name, "a server lost the account's JWT and does not take it back; it is signed anew");
        let renew = Outcome::Renew {
            account: name.clone(),
            above: newest.account.issued_at,
            cause: RenewalCause::Lost,
        };
        let principal = Arc::clone(&self.principal);
        self.handler.outcome(renew, principal).await;
        true
    }

    /// Every server holds an account's newest JWT.
    async fn is_held(&self, name: &Name) {
        self.turn(name).lock().await.renewed = None;
        self.health.clear_ahead(name);
        self.health.set_unpushed(name, None);
    }

    /// What the servers hold.
    async fn held(&self, newest: &NewestJwt) -> Result<Held, PushError> {
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
        let others: Vec<_> = others.chain([other]).collect();
        let newer = others
            .iter()
            .filter_map(|held| self.newer(held, &newest.account));
        if let Some(iat) = newer.max() {
            return Ok(Held::Newer(iat));
        }
        if others.iter().all(|held| held.is_empty()) {
            return Ok(Held::Lost);
        }
        let jti = std::str::from_utf8(other).ok().and_then(|jwt| {
            let claims = decode::<AccountBody>(jwt).ok()?;
            Some(shortened(&claims.jti))
        });
        Ok(Held::Other(jti))
    }

    /// The `iat` of a JWT for this account that the operator signed after the newest one that this instance knows.
    fn newer(&self, held: &[u8], account: &Account) -> Option<i64> {
        let jwt = std::str::from_utf8(held).ok()?;
        let claims = decode::<AccountBody>(jwt).ok()?;
        let newer = *claims.sub == *account.nkey && claims.iat > account.issued_at;
        (newer && self.is_ours(&claims.iss)).then_some(claims.iat)
    }

    /// True of the nkey of a signing key of this operator.
    pub(super) fn is_ours(&self, nkey: &str) -> bool {
        let ledger = self.handler.live().ledger.read();
        ledger.operator().is_some_and(|(_, operator)| {
            let mut keys = operator.state.signing_keys.iter();
            keys.any(|key| *key.nkey == *nkey)
        })
    }
}

/// A `jti` as it is shown: it comes from outside.
pub(super) fn shortened(jti: &str) -> Box<str> {
    jti.chars().take(80).collect::<String>().into()
}

/// Why a server did not take a JWT, as it says, and whose that is.
fn refusal(payload: &[u8]) -> Option<(String, String)> {
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
    Some((fault.account, fault.description))
}
