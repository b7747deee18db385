//! Reacts to revoked keys within milliseconds: whoever relies on a key should hear of it.
//!
//! ```sh
//! NATS_CREDS=admin.creds cargo run -p keyledger-examples --example revocation_watcher
//! ```
//!
//! Ends after `COUNT` revocations, if that is set.

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use keyledger_domain::{Event, Record, key};

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::var("NATS_URL").unwrap_or_else(|_| "nats://127.0.0.1:4222".to_owned());
    let creds = std::env::var("NATS_CREDS").context("set NATS_CREDS to a creds file")?;
    let count = std::env::var("COUNT")
        .ok()
        .map(|count| count.parse::<usize>())
        .transpose()?;
    let nats = async_nats::ConnectOptions::with_credentials_file(&creds)
        .await?
        .connect(&url)
        .await?;
    let mut revoked = nats.subscribe("keys.events.key.*.revoked").await?;
    nats.flush().await?;
    println!("watching keys.events.key.*.revoked");
    let mut seen = 0;
    while let Some(message) = revoked.next().await {
        let record = Record::read(&message.payload)?;
        if let Event::Key(key::Event::Revoked(event)) = &record.event {
            println!(
                "{} was revoked for {} by {}: {}",
                record.history.name,
                event.revocation_reason.as_str(),
                record.principal.name.as_deref().unwrap_or("somebody"),
                record
                    .why
                    .reason
                    .as_ref()
                    .map_or("no reason", |reason| reason.as_str()),
            );
        }
        seen += 1;
        if count == Some(seen) {
            break;
        }
    }
    Ok(())
}
