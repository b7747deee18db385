//! What benchmarks measure: an organisation on a real nats-server, and one instance of the service in this process.

use std::path::PathBuf;

use anyhow::Result;
use keyledger_service::Service;

use crate::place::{self, Place};

/// A world of its own, gone when dropped.
pub(crate) struct World {
    pub(crate) place: Place,
    service: Service,
}

impl World {
    /// Starts everything. Tokens whose attestations lead to `attestation_test_root` are taken for real ones.
    pub(crate) async fn open(attestation_test_root: Option<PathBuf>) -> Result<Self> {
        let place: Place = Place::make().await?;
        let mut options = place::options(&place.server.url(), place.organisation.directory())?;
        options.attestation_test_root = attestation_test_root;
        let service = Service::start(options).await?;
        let durability = service.durability();
        anyhow::ensure!(durability == "durable", "{durability}");
        Ok(Self { place, service })
    }

    /// Stops the service in order.
    pub(crate) async fn close(self) {
        self.service.stop().await;
    }
}
