//! Watches of the inventory bucket: viewers ask as clients of JetStream do, and the service makes the consumer.
//!
//! Viewers reach JetStream's own API for consumers nowhere: whoever makes a consumer says what the server publishes, and
//! where, with the authority of the bucket's account.

mod asked;

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures::StreamExt as _;
use keyledger_domain::{Role, Stamp};
use keyledger_wire::{Prefix, subject::QUEUE_GROUP};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use tokio::{runtime::Handle, sync::Semaphore};

use self::asked::RefusedWish;
use super::read;
use crate::{identity, shared::Shared};

/// How many watches one user may have at once. All together are bounded by the bucket's consumers.
const MAX_OF_A_USER: usize = 16;
/// How many requests are worked on at once in one instance.
const AT_ONCE: usize = 8;
/// How many requests of one user may wait; more are refused at once.
const WAITING_OF_A_USER: usize = 16;
/// How long JetStream is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// JetStream's code of a consumer that was not made.
const NOT_MADE: u32 = 10_012;
/// JetStream's code of too many consumers.
const TOO_MANY: u32 = 10_026;
/// JetStream's code of a consumer that is not there.
const NOT_FOUND: u32 = 10_014;
/// JetStream's code of a system that is not there at the moment.
const UNAVAILABLE: u32 = 10_008;

/// What is asked: to make a consumer, or to delete one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Make,
    Delete,
}

impl Wish {
    const fn response(self) -> &'static str {
        match self {
            Self::Make => "io.nats.jetstream.api.v1.consumer_create_response",
            Self::Delete => "io.nats.jetstream.api.v1.consumer_delete_response",
        }
    }
}

/// Why a wish is not granted, in JetStream's words.
struct Fault {
    code: u16,
    err_code: u32,
    description: String,
}

impl Fault {
    fn unavailable(description: impl Into<String>) -> Self {
        Self {
            code: 503,
            err_code: UNAVAILABLE,
            description: description.into(),
        }
    }

    fn refused(err_code: u32, description: impl Into<String>) -> Self {
        Self {
            code: 400,
            err_code,
            description: description.into(),
        }
    }
}

impl From<RefusedWish> for Fault {
    fn from(RefusedWish(why): RefusedWish) -> Self {
        Self::refused(NOT_MADE, why)
    }
}

/// Listens for wishes, and gives the task that grants them.
pub(super) async fn open(
    nats: &async_nats::Client,
    shared: &Arc<Shared>,
) -> Result<impl Future<Output = ()> + use<>, async_nats::SubscribeError> {
    let prefix = &shared.prefix;
    let listen = async |subject: String| -> Result<Subscriber, async_nats::SubscribeError> {
        nats.queue_subscribe(Prefix::inner(&subject), QUEUE_GROUP.into())
            .await
    };
    let made = listen(prefix.watch())
        .await?
        .map(|message| (Wish::Make, message));
    let deleted = listen(prefix.unwatch())
        .await?
        .map(|message| (Wish::Delete, message));
    let wishes = futures::stream::select(made, deleted);
    let desk = Arc::new(Desk {
        shared: Arc::clone(shared),
        under_way: Mutex::default(),
        slots: Semaphore::new(AT_ONCE),
    });
    let workers = Handle::current();
    Ok(async move {
        let mut wishes = std::pin::pin!(wishes);
        while let Some((wish, message)) = wishes.next().await {
            let desk = Arc::clone(&desk);
            let taken = desk.take(&message);
            workers.spawn(async move {
                let answer = match taken {
                    Ok(sender) => {
                        let answer = desk.grant(wish, &message, &sender).await;
                        desk.done(&sender);
                        answer
                    }
                    Err(fault) => Err(fault),
                };
                desk.reply(wish, message, answer).await;
            });
        }
    })
}

/// Where wishes are granted, one instance's.
struct Desk {
    shared: Arc<Shared>,
    /// How many wishes of each user are under way.
    under_way: Mutex<HashMap<Box<str>, usize>>,
    slots: Semaphore,
}

impl Desk {
    /// Finds out who sends it, and whether it may wait here.
    fn take(&self, message: &Message) -> Result<Arc<Stamp>, Fault> {
        let now = (self.shared.clock)();
        let ledger = self.shared.live.ledger.read();
        let sender = identity::identify(&ledger, read::stamp(message), now);
        drop(ledger);
        let sender = sender.map_err(|e| Fault::refused(NOT_MADE, e.to_string()))?;
        match sender.known.role {
            Role::Administrator | Role::Approver | Role::Auditor => {}
            role @ (Role::Service | Role::Agent) => {
                let why = format!("the role {role} does not watch the inventory");
                return Err(Fault::refused(NOT_MADE, why));
            }
        }
        let mut under_way = self.under_way.lock();
        let of_user = under_way
            .entry(sender.stamp.user.as_ref().into())
            .or_default();
        if *of_user >= WAITING_OF_A_USER {
            return Err(Fault::unavailable(
                "busy: this user asks for watches too fast",
            ));
        }
        *of_user += 1;
        Ok(sender.stamp)
    }

    fn done(&self, sender: &Stamp) {
        let mut under_way = self.under_way.lock();
        if let Some(of_user) = under_way.get_mut(&*sender.user) {
            *of_user -= 1;
            if *of_user == 0 {
                under_way.remove(&*sender.user);
            }
        }
    }

    /// Does what is asked; gives JetStream's own answer.
    async fn grant(&self, wish: Wish, message: &Message, sender: &Stamp) -> Result<Bytes, Fault> {
        let _slot = self.slots.acquire().await;
        let stream = Prefix::bucket_stream(&self.shared.prefix.inventory_bucket());
        let given = self.given(wish, &message.subject);
        match wish {
            Wish::Make => {
                let name = asked::name_of(&sender.user, given)?;
                let sender_nkeys = (&*sender.account, &*sender.user);
                let made =
                    asked::consumer(&self.shared.prefix, sender_nkeys, &name, &message.payload)?;
                self.check_share(&stream, sender).await?;
                self.ask(
                    &format!("CONSUMER.CREATE.{stream}.{name}"),
                    made.to_string(),
                )
                .await
            }
            Wish::Delete if !given.starts_with(&asked::names_of(&sender.user)) => {
                Err(Fault::refused(NOT_FOUND, "this user has no such watch"))
            }
            Wish::Delete => {
                let subject = format!("CONSUMER.DELETE.{stream}.{given}");
                self.ask(&subject, String::new()).await
            }
        }
    }

    /// The name in a subject: what a filter adds behind it stands in the payload too.
    fn given<'a>(&self, wish: Wish, subject: &'a str) -> &'a str {
        let of = match wish {
            Wish::Make => self.shared.prefix.watch(),
            Wish::Delete => self.shared.prefix.unwatch(),
        };
        let before = Prefix::inner(of.trim_end_matches(['*', '>']));
        let tail = subject.strip_prefix(&before).unwrap_or_default();
        tail.split('.').next().unwrap_or_default()
    }

    /// Holds that a user leaves the others their watches: those it has, and those under way, are within its share.
    async fn check_share(&self, stream: &str, sender: &Stamp) -> Result<(), Fault> {
        #[derive(Deserialize)]
        struct Names {
            #[serde(default)]
            consumers: Option<Vec<String>>,
        }
        // All in one page: a bucket has fewer consumers than a page has names.
        let answer = self
            .ask(&format!("CONSUMER.NAMES.{stream}"), String::new())
            .await?;
        let names: Names = serde_json::from_slice(&answer)
            .map_err(|e| Fault::unavailable(format!("JetStream's answer is not readable: {e}")))?;
        let own = asked::names_of(&sender.user);
        let names = names.consumers.unwrap_or_default();
        let has = names.iter().filter(|name| name.starts_with(&own)).count();
        let asks = self.under_way.lock().get(&*sender.user).copied();
        if has + asks.unwrap_or(1) > MAX_OF_A_USER {
            let why = format!(
                "a user has {MAX_OF_A_USER} watches at most: end one, or wait 30 s for one that is gone"
            );
            return Err(Fault::refused(TOO_MANY, why));
        }
        Ok(())
    }

    async fn ask(&self, operation: &str, payload: String) -> Result<Bytes, Fault> {
        let subject = format!("{}.{operation}", self.shared.prefix.imported_api());
        let request = async_nats::Request::new()
            .payload(payload.into())
            .timeout(Some(PATIENCE));
        let reply = self.shared.nats.send_request(subject, request).await;
        let reply = reply.map_err(|e| {
            Fault::unavailable(format!(
                "the inventory bucket does not answer the service: {e}"
            ))
        })?;
        Ok(reply.payload)
    }

    async fn reply(&self, wish: Wish, message: Message, answer: Result<Bytes, Fault>) {
        let Some(reply) = message.reply else { return };
        let payload = answer.unwrap_or_else(|fault| {
            let error = json!({
                "code": fault.code, "err_code": fault.err_code, "description": fault.description,
            });
            let answer = json!({ "type": wish.response(), "error": error });
            answer.to_string().into()
        });
        if let Err(error) = self.shared.nats.publish(reply, payload).await {
            tracing::debug!(%error, "an answer to a watcher was not sent");
        }
    }
}
