//! What benchmarks measure: an organisation on a real nats-server, and one instance of the service in this process.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use keyledger_custody::Custody;
use keyledger_domain::Timestamp;
use keyledger_service::{
    Options, Service,
    trust::{InitOptions, Organisation, Root, initialise, setup},
};
use keyledger_testkit::NatsServer;
use keyledger_wire::{Client, Prefix};
use tempfile::TempDir;

/// A world of its own, gone when dropped.
pub(crate) struct World {
    pub(crate) server: NatsServer,
    pub(crate) organisation: Organisation,
    service: Service,
    _folder: TempDir,
}

impl World {
    /// Starts everything. Tokens whose attestations lead to `attestation_test_root` are taken for real ones.
    pub(crate) async fn open(attestation_test_root: Option<PathBuf>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let organisation = initialise(InitOptions {
            title: "Benchmark".to_owned(),
            prefix: Prefix::default(),
            directory: folder.path().join("organisation"),
            root: Root::LocalFile,
            now: Timestamp::from_ms(jiff::Timestamp::now().as_millisecond()),
            url: "nats://127.0.0.1:4222".to_owned(),
        })?;
        let conf = organisation.trust_conf();
        let server = NatsServer::operator_mode(conf.parent().context("it lies in a folder")?).await;
        let by_setup = connect(&server, &organisation, "setup").await?;
        setup(&by_setup, &organisation, 1).await?;
        let service = Service::start(Options {
            url: server.url(),
            service_creds: organisation.creds("service"),
            system_creds: organisation.creds("system"),
            tls_ca: None,
            tls_client: None,
            prefix: Prefix::default(),
            custody: Arc::new(Custody::open(organisation.root_key(None)?)),
            snapshot: None,
            accept_data_loss: false,
            attestation_test_root,
            require_token_signature: Default::default(),
            user_allowance: Default::default(),
            crl_url: None,
            clock: None,
        })
        .await?;
        let durability = service.durability();
        anyhow::ensure!(durability == "durable", "{durability}");
        Ok(Self {
            server,
            organisation,
            service,
            _folder: folder,
        })
    }

    /// An administrator, on a connection of his own.
    pub(crate) async fn administrator(&self) -> Result<Client> {
        let nats = connect(&self.server, &self.organisation, "admin").await?;
        Ok(Client::new(nats, Prefix::default()))
    }

    /// Stops the service in order.
    pub(crate) async fn close(self) {
        self.service.stop().await;
    }
}

async fn connect(
    server: &NatsServer,
    organisation: &Organisation,
    user: &str,
) -> Result<async_nats::Client> {
    let options = keyledger_wire::creds::options(&organisation.creds(user)).await?;
    Ok(options.connect(server.url()).await?)
}
