//! Where benchmarks take place: an organisation on real nats-servers.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use async_nats::ServerAddr;
use keyledger_custody::Vault;
use keyledger_domain::Timestamp;
use keyledger_service::{
    Options,
    trust::{InitOptions, Organisation, Root, initialise, setup},
};
use keyledger_testkit::{Cluster, NatsServer};
use keyledger_wire::{Client, Prefix};
use tempfile::TempDir;

/// One nats-server, or several.
pub(crate) trait Servers: Sized {
    /// On how many of them everything is stored.
    const REPLICAS: usize;

    /// Starts them with the trust in this folder.
    async fn start(trust: &Path) -> Self;

    /// Their addresses, joined by commas.
    fn url(&self) -> String;
}

impl Servers for NatsServer {
    const REPLICAS: usize = 1;

    async fn start(trust: &Path) -> Self {
        Self::operator_mode(trust).await
    }

    fn url(&self) -> String {
        self.url()
    }
}

impl Servers for Cluster {
    const REPLICAS: usize = 3;

    async fn start(trust: &Path) -> Self {
        Self::operator_mode(trust).await
    }

    fn url(&self) -> String {
        self.url()
    }
}

/// A place of its own, gone when dropped. Nobody serves there yet.
pub(crate) struct Place<S = NatsServer> {
    pub(crate) server: S,
    pub(crate) organisation: Organisation,
    _folder: TempDir,
}

impl<S: Servers> Place<S> {
    /// Starts the servers, and sets the organisation up on them.
    pub(crate) async fn make() -> Result<Self> {
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
        let server = S::start(conf.parent().context("it lies in a folder")?).await;
        let place = Self {
            server,
            organisation,
            _folder: folder,
        };
        let by_setup = place.connect("setup").await?;
        setup(&by_setup, &place.organisation, S::REPLICAS).await?;
        Ok(place)
    }

    /// An administrator, on a connection of his own.
    pub(crate) async fn administrator(&self) -> Result<Client> {
        let nats = self.connect("admin").await?;
        Ok(Client::new(nats, Prefix::default()))
    }

    /// A connection as one of the organisation's own users.
    pub(crate) async fn connect(&self, user: &str) -> Result<async_nats::Client> {
        let options = keyledger_wire::creds::options(&self.organisation.creds(user)).await?;
        let url = self.server.url();
        let servers = url.split(',').map(str::parse);
        let servers: Vec<ServerAddr> = servers.collect::<std::io::Result<_>>()?;
        Ok(options.connect(servers).await?)
    }
}

/// What a service for the organisation in `directory` is started with.
pub(crate) fn options(url: &str, directory: &Path) -> Result<Options> {
    let organisation = Organisation::open(directory)?;
    Ok(Options {
        url: url.to_owned(),
        service_creds: organisation.creds("service"),
        system_creds: organisation.creds("system"),
        tls_ca: None,
        tls_client: None,
        prefix: Prefix::default(),
        vault: Arc::new(Vault::opened(organisation.custody(None)?)),
        snapshot: None,
        directory: None,
        genesis: None,
        accept_rollback: false,
        accept_clock: false,
        accept_data_loss: false,
        attestation_test_root: None,
        require_token_signature: Default::default(),
        user_allowance: Default::default(),
        crl_url: None,
        clock: None,
    })
}
