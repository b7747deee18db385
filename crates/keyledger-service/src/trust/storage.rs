//! What accounts may store in JetStream: never without limits, and together never so much that no room is left for the ledger.

use keyledger_domain::{
    Ledger, Name, Rejection,
    account::{
        Account, Create,
        intent::{Limit, Storage},
    },
};

/// Why an account is not given what it asks for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    /// A rule says no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// No server said how much it can store: try again.
    #[error("no server says how much JetStream may store there")]
    NoFigures,
}

const MIB: u64 = 1_024 * 1_024;
/// MiB on disk where nobody says.
const DISK_MIB: u32 = 1_024;
/// The most that anybody may say, in MiB.
const MAX_MIB: u32 = 64 * 1_024 * 1_024;
/// How many streams, and consumers, the users of an account may make.
const MAX_STREAMS: Limit = Limit::AtMost(256);
const MAX_CONSUMERS: Limit = Limit::AtMost(4_096);
/// What all accounts together may have of the disk and of the memory that the server with least gives to JetStream, in percent: the
/// rest is the ledger's, and the inventory's.
const DISK_PERCENT: u64 = 75;
const MEMORY_PERCENT: u64 = 50;

/// The limits that a command asks for; nothing if nothing is to be stored.
pub(super) fn limits(create: &Create) -> Result<Option<Storage>, Rejection> {
    let (disk, memory) = (create.jetstream_disk_mib, create.jetstream_memory_mib);
    if disk.is_none() && memory.is_none() && create.jetstream != Some(true) {
        return Ok(None);
    }
    if create.jetstream == Some(false) {
        return Err(Rejection::BadValue {
            field: "jetstream",
            fault: "it is false, and limits are given: leave out one of them".to_owned(),
        });
    }
    let bytes = |field, mib: u32| {
        let in_range = (1..=MAX_MIB).contains(&mib);
        in_range
            .then(|| u64::from(mib) * MIB)
            .ok_or(Rejection::OutOfRange {
                field,
                value: i64::from(mib),
                min: 1,
                max: i64::from(MAX_MIB),
            })
    };
    let memory = memory.map_or(Ok(0), |mib| bytes("jetstream_memory_mib", mib))?;
    // Memory alone is asked for where only that is named.
    let disk = match disk {
        Some(mib) => bytes("jetstream_disk_mib", mib)?,
        None if memory > 0 && create.jetstream.is_none() => 0,
        None => bytes("jetstream_disk_mib", DISK_MIB)?,
    };
    Ok(Some(Storage {
        disk_bytes: Limit::AtMost(disk),
        memory_bytes: Limit::AtMost(memory),
        streams: MAX_STREAMS,
        consumers: MAX_CONSUMERS,
        ..Storage::default()
    }))
}

/// The limits, if there is room for them beside those of all other accounts.
pub(super) fn fits(
    limits: Storage,
    ledger: &Ledger,
    room: Option<(u64, u64)>,
) -> Result<Storage, StorageError> {
    let (disk, memory) = room.ok_or(StorageError::NoFigures)?;
    let (mut on_disk, mut in_memory) = (0_u64, 0_u64);
    for (_, account) in tenants(ledger) {
        let given = &account.intent.limits.storage;
        on_disk = on_disk.saturating_add(bytes(given.disk_bytes));
        in_memory = in_memory.saturating_add(bytes(given.memory_bytes));
    }
    let check = |what, asked: Limit, given: u64, all: u64, percent: u64| {
        let most = (all / 100).saturating_mul(percent).saturating_sub(given) / MIB;
        if bytes(asked) <= most.saturating_mul(MIB) {
            return Ok(());
        }
        let max = usize::try_from(most).unwrap_or(usize::MAX);
        Err(Rejection::LimitReached { what, max })
    };
    const DISK: &str = "MiB on disk that are left for accounts: all together get three quarters of `max_file_store`";
    const MEMORY: &str =
        "MiB in memory that are left for accounts: all together get half of `max_memory_store`";
    check(DISK, limits.disk_bytes, on_disk, disk, DISK_PERCENT)?;
    check(
        MEMORY,
        limits.memory_bytes,
        in_memory,
        memory,
        MEMORY_PERCENT,
    )?;
    Ok(limits)
}

/// The accounts whose users may store without a limit: made by an earlier version.
pub(crate) fn unlimited_accounts(ledger: &Ledger) -> Vec<String> {
    let unlimited = tenants(ledger).filter(|(_, account)| {
        let given = &account.intent.limits.storage;
        [given.disk_bytes, given.memory_bytes].contains(&Limit::Unlimited)
    });
    let mut names: Vec<_> = unlimited.map(|(name, _)| name.to_string()).collect();
    names.sort_unstable();
    names
}

/// The accounts that are not the service's own.
fn tenants(ledger: &Ledger) -> impl Iterator<Item = (&Name, &Account)> {
    ledger
        .accounts()
        .map(|(name, entry)| (name, &entry.state))
        .filter(|(_, account)| !account.purpose.is_own())
}

/// The bytes that a limit takes of the room. What has no limit takes none that could be counted.
const fn bytes(limit: Limit) -> u64 {
    match limit {
        Limit::AtMost(most) => most,
        Limit::Unlimited => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(body: serde_json::Value) -> Create {
        serde_json::from_value(body).unwrap()
    }

    fn asked(body: serde_json::Value) -> Result<Option<(i64, i64)>, Rejection> {
        let limits = limits(&create(body))?;
        Ok(limits.map(|l| {
            (
                l.disk_bytes.number() / 1_048_576,
                l.memory_bytes.number() / 1_048_576,
            )
        }))
    }

    #[test]
    fn nobody_stores_without_a_limit() {
        use serde_json::json;
        assert_eq!(asked(json!({})).unwrap(), None);
        assert_eq!(asked(json!({"jetstream": false})).unwrap(), None);
        assert_eq!(asked(json!({"jetstream": true})).unwrap(), Some((1_024, 0)));
        let both = json!({"jetstream_disk_mib": 10, "jetstream_memory_mib": 5});
        assert_eq!(asked(both).unwrap(), Some((10, 5)));
        assert_eq!(
            asked(json!({"jetstream_memory_mib": 5})).unwrap(),
            Some((0, 5))
        );
        let none = json!({"jetstream": true, "jetstream_disk_mib": 0});
        assert_eq!(asked(none).unwrap_err().reason(), "out_of_range");
        let both = json!({"jetstream": false, "jetstream_disk_mib": 1});
        assert_eq!(asked(both).unwrap_err().reason(), "bad_value");
    }

    #[test]
    fn the_ledger_keeps_a_part_of_the_store() {
        let limits = || {
            limits(&create(serde_json::json!({"jetstream": true})))
                .unwrap()
                .unwrap()
        };
        let ledger = Ledger::new();
        let gib = 1_024 * MIB;
        assert!(fits(limits(), &ledger, Some((2 * gib, gib))).is_ok());
        let refused = fits(limits(), &ledger, Some((gib, gib))).unwrap_err();
        assert!(refused.to_string().contains("three quarters"), "{refused}");
        let unknown = fits(limits(), &ledger, None);
        assert!(matches!(unknown, Err(StorageError::NoFigures)));
    }
}
