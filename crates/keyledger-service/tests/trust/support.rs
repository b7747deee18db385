//! An organisation in a temporary directory, with a server that trusts it.

use std::path::PathBuf;

use async_nats::Client;
use keyledger_domain::Timestamp;
use keyledger_service::trust::{InitOptions, Organisation, Root, SetupReport, initialise, setup};
use keyledger_testkit::{Nats, NatsServer};
use keyledger_wire::Prefix;
use tempfile::TempDir;

/// The time.
pub(crate) fn now() -> Timestamp {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Timestamp::from_ms(i64::try_from(now.as_millis()).unwrap())
}

/// An organisation and a server.
pub(crate) struct World {
    pub(crate) organisation: Organisation,
    pub(crate) server: NatsServer,
    home: TempDir,
}

pub(crate) fn options(directory: PathBuf) -> InitOptions {
    InitOptions {
        title: "Acme Ltd.".to_owned(),
        prefix: Prefix::default(),
        directory,
        root: Root::LocalFile,
        now: now(),
        url: "nats://127.0.0.1:4222".to_owned(),
    }
}

impl World {
    /// Init, and a server; not set up.
    pub(crate) async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let organisation = initialise(options(home.path().join("acme"))).unwrap();
        let server = NatsServer::operator_mode(organisation.trust_conf().parent().unwrap()).await;
        Self {
            organisation,
            server,
            home,
        }
    }

    pub(crate) async fn set_up() -> Self {
        let world = Self::new().await;
        world.setup().await;
        world
    }

    pub(crate) async fn setup(&self) -> SetupReport {
        setup(&self.connect("setup").await, &self.organisation, 1)
            .await
            .unwrap()
    }

    pub(crate) async fn connect(&self, user: &str) -> Client {
        self.try_connect(user).await.unwrap()
    }

    pub(crate) async fn try_connect(&self, user: &str) -> Result<Client, async_nats::ConnectError> {
        keyledger_wire::creds::options(&self.organisation.creds(user))
            .await
            .unwrap()
            .max_reconnects(1)
            .connect(self.server.url())
            .await
    }

    /// The real `nats` CLI with the contexts that `init` wrote, at this server's port.
    pub(crate) fn nats(&self) -> Nats {
        for user in ["admin", "system"] {
            let path = self.organisation.context(user);
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.replace("nats://127.0.0.1:4222", &self.server.url());
            std::fs::write(path, text).unwrap();
        }
        Nats::with_config_home(self.organisation.contexts())
    }

    pub(crate) fn scratch(&self) -> PathBuf {
        self.home.path().join("scratch")
    }
}
