//! How this instance and its servers are: what `keyledger doctor` shows.

use keyledger_domain::{
    Timestamp,
    views::{self, InventoryQuery},
};
use keyledger_wire::{
    SERVICE_VERSION,
    query::{InventoryRemade, Nothing, ServiceStatus, StreamHolds},
    questions::Status,
};

use super::{Answering, Asking, findings};
use crate::{lanes::Family, refused::Refused, shared::Shared, streams::views_fault, trust};

/// How many unconfirmed accounts the status names.
const MAX_UNCONFIRMED: usize = 500;

impl Answering for Status {
    fn family(_payload: &[u8]) -> Family {
        Family::Reading
    }

    async fn answer(on: Asking<'_>, (): (), _: Nothing) -> Result<ServiceStatus, Refused> {
        status(on.shared, on.now).await
    }
}

/// What is wrong with the settings of a stream or a bucket, and what it holds.
async fn stream_fault(shared: &Shared) -> Option<(StreamHolds, String)> {
    if let Err(error) = shared.store.examine().await {
        return Some((StreamHolds::Ledger, error.to_string()));
    }
    if let Err(error) = shared.materials.examine().await {
        return Some((StreamHolds::SealedKeys, error.to_string()));
    }
    let fault = views_fault(&shared.nats, &shared.prefix).await?;
    Some((StreamHolds::View, fault))
}

async fn status(shared: &Shared, now: Timestamp) -> Result<ServiceStatus, Refused> {
    let position = shared.live.position();
    let clock_ahead_ms = shared.clock_watch.measure().await;
    let (stream_fault_of, stream_fault) = stream_fault(shared).await.unzip();
    let findings = findings::all(shared, now).await;
    let soon = InventoryQuery {
        expiring_days: Some(30),
        limit: Some(1),
        ..InventoryQuery::default()
    };
    let ledger = shared.live.ledger.read();
    let expiring = views::inventory(&ledger, &soon, now, shared.budget())?.total;
    let unconfirmed = ledger
        .accounts()
        .filter(|(_, a)| a.state.confirmed != Some(a.state.issued_at))
        .map(|(name, _)| name.to_string());
    let mut unconfirmed_accounts: Vec<_> = unconfirmed.collect();
    unconfirmed_accounts.sort_unstable();
    let unconfirmed = unconfirmed_accounts.len();
    unconfirmed_accounts.truncate(MAX_UNCONFIRMED);
    let info = shared.nats.server_info();
    Ok(ServiceStatus {
        instance: shared.instance.get().cloned().unwrap_or_default(),
        version: SERVICE_VERSION.to_owned(),
        prefix: shared.prefix.to_string(),
        server: format!("{} {}", info.server_name, info.version),
        clock_ahead_ms,
        events: position.digest.events(),
        sequence: position.sequence,
        keys: ledger.keys().count(),
        durability: shared.durability.describe(),
        stream_fault,
        stream_fault_of,
        servers: shared.durability.servers(),
        reserve: (shared.reserve.held(), shared.reserve.wanted()),
        unlimited_accounts: trust::unlimited_accounts(&ledger),
        unconfirmed_accounts,
        unconfirmed,
        inventory_fault: shared.inventory.fault(),
        inventory_remade: shared
            .inventory
            .remade()
            .map(|(times, at)| InventoryRemade { times, at }),
        outdated_users: trust::outdated_users(&ledger, &shared.prefix),
        expiring_within_30_days: expiring,
        token_signature_required: shared.require_token_signature.iter().collect(),
        findings,
    })
}
