//! Streams and buckets: made if they are not there, never changed.

use std::time::{Duration, Instant};

use async_nats::jetstream::{
    self,
    context::{CreateStreamErrorKind, GetStreamErrorKind},
    stream::Config,
};
use keyledger_wire::Prefix;

use super::{SetupError, SetupReport, TIMEOUT};
use crate::streams::inventory_config;

/// Makes the inventory bucket if it is not there: it lives in memory, so a restart of the server takes it away. True if it was
/// made, and is empty.
///
/// The running service may do this too.
///
/// # Errors
///
/// [`SetupError::JetStream`].
pub async fn ensure_inventory(
    client: &async_nats::Client,
    prefix: &Prefix,
    replicas: usize,
) -> Result<bool, SetupError> {
    // It lives in the account of the views, whose API is imported under a prefix.
    let mut context = jetstream::with_prefix(client.clone(), &prefix.imported_api());
    context.set_timeout(TIMEOUT);
    let config = inventory_config(prefix, replicas);
    if is_there(&context, &config.name).await? {
        return Ok(false);
    }
    make(&context, config, &mut SetupReport::default()).await?;
    Ok(true)
}

/// How long a cluster that was just started may take until JetStream works for an account. Whoever was asked and lost its lead
/// meanwhile does not answer.
pub(super) const WORKS_WITHIN: Duration = Duration::from_secs(30);
/// The pause between two tries.
pub(super) const PAUSE: Duration = Duration::from_millis(200);
/// JetStream's code for too few servers to place a stream on: also of a cluster that is not complete yet.
const NO_SUITABLE_PEERS: u64 = 10_005;
/// JetStream's code for a stream whose files could not be made: also where they are just made, or removed, for a request that was given
/// up before.
const STORE_FAILED: u64 = 10_049;

pub(super) async fn is_there(
    context: &jetstream::Context,
    stream: &str,
) -> Result<bool, SetupError> {
    let begin = Instant::now();
    loop {
        let Err(error) = context.get_stream(stream).await else {
            return Ok(true);
        };
        match error.kind() {
            GetStreamErrorKind::JetStream(e) if e.code() == 404 => return Ok(false),
            GetStreamErrorKind::JetStream(e) if comes_yet(&e) && begin.elapsed() < WORKS_WITHIN => {
                tokio::time::sleep(PAUSE).await;
            }
            GetStreamErrorKind::Request if begin.elapsed() < WORKS_WITHIN => {
                tokio::time::sleep(PAUSE).await;
            }
            _ => {
                return Err(SetupError::JetStream {
                    what: format!("to tell of stream {stream}"),
                    source: error.into(),
                });
            }
        }
    }
}

pub(super) async fn make(
    context: &jetstream::Context,
    config: Config,
    report: &mut SetupReport,
) -> Result<(), SetupError> {
    let begin = Instant::now();
    loop {
        let stream = config.name.clone();
        let Err(error) = context.create_stream(config.clone()).await else {
            report.made.push(stream);
            return Ok(());
        };
        match error.kind() {
            // Somebody made it since we looked: another setup.
            CreateStreamErrorKind::JetStream(e)
                if e.error_code() == jetstream::ErrorCode::STREAM_NAME_EXIST =>
            {
                return Ok(());
            }
            CreateStreamErrorKind::JetStream(e)
                if comes_yet(&e) && begin.elapsed() < WORKS_WITHIN =>
            {
                tokio::time::sleep(PAUSE).await;
            }
            // Made or not: the same once more is the same stream.
            CreateStreamErrorKind::TimedOut if begin.elapsed() < WORKS_WITHIN => {
                tokio::time::sleep(PAUSE).await;
            }
            _ => {
                return Err(SetupError::JetStream {
                    what: format!("to make stream {stream}"),
                    source: error.into(),
                });
            }
        }
    }
}

/// True of an answer that a server gives while it or its cluster is starting.
fn comes_yet(error: &jetstream::Error) -> bool {
    error.code() == 503 || [NO_SUITABLE_PEERS, STORE_FAILED].contains(&error.error_code().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_starting_cluster_says_is_asked_again_and_nothing_else() {
        let said = |code: u16, err_code: u64| -> jetstream::Error {
            let said = serde_json::json!({ "code": code, "err_code": err_code, "description": "" });
            serde_json::from_value(said).unwrap()
        };
        // No quorum yet; too few servers yet; the files of a try that was given up are still being made.
        assert!(comes_yet(&said(503, 10_008)));
        assert!(comes_yet(&said(400, 10_005)));
        assert!(comes_yet(&said(500, 10_049)));
        // Too little storage; a setting that is refused.
        assert!(!comes_yet(&said(500, 10_047)));
        assert!(!comes_yet(&said(400, 10_052)));
    }
}
