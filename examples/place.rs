//! Where benchmarks take place: an organisation on a real nats-server.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use keyledger_domain::Timestamp;
use keyledger_service::{
    Options,
    trust::{InitOptions, Organisation, Root, initialise, setup},
};
use keyledger_testkit::NatsServer;
use keyledger_wire::{Client, Prefix};
use tempfile::TempDir;

/// A place of its own, gone when dropped. Nobody serves there yet.
pub(crate) struct Place {
    pub(crate) server: NatsServer,
    pub(crate) organisation: Organisation,
    _folder: TempDir,
}

impl Place {
    /// Starts the server, and sets the organisation up on it.
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
        let server = NatsServer::operator_mode(conf.parent().context("it lies in a folder")?).await;
        let by_setup = connect(&server, &organisation, "setup").await?;
        setup(&by_setup, &organisation, 1).await?;
        Ok(Self {
            server,
            organisation,
            _folder: folder,
        })
    }

    /// An administrator, on a connection of his own.
    pub(crate) async fn administrator(&self) -> Result<Client> {
        let nats = connect(&self.server, &self.organisation, "admin").await?;
        Ok(Client::new(nats, Prefix::default()))
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
        custody: Arc::new(organisation.custody(None)?),
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

async fn connect(
    server: &NatsServer,
    organisation: &Organisation,
    user: &str,
) -> Result<async_nats::Client> {
    let options = keyledger_wire::creds::options(&organisation.creds(user)).await?;
    Ok(options.connect(server.url()).await?)
}
