//! Reading events directly from any replica: this needs neither a consumer nor a leader.

use std::time::{Duration, Instant};

use async_nats::{HeaderMap, StatusCode, jetstream};
use futures::StreamExt;
use tokio::time::timeout;

use super::JetStreamStore;
use crate::store::{ReadError, StoredEvent};

/// How many events are asked for at once: the stream takes no writes while the server gathers them.
const AT_ONCE: usize = 500;
/// How many bytes of them.
const AT_ONCE_BYTES: usize = 2 * 1024 * 1024;
/// What the server puts beside the headers of an event that it is asked for directly.
const ANSWERS: [&str; 6] = [
    "Nats-Stream",
    SUBJECT,
    SEQUENCE,
    "Nats-Time-Stamp",
    "Nats-Num-Pending",
    "Nats-Last-Sequence",
];
const SUBJECT: &str = "Nats-Subject";
const SEQUENCE: &str = "Nats-Sequence";
/// The status behind the last event of an answer.
const NO_MORE: u16 = 204;
/// How many may read at once.
pub(super) const MAX_READERS: usize = 32;
/// How long an event is waited for until a server is asked again.
const COMES_WITHIN: Duration = Duration::from_secs(2);
/// How long the servers may say that they do not have an event that is known to be stored: a replica may lag behind.
const MAX_LAG: Duration = Duration::from_secs(5);
/// How long nobody may answer: a cluster that lost a server elects a leader within some 10 s.
const MAX_SILENCE: Duration = Duration::from_secs(20);
/// The pause until it is asked again.
const PAUSE: Duration = Duration::from_millis(100);

impl JetStreamStore {
    /// Up to `limit` events above `after`, of those that are stored up to `last`.
    pub(super) async fn read_between(
        &self,
        after: u64,
        last: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, ReadError> {
        let wanted = usize::try_from(last.saturating_sub(after))
            .unwrap_or(usize::MAX)
            .min(limit);
        let events = self.gather(after, None, wanted).await?;
        // Nothing is ever deleted: they stand without gaps.
        for (expected, event) in (after + 1..).zip(&events) {
            if event.sequence != expected {
                return Err(ReadError::Gone(expected));
            }
        }
        if events.len() < wanted {
            return Err(ReadError::Gone(after + 1 + events.len() as u64));
        }
        Ok(events)
    }

    /// The first `count` events above `after` of the history that `filter` is of.
    pub(super) async fn read_history(
        &self,
        filter: String,
        after: u64,
        count: usize,
    ) -> Result<Vec<StoredEvent>, ReadError> {
        let events = self.gather(after, Some(&filter), count).await?;
        match events.len() {
            found if found == count => Ok(events),
            found => Err(unavailable(format!(
                "{found} of the {count} events of a history came"
            ))),
        }
    }

    /// The next `count` events above `after`, which are known to be stored; of one history where a filter is given. What does
    /// not come is asked for again; fewer are given only where the servers go on saying that there are no more.
    async fn gather(
        &self,
        mut after: u64,
        filter: Option<&str>,
        count: usize,
    ) -> Result<Vec<StoredEvent>, ReadError> {
        let _place = self.readers.acquire().await.map_err(unavailable)?;
        let mut events = Vec::new();
        let mut came = Instant::now();
        while events.len() < count {
            let before = events.len();
            let wanted = (count - before).min(AT_ONCE);
            let asked = self.ask_for(after, filter, wanted, &mut events).await;
            if let Some(newest) = events.last().filter(|_| events.len() > before) {
                after = newest.sequence;
                came = Instant::now();
                continue;
            }
            match asked {
                Ok(()) if came.elapsed() > MAX_LAG => break,
                Err(error) if came.elapsed() > MAX_SILENCE => return Err(error),
                Ok(()) => {}
                Err(error) => tracing::debug!(%error, after, "asking for events again"),
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(events)
    }

    /// Asks any replica once for up to `count` events above `after`.
    async fn ask_for(
        &self,
        after: u64,
        filter: Option<&str>,
        count: usize,
        events: &mut Vec<StoredEvent>,
    ) -> Result<(), ReadError> {
        let inbox = self.client.new_inbox();
        let subscribed = self.client.subscribe(inbox.clone()).await;
        let mut answers = subscribed.map_err(unavailable)?;
        let mut question = serde_json::json!({
            "seq": after + 1, "batch": count, "max_bytes": AT_ONCE_BYTES,
        });
        if let Some(filter) = filter {
            question["next_by_subj"] = filter.into();
        }
        let subject = format!("$JS.API.DIRECT.GET.{}", self.stream);
        let asked = self
            .client
            .publish_with_reply(subject, inbox, question.to_string().into())
            .await;
        asked.map_err(unavailable)?;
        loop {
            let answer = timeout(COMES_WITHIN, answers.next()).await;
            let answer = answer
                .map_err(|_| unavailable("no event came within 2 s"))?
                .ok_or_else(|| unavailable("the connection was closed"))?;
            match answer.status.map(|status: StatusCode| status.as_u16()) {
                None => events.push(direct(answer)?),
                Some(NO_MORE | 404) => return Ok(()),
                Some(503) => return Err(unavailable("no server answers for the stream")),
                Some(code) => {
                    let said = answer.description.unwrap_or_default();
                    return Err(unavailable(format!("{code} {said}")));
                }
            }
        }
    }
}

/// An event as the answer to a direct question.
fn direct(answer: async_nats::Message) -> Result<StoredEvent, ReadError> {
    // The event's own headers come first: the last one is the server's.
    let said = |name: &str| Some(answer.headers.as_ref()?.get_last(name)?.as_str());
    let subject = said(SUBJECT).ok_or_else(|| unavailable("an answer names no subject"))?;
    let sequence = said(SEQUENCE)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| unavailable("an answer names no sequence"))?;
    let subject = subject.to_owned();
    let mut headers = texts(answer.headers.as_ref());
    headers.retain(|(name, _)| !ANSWERS.contains(&name.as_str()));
    Ok(StoredEvent {
        sequence,
        subject,
        headers,
        payload: answer.payload,
    })
}

pub(super) fn unavailable(said: impl std::fmt::Display) -> ReadError {
    ReadError::Unavailable(said.to_string())
}

/// Headers as text, in order of their names: the client keeps them in none.
fn texts(headers: Option<&HeaderMap>) -> Vec<(String, String)> {
    let all = headers.into_iter().flat_map(HeaderMap::iter);
    let mut texts: Vec<_> = all
        .flat_map(|(name, values)| {
            values
                .iter()
                .map(|value| (name.to_string(), value.to_string()))
        })
        .collect();
    texts.sort_unstable();
    texts
}

pub(super) fn stored(message: jetstream::Message) -> Result<StoredEvent, ReadError> {
    let sequence = message
        .info()
        .map_err(|e| ReadError::Unavailable(e.to_string()))?
        .stream_sequence;
    let (message, _) = message.split();
    Ok(StoredEvent {
        sequence,
        headers: texts(message.headers.as_ref()),
        subject: message.subject.to_string(),
        payload: message.payload,
    })
}
