//! The server's clock as a second opinion: a clock that jumped must not end keys.

use std::time::Duration;

use keyledger_domain::Timestamp;
use keyledger_wire::Prefix;
use serde::Deserialize;

use crate::handler::Clock;

/// How far the clock may be from the server's before nothing is fired: far above NTP's error, far below a day.
pub(crate) const MAX_SKEW_MS: i64 = 60_000;

#[derive(Deserialize)]
struct StreamInfo {
    ts: Option<Timestamp>,
}

/// Milliseconds that `clock` is ahead of the server's; nothing if the server does not say.
pub(crate) async fn ahead_ms(
    nats: &async_nats::Client,
    prefix: &Prefix,
    clock: &Clock,
) -> Option<i64> {
    let subject = format!("$JS.API.STREAM.INFO.{}", prefix.events_stream());
    let request = async_nats::Request::new().timeout(Some(Duration::from_secs(2)));
    let before = clock().ms();
    let reply = nats.send_request(subject, request).await.ok()?;
    let after = clock().ms();
    let info: StreamInfo = serde_json::from_slice(&reply.payload).ok()?;
    Some(before + (after - before) / 2 - info.ts?.ms())
}
