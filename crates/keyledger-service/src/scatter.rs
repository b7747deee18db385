//! Questions to all servers at once, in the system account.

use std::time::Duration;

use async_nats::{Client, PublishError, StatusCode, SubscribeError};
use bytes::Bytes;
use futures::StreamExt as _;
use tokio::time::{Instant, timeout_at};

/// Why no server was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAsked {
    /// Answers cannot be listened for.
    #[error(transparent)]
    Unheard(#[from] SubscribeError),
    /// The question was not sent.
    #[error(transparent)]
    Unsent(#[from] PublishError),
    /// The connection is not of the system account.
    #[error("nobody answers in the system account")]
    Nobody,
}

/// Asks all servers at once over the `system` account's connection, and gathers `count` answers, or all that come `within` the time.
///
/// # Errors
///
/// [`NotAsked`]. Servers that are silent are no error.
pub(crate) async fn scatter(
    system: &Client,
    subject: &str,
    question: &'static str,
    count: Option<usize>,
    within: Duration,
) -> Result<Vec<Bytes>, NotAsked> {
    let inbox = system.new_inbox();
    let mut replies = system.subscribe(inbox.clone()).await?;
    system
        .publish_with_reply(subject.to_owned(), inbox, question.into())
        .await?;
    let end = Instant::now() + within;
    let mut answers = Vec::new();
    while count.is_none_or(|count| answers.len() < count) {
        let Ok(Some(message)) = timeout_at(end, replies.next()).await else {
            break;
        };
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(NotAsked::Nobody);
        }
        answers.push(message.payload);
    }
    Ok(answers)
}
