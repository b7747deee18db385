//! A real nats-server in operator mode, an organisation, and instances of the service on it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_nats::ConnectOptions;
use keyledger_custody::Custody;
use keyledger_domain::{Name, Timestamp};
use keyledger_service::{
    Options, Service, StartError,
    trust::{InitOptions, Organisation, Root, initialise, setup},
};
use keyledger_testkit::NatsServer;
use keyledger_wire::{Client, Ids};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

/// A world of its own for one test.
pub(crate) struct World {
    pub(crate) server: NatsServer,
    pub(crate) organisation: Organisation,
    folder: TempDir,
}

impl World {
    /// A server with an organisation set up on it; nobody serves yet.
    pub(crate) async fn new() -> Self {
        Self::with_prefix("keys").await
    }

    pub(crate) async fn with_prefix(prefix: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let organisation = initialise(InitOptions {
            title: "Test organisation".to_owned(),
            prefix: prefix.parse().unwrap(),
            directory: folder.path().join("organisation"),
            root: Root::LocalFile,
            now: now(),
            url: "nats://127.0.0.1:4222".to_owned(),
        })
        .unwrap();
        let server = NatsServer::operator_mode(organisation.trust_conf().parent().unwrap()).await;
        let world = Self {
            server,
            organisation,
            folder,
        };
        world.set_up().await;
        world
    }

    pub(crate) async fn set_up(&self) {
        let client = self.connect(&self.organisation.creds("setup")).await;
        setup(&client, &self.organisation, 1).await.unwrap();
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            url: self.server.url(),
            service_creds: self.organisation.creds("service"),
            system_creds: self.organisation.creds("system"),
            tls_ca: None,
            tls_client: None,
            prefix: self.organisation.prefix(),
            custody: Arc::new(Custody::open(self.organisation.root_key(None).unwrap())),
            snapshot: None,
            accept_data_loss: false,
            clock: None,
        }
    }

    /// A new instance.
    pub(crate) async fn serve(&self) -> Service {
        self.try_serve().await.unwrap()
    }

    pub(crate) async fn try_serve(&self) -> Result<Service, StartError> {
        Service::start(self.options()).await
    }

    pub(crate) async fn connect(&self, creds: &PathBuf) -> async_nats::Client {
        ConnectOptions::with_credentials_file(creds)
            .await
            .unwrap()
            .connect(self.server.url())
            .await
            .unwrap()
    }

    /// The first administrator.
    pub(crate) async fn administrator(&self) -> Admin {
        let nats = self.connect(&self.organisation.creds("admin")).await;
        Admin {
            client: Client::new(nats, self.organisation.prefix()),
        }
    }

    /// A path in the world's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Somebody who sends commands, as JSON.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) client: Client,
}

impl Admin {
    /// Sends `{aggregate}.{verb}` for `name`; an acknowledgement or a refusal as JSON.
    pub(crate) async fn send(&self, verb: &str, name: &str, body: Value) -> Result<Value, Value> {
        self.send_as(verb, name, body, Ids::root(Uuid::now_v7()))
            .await
    }

    pub(crate) async fn send_as(
        &self,
        verb: &str,
        name: &str,
        body: Value,
        ids: Ids,
    ) -> Result<Value, Value> {
        let (aggregate, verb) = verb.split_once('.').unwrap();
        let subject = self.client.prefix().command(aggregate, verb, name);
        let payload = serde_json::to_vec(&body).unwrap();
        match self.client.command_raw(subject, payload.into(), ids).await {
            Ok(acknowledgement) => Ok(serde_json::to_value(acknowledgement).unwrap()),
            Err(keyledger_wire::CommandError::Refused(refusal)) => {
                Err(serde_json::to_value(refusal).unwrap())
            }
            Err(other) => Err(Value::String(other.to_string())),
        }
    }

    pub(crate) async fn ask(&self, tail: &str, question: Value) -> Value {
        self.client.query(tail, &question).await.unwrap()
    }

    pub(crate) async fn key(&self, name: &str) -> Value {
        self.ask(&format!("inventory.show.{name}"), serde_json::json!({}))
            .await
    }
}

/// The time.
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap())
}

/// Tries until it is true, for at most ten seconds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut is_true: impl FnMut() -> F) {
    for _ in 0..200 {
        if is_true().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not come to pass within 10 s: {what}");
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}
