//! Reacts to revoked keys within milliseconds: whoever relies on a key should hear of it.
//!
//! ```sh
//! NATS_CREDS=admin.creds cargo run -p keyledger-examples --example revocation_watcher
//! ```
//!
//! Ends after `COUNT` revocations, if that is set.

use anyhow::{Context as _, Result};
use keyledger_domain::{Event, key};
use keyledger_wire::{Client, Events, Prefix};

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::var("NATS_URL").unwrap_or_else(|_| "nats://127.0.0.1:4222".to_owned());
    let creds = std::env::var("NATS_CREDS").context("set NATS_CREDS to a creds file")?;
    let count = std::env::var("COUNT")
        .ok()
        .map(|count| count.parse::<usize>())
        .transpose()?;
    let keys = Client::connect(&url, creds.as_ref(), Prefix::default()).await?;
    let subject = "keys.events.key.*.revoked";
    let revoked = keys.nats().subscribe(subject).await?;
    keys.nats().flush().await?;
    println!("watching {subject}");
    // A subject proves nothing: what the ledger did not sign is skipped.
    let mut revoked = Events::new(keys, revoked);
    let mut seen = 0;
    while let Some(heard) = revoked.next().await {
        let record = heard?.record;
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
    if revoked.skipped() > 0 {
        eprintln!(
            "skipped {} messages that are no events of the ledger",
            revoked.skipped()
        );
    }
    Ok(())
}
