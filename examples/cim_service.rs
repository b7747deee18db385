//! A CIM service that generates a key of its own, and rotates it.
//!
//! Its creds have the role `service`: it may command the keys that bear its name, and those in its tags.
//!
//! ```sh
//! keyledger user issue orders --role service --reason "first deployment" --out orders.creds
//! NATS_CREDS=orders.creds cargo run -p keyledger-examples --example cim_service
//! ```

use anyhow::{Context as _, Result};
use keyledger_domain::{Algorithm, Name, key};
use keyledger_wire::{Client, Ids, Prefix};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::var("NATS_URL").unwrap_or_else(|_| "nats://127.0.0.1:4222".to_owned());
    let creds =
        std::env::var("NATS_CREDS").context("set NATS_CREDS to the service's creds file")?;
    let name: Name = std::env::var("KEY_NAME")
        .unwrap_or_else(|_| "orders".to_owned())
        .parse()?;
    // Answers come to this user's own inbox: the creds say which.
    let keys = Client::connect(&url, creds.as_ref(), Prefix::default()).await?;

    // One conversation: the rotation is caused by the generation, and both are found by one correlation id.
    let generate = Ids::root(Uuid::now_v7());
    let body = key::Generate {
        algorithm: Algorithm::Ed25519,
        purposes: None,
        parent: None,
        activate: Some(true),
        title: Some("signs orders".parse()?),
        owner: None,
        classification: Some(key::Classification::Confidential),
        usage: None,
        handling: None,
        disposal: None,
        labels: None,
        activation_at: None,
        protect_stop_at: None,
        process_stop_at: None,
        rotation_period_days: Some(90),
        certify: None,
        reason: Some("first deployment".parse()?),
        ticket: None,
    };
    let done = keys.command(&name, &body, generate).await?;
    println!(
        "{} is {} at revision {}, {}",
        done.id, done.state, done.revision, done.cid
    );

    // The same command again, as after a lost answer: the same acknowledgement, and no second key.
    let again = keys.command(&name, &body, generate).await?;
    anyhow::ensure!(again == done, "a retry got another answer: {again:?}");

    let rotate = Ids {
        command: Uuid::now_v7(),
        causation: generate.command,
        ..generate
    };
    let body = key::Rotate {
        public_key: None,
        reason: Some("drill".parse()?),
        ticket: None,
    };
    let done = keys.command(&name, &body, rotate).await?;
    println!(
        "{} was rotated: revision {}, {}",
        done.id, done.revision, done.cid
    );
    Ok(())
}
