//! The connection to NATS. The agent tries to connect for ever, because being offline is normal.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use keyledger_wire::{Dropped, Prefix, check_ordinary_file, creds};
use tokio::sync::watch;

use super::board::{Board, ConnectionState};
use crate::{identity::Identity, stop::Stop};

/// The longest pause between two attempts to connect, in seconds.
const MAX_PAUSE_S: u64 = 10;

/// The servers to connect to, and the credentials.
#[derive(Debug, Clone)]
pub struct Address {
    /// The servers, as the settings write them.
    pub url: String,
    /// The same, parsed.
    pub servers: Vec<ServerAddr>,
    /// The agent's user JWT.
    pub jwt: String,
    /// The CA that the server's certificate must come from.
    pub tls_ca: Option<PathBuf>,
}

/// The connection, and whether it is up at this moment.
#[derive(Debug, Clone)]
pub(crate) struct NatsLink {
    pub(crate) client: Client,
    /// Counts connects and disconnects: odd while there is a connection.
    state: watch::Receiver<u64>,
}

/// Why the connection's settings cannot be used. Being offline is no error.
#[derive(Debug, thiserror::Error)]
#[error("the connection cannot be prepared")]
pub enum LinkError {
    /// The NATS client rejects them.
    Connect(#[from] async_nats::ConnectError),
    /// The file of the CA cannot be read.
    Ca(#[source] std::io::Error),
}

impl NatsLink {
    /// Begins to connect. Returns at once, connected or not.
    pub(crate) async fn begin(
        address: &Address,
        identity: Arc<dyn Identity>,
        board: Arc<Board>,
    ) -> Result<Self, LinkError> {
        let (told, state) = watch::channel(0_u64);
        let told = Arc::new(told);
        let inbox = Prefix::agent_inbox(identity.public_nkey());
        let sign = move |nonce: Vec<u8>| {
            let identity = Arc::clone(&identity);
            async move {
                let signature = identity.sign(&nonce).map_err(async_nats::AuthError::new)?;
                Ok(signature.to_vec())
            }
        };
        let dropped = Dropped::default();
        let mut options = ConnectOptions::with_jwt(address.jwt.clone(), sign)
            .name("keyledger-agent")
            .custom_inbox_prefix(inbox)
            .retry_on_initial_connect()
            .max_reconnects(None)
            .reconnect_delay_callback(|tries| {
                let pause = 200_u64.saturating_mul(1 << tries.min(10));
                Duration::from_millis(pause.min(MAX_PAUSE_S * 1000))
            })
            .event_callback(move |event| {
                note(&event, &told, &board, &dropped);
                std::future::ready(())
            });
        if let Some(ca) = &address.tls_ca {
            check_ordinary_file(ca, creds::MAX_BYTES).map_err(LinkError::Ca)?;
            options = options.add_root_certificates(ca.clone());
        }
        let client = options.connect(address.servers.clone()).await?;
        Ok(Self { client, state })
    }

    /// Waits until there is a connection, and returns its number.
    pub(crate) async fn up(&self) -> u64 {
        let mut state = self.state.clone();
        loop {
            let number = *state.borrow_and_update();
            if number % 2 == 1 {
                return number;
            }
            if state.changed().await.is_err() {
                std::future::pending::<()>().await; // the client is gone: the agent is ending
            }
        }
    }

    /// Waits until the connection `number` is lost.
    pub(crate) async fn lost(&self, number: u64) {
        let mut state = self.state.clone();
        if state.wait_for(|now| *now != number).await.is_err() {
            std::future::pending().await
        }
    }

    /// Waits for `pause`, or until the connection changes, or until the agent stops; true in the last case.
    pub(crate) async fn pause(&self, pause: Duration, stop: &Stop) -> bool {
        let number = *self.state.borrow();
        tokio::select! {
            () = tokio::time::sleep(pause) => false,
            () = self.lost(number) => false,
            () = stop.stopped() => true,
        }
    }
}

/// Notes an event of the client's connection.
fn note(event: &Event, told: &watch::Sender<u64>, board: &Board, dropped: &Dropped) {
    match event {
        Event::SlowConsumer(_) => dropped.one_more(|count| {
            tracing::warn!(
                count,
                "messages were dropped: they came faster than the agent read them"
            );
        }),
        Event::Connected => {
            // Write to the board first: a task that learns of the connection may write there that all is well.
            board.connection(ConnectionState::NoQueue);
            told.send_modify(|number| *number += 1 + *number % 2);
            tracing::info!("connected");
        }
        Event::Disconnected | Event::Closed => {
            board.connection(ConnectionState::Offline);
            told.send_modify(|number| *number += *number % 2);
            tracing::info!("offline: trying again");
        }
        Event::ServerError(_) | Event::ClientError(_) => {
            let said = advised(event.to_string());
            tracing::warn!("{said}");
            board.trouble(said);
        }
        other => tracing::debug!("{other}"),
    }
}

/// What the server said, and what to do about it if that is known.
fn advised(said: String) -> String {
    let lower = said.to_ascii_lowercase();
    if lower.contains("authorization violation") || lower.contains("authentication") {
        return format!(
            "the server refuses this agent ({said}): its JWT was revoked, has expired or is another organisation's; ask the \
             administrator, and stop the agent and enrol it under a new name with `keyledger-agent enrol --name NEW-NAME`"
        );
    }
    if lower.contains("permissions violation") {
        return format!(
            "{said}: the role of agents does not allow it; the administrator's `keyledger doctor` shows why"
        );
    }
    said
}
