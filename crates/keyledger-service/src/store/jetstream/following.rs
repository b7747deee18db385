//! Following the stream: through a consumer of its own, whose silence is noticed soon.

use std::time::Duration;

use async_nats::jetstream::{
    self,
    consumer::{
        AckPolicy, Consumer, DeliverPolicy,
        pull::{self, MessagesErrorKind},
    },
};
use futures::{StreamExt, stream::BoxStream};

use super::{
    JetStreamStore, lost,
    reading::{stored, unavailable},
};
use crate::store::{ReadError, StoredEvent};

/// How often the server says that it is still there where no event comes. After two in a row that did not come the tail ends,
/// and is taken up again: async-nats' own of 15 s would leave an instance without news for half a minute when a server dies.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How many events are asked for at once.
const AT_ONCE: usize = 500;
/// How long the server may hold such a question.
const EXPIRES: Duration = Duration::from_secs(30);
/// How often a new consumer's first event is asked for, and the pause between.
const MAX_ASKED: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);
/// How long the making of a consumer is waited for: while no leader is there, nobody answers.
const MADE_WITHIN: Duration = Duration::from_secs(2);
/// After how long a consumer that nobody asks goes by itself.
const FOLLOWER_GONE: Duration = Duration::from_secs(10);

impl JetStreamStore {
    /// Every event above `after`, and those that come. It ends with the first fault: what follows a fault might follow a gap.
    pub(super) async fn follow(
        &self,
        after: u64,
    ) -> Result<BoxStream<'static, Result<StoredEvent, ReadError>>, ReadError> {
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: after + 1,
            },
            ack_policy: AckPolicy::None,
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: FOLLOWER_GONE,
            ..pull::Config::default()
        };
        let stream = self.stream().await?;
        let made = tokio::time::timeout(MADE_WITHIN, stream.create_consumer(config)).await;
        let consumer = made
            .map_err(|_| unavailable("no consumer was made within 2 s"))?
            .map_err(unavailable)?;
        let follower = Follower {
            messages: pull(&consumer).await?,
            consumer,
            delivered: 0,
            asked: 1,
        };
        let events = futures::stream::unfold(follower, async |mut follower| {
            let event = follower.next().await?;
            Some((event, follower))
        });
        // The consumer may be gone with the server.
        Ok(until_fault(events)
            .take_until(lost(self.client.clone()))
            .boxed())
    }
}

/// A consumer that is read from.
struct Follower {
    consumer: Consumer<pull::Config>,
    messages: pull::Stream,
    /// How many events it gave.
    delivered: u64,
    /// How often its first event was asked for.
    asked: u32,
}

impl Follower {
    async fn next(&mut self) -> Option<Result<StoredEvent, ReadError>> {
        loop {
            match self.messages.next().await? {
                Ok(message) => return Some(self.taken(message)),
                // A consumer that was just made elsewhere in the cluster is not known yet to the server that is asked.
                Err(error)
                    if error.kind() == MessagesErrorKind::NoResponders
                        && self.delivered == 0
                        && self.asked < MAX_ASKED =>
                {
                    self.asked += 1;
                    tokio::time::sleep(PAUSE).await;
                    match pull(&self.consumer).await {
                        Ok(messages) => self.messages = messages,
                        Err(error) => return Some(Err(error)),
                    }
                }
                Err(error) => return Some(Err(unavailable(error))),
            }
        }
    }

    fn taken(&mut self, message: jetstream::Message) -> Result<StoredEvent, ReadError> {
        let place = message.info().map_err(unavailable)?.consumer_sequence;
        self.delivered += 1;
        // The server sends each once; one that was dropped on the way would leave a gap.
        if place != self.delivered {
            return Err(unavailable("an event was lost on the way"));
        }
        stored(message)
    }
}

async fn pull(consumer: &Consumer<pull::Config>) -> Result<pull::Stream, ReadError> {
    let messages = consumer
        .stream()
        .max_messages_per_batch(AT_ONCE)
        .expires(EXPIRES)
        .heartbeat(HEARTBEAT)
        .messages();
    messages.await.map_err(unavailable)
}

/// The items up to the first fault, and that.
fn until_fault<T, E>(
    items: impl futures::Stream<Item = Result<T, E>>,
) -> impl futures::Stream<Item = Result<T, E>> {
    items.scan(false, |ended, item| {
        let given = (!*ended).then_some(item);
        *ended |= matches!(given, Some(Err(_)));
        std::future::ready(given)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_follows_a_fault() {
        let items = futures::stream::iter([Ok(1), Ok(2), Err("lost"), Ok(4)]);
        let given: Vec<_> = until_fault(items).collect().await;
        assert_eq!(given, [Ok(1), Ok(2), Err("lost")]);
    }
}
