//! Judges what a service says about itself.

use keyledger_wire::{
    SERVICE_VERSION, ServerVersion,
    query::{
        OPEN_BATCHES, ROOM_FAIL_PERCENT, ROOM_WARN_PERCENT, Room, ServerStatus, ServiceStatus,
        Severity, StatusFinding, StreamHolds,
    },
};

use super::Finding;

/// From this difference on, in milliseconds, the clocks are worth a look: dates in events come from the service's clock.
const CLOCK_WARN_MS: u64 = 500;
/// From this difference on, in milliseconds, servers refuse new JWTs, which seem to come from the future.
const CLOCK_FAIL_MS: u64 = 10_000;

pub(super) fn version(server: &str, version: &str) -> Finding {
    let what = format!("nats-server {server}");
    match ServerVersion::check(server, version) {
        Ok(()) => Finding::ok(&what, version),
        Err(_) => {
            let remedy = format!(
                "upgrade it to {} or later: {}",
                ServerVersion::MINIMUM,
                ServerVersion::WHY
            );
            Finding::fail(&what, version, &remedy)
        }
    }
}

/// What an instance says about itself.
pub(super) fn all(status: &ServiceStatus) -> Vec<Finding> {
    let mut findings = vec![service(status)];
    findings.push(if status.durability == "durable" {
        Finding::ok("durability", "acknowledged means on disk")
    } else if status.stream_fault_of == Some(StreamHolds::Ledger) {
        Finding::fail(
            "durability",
            "no command is taken",
            "repair the stream first, as the next line says",
        )
    } else if status
        .servers
        .iter()
        .any(|server| ServerVersion::check(&server.name, &server.version).is_err())
    {
        Finding::fail(
            "durability",
            "no command is taken: a server is too old",
            "upgrade it, as a line below explains",
        )
    } else {
        let remedy = "set `jetstream { sync_interval: always }` on the server, and restart it";
        Finding::fail("durability", &status.durability, remedy)
    });
    findings.push(match &status.stream_fault {
        None => Finding::ok("stream", "every setting keeps history as it is"),
        Some(said) if status.stream_fault_of == Some(StreamHolds::View) => {
            let remedy = "the message says what to do; commands are accepted meanwhile, because the ledger has everything in it";
            Finding::warn("stream", said, remedy)
        }
        Some(said) => {
            let remedy = "the message says what to set; export the ledger first";
            Finding::fail("stream", said, remedy)
        }
    });
    findings.extend(status.servers.iter().flat_map(server));
    findings.extend(reserve(status));
    findings.push(clocks(status.clock_ahead_ms));
    findings.extend(status.findings.iter().map(found));
    findings.push(inventory(status));
    findings.extend(status.outdated_users.iter().map(|what| {
        let remedy = "an earlier version made its creds, and what it may do stands in them: `keyledger init` makes new ones with another \
             organisation; this organisation goes on without what the user lacks";
        Finding::warn("permissions", what, remedy)
    }));
    findings.push(match status.expiring_within_30_days {
        0 => Finding::ok(
            "keys",
            format!("{}; none falls due within 30 days", status.keys),
        ),
        due => {
            let remedy =
                "`keyledger inventory --expiring 30d` shows which; rotate or deactivate those that are active, activate or destroy the others";
            Finding::warn(
                "keys",
                format!("{due} of {} fall due within 30 days", status.keys),
                remedy,
            )
        }
    });
    if !status.token_signature_required.is_empty() {
        let found = format!(
            "required for {}",
            status.token_signature_required.join(", ")
        );
        findings.push(Finding::ok("token signatures", found));
    }
    findings
}

fn inventory(status: &ServiceStatus) -> Finding {
    const WHAT: &str = "inventory bucket";
    if let Some(said) = &status.inventory_fault {
        let remedy = "it is only a view, and is written as soon as JetStream takes it: look at the memory that its server \
             gives JetStream; `keyledger inventory` asks the service and is right meanwhile";
        return Finding::warn(WHAT, format!("behind the ledger: {said}"), remedy);
    }
    match &status.inventory_remade {
        Some(remade) => {
            let (times, at) = (remade.times, crate::when::moment(remade.at));
            let found = format!("it was missing and was made again, {times} times, last at {at}");
            let remedy = "expected when a server was restarted; otherwise find out who has the creds of `setup` or `service`";
            Finding::warn(WHAT, found, remedy)
        }
        None => Finding::ok(WHAT, "holds what the ledger says"),
    }
}

/// The instance's own findings.
fn found(finding: &StatusFinding) -> Finding {
    let remedy = finding.remedy.as_deref().unwrap_or_default();
    match finding.severity {
        Severity::Ok => Finding::ok(&finding.what, &finding.found),
        Severity::Warn => Finding::warn(&finding.what, &finding.found, remedy),
        Severity::Fail => Finding::fail(&finding.what, &finding.found, remedy),
    }
}

fn service(status: &ServiceStatus) -> Finding {
    let ServiceStatus {
        instance,
        version,
        prefix,
        events,
        sequence,
        ..
    } = status;
    let found = format!("{version}, prefix {prefix}, {events} events, instance {instance}");
    if version != SERVICE_VERSION {
        let remedy =
            format!("this keyledger is {SERVICE_VERSION}: use the same version on both sides");
        return Finding::warn("service", found, &remedy);
    }
    if events != sequence {
        let remedy = "events are missing in the stream: `keyledger ledger verify`";
        return Finding::fail(
            "service",
            format!("{found}, but the last sequence is {sequence}"),
            remedy,
        );
    }
    Finding::ok("service", found)
}

fn server(server: &ServerStatus) -> Vec<Finding> {
    let what = format!("sync_always {}", server.name);
    let syncs = match server.sync_always {
        Some(true) => Finding::ok(&what, "each write is on disk before it is acknowledged"),
        Some(false) => {
            let remedy = "set `jetstream { sync_interval: always }` there, and restart it";
            Finding::fail(
                &what,
                "off: acknowledged writes can be lost with the power",
                remedy,
            )
        }
        None => Finding::ok(&what, "stores nothing"),
    };
    let mut findings = vec![version(&server.name, &server.version), syncs];
    findings.extend(unwritable(server));
    findings.extend(open_batches(server));
    for (kind, room, setting) in [
        ("disk", &server.disk, "max_file_store"),
        ("memory", &server.memory, "max_memory_store"),
    ] {
        if let Some(room) = room {
            findings.push(filled(
                &format!("JetStream {kind} {}", server.name),
                room,
                setting,
            ));
        }
    }
    findings
}

/// Which streams a server cannot write.
fn unwritable(server: &ServerStatus) -> Option<Finding> {
    let streams = server.unwritable.iter();
    let streams: Vec<_> = streams
        .map(|u| format!("{}: {}", u.stream, u.said))
        .collect();
    (!streams.is_empty()).then(|| {
        let found = format!("fail, and none is answered: {}", streams.join(", "));
        let remedy = "make room on its disk, then restart it: it takes no writes for these streams until then";
        Finding::fail(&format!("JetStream writes {}", server.name), found, remedy)
    })
}

/// Whether accounts with JetStream can block the ledger's writes with batches that they begin and never end.
fn open_batches(server: &ServerStatus) -> Option<Finding> {
    let most = server.open_batches.unwrap_or(1_000);
    (server.sync_always.is_some() && most < OPEN_BATCHES).then(|| {
        let found = format!(
            "{most} open ones for all accounts together: one account with JetStream can use them up, and revocations are not \
             written then"
        );
        let remedy = "set `jetstream { limits { batch { max_inflight_per_stream: 24, max_inflight_total: 100000 } } }` there, and \
                      restart it";
        Finding::warn(&format!("atomic batches {}", server.name), found, remedy)
    })
}

/// How full a store is.
fn filled(what: &str, room: &Room, setting: &str) -> Finding {
    let percent = room.used_percent();
    let mib = |bytes: u64| bytes / (1_024 * 1_024);
    let found = format!("{percent} % of {} MiB used", mib(room.most));
    let remedy = format!(
        "`nats server report jetstream` in the system account shows whose data it is; make room or raise `{setting}` and restart \
         nats-server, before commands are refused"
    );
    match percent {
        ROOM_FAIL_PERCENT.. => Finding::fail(what, found, &remedy),
        ROOM_WARN_PERCENT.. => Finding::warn(what, found, &remedy),
        _ => Finding::ok(what, found),
    }
}

/// Whether there is room for revocations when the store is full, and whether some account can fill it.
fn reserve(status: &ServiceStatus) -> Vec<Finding> {
    let (held, wanted) = status.reserve;
    let mut findings = Vec::new();
    if held < wanted {
        let found = format!(
            "{held} of {wanted} parts are there: room for revocations when the store is full"
        );
        let remedy =
            "the service makes it again within a minute once the disk is less than 85 % full";
        findings.push(Finding::warn("reserve", found, remedy));
    }
    if !status.unlimited_accounts.is_empty() {
        let found = format!("without limits: {}", status.unlimited_accounts.join(", "));
        let remedy = "their users can fill the store, and no command is taken then: move them to accounts made with \
                      `keyledger account create --jetstream-disk-mib`";
        findings.push(Finding::warn("JetStream of accounts", found, remedy));
    }
    findings
}

fn clocks(ahead_ms: Option<i64>) -> Finding {
    let Some(ahead_ms) = ahead_ms else {
        let remedy = "the server did not say its time: try again";
        return Finding::warn("clocks", "unknown", remedy);
    };
    let apart = ahead_ms.unsigned_abs();
    let side = if ahead_ms < 0 { "behind" } else { "ahead of" };
    let found = format!("the service's is {apart} ms {side} the server's");
    let remedy = "run an NTP client on both machines";
    match apart {
        CLOCK_FAIL_MS.. => Finding::fail("clocks", found, remedy),
        CLOCK_WARN_MS.. => Finding::warn("clocks", found, remedy),
        _ => Finding::ok("clocks", found),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Level, print};
    use keyledger_wire::query::Unwritable;

    use super::*;
    use crate::output::Output;

    fn status() -> ServiceStatus {
        ServiceStatus {
            instance: "I1".to_owned(),
            version: SERVICE_VERSION.to_owned(),
            prefix: "keys".to_owned(),
            server: "a 2.15.1".to_owned(),
            clock_ahead_ms: Some(1),
            events: 23,
            sequence: 23,
            keys: 4,
            durability: "durable".to_owned(),
            stream_fault: None,
            stream_fault_of: None,
            servers: vec![ServerStatus {
                name: "a".to_owned(),
                version: "2.15.1".to_owned(),
                sync_always: Some(true),
                disk: Some(Room {
                    used: 1 << 20,
                    most: 10 << 30,
                }),
                memory: Some(Room {
                    used: 0,
                    most: 1 << 30,
                }),
                open_batches: Some(OPEN_BATCHES),
                unwritable: Vec::new(),
            }],
            reserve: (16, 16),
            unlimited_accounts: Vec::new(),
            unconfirmed_accounts: Vec::new(),
            unconfirmed: 0,
            expiring_within_30_days: 0,
            token_signature_required: Vec::new(),
            inventory_fault: None,
            inventory_remade: None,
            outdated_users: Vec::new(),
            findings: vec![finding(
                Severity::Ok,
                "account JWTs",
                "confirmed on every server: a",
                None,
            )],
        }
    }

    fn finding(severity: Severity, what: &str, found: &str, remedy: Option<&str>) -> StatusFinding {
        StatusFinding {
            severity,
            what: what.to_owned(),
            found: found.to_owned(),
            remedy: remedy.map(str::to_owned),
        }
    }

    fn printed(status: &ServiceStatus) -> String {
        let mut text = Vec::new();
        let mut out = Output::fixed(&mut text, None, crate::when::now());
        print(&all(status), &mut out).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_healthy_service_is_all_ok() {
        assert!(all(&status()).iter().all(|f| f.level == Level::Ok));
        crate::golden::assert("doctor-ok.txt", printed(&status()).as_bytes());
    }

    #[test]
    fn a_changed_view_is_no_failure_of_the_ledger() {
        let mut changed = status();
        changed.stream_fault_of = Some(StreamHolds::View);
        for stream in ["KEYS_TASKS", "KV_KEYS_INVENTORY"] {
            changed.stream_fault = Some(format!("stream {stream} has max_age = 60s"));
            let said = printed(&changed);
            assert!(
                said.contains(&format!("warn  stream: stream {stream} has")),
                "{said}"
            );
            assert!(!said.contains("export the ledger"), "{said}");
        }
        for (stream, holds) in [
            ("KEYS_EVENTS", StreamHolds::Ledger),
            ("KV_KEYS_MATERIAL", StreamHolds::SealedKeys),
        ] {
            changed.stream_fault = Some(format!("stream {stream} has max_age = 60s"));
            changed.stream_fault_of = Some(holds);
            let said = printed(&changed);
            assert!(said.contains("fail  stream: "), "{said}");
        }
    }

    #[test]
    fn what_must_be_signed_is_said() {
        let mut strict = status();
        strict.token_signature_required = vec!["token.release".to_owned()];
        let said = printed(&strict);
        assert!(
            said.contains("ok    token signatures: required for token.release\n"),
            "{said}"
        );
    }

    #[test]
    fn a_bucket_that_was_gone_or_lags_is_said() {
        let mut lagging = status();
        lagging.inventory_fault = Some("no answer".to_owned());
        let said = printed(&lagging);
        assert!(
            said.contains("warn  inventory bucket: behind the ledger: no answer"),
            "{said}"
        );
        let mut remade = status();
        let at = crate::when::parse_moment("2026-11-30T10:00:00Z").unwrap();
        remade.inventory_remade = Some(keyledger_wire::query::InventoryRemade { times: 2, at });
        let said = printed(&remade);
        assert!(
            said.contains("warn  inventory bucket: it was missing and was made again, 2 times"),
            "{said}"
        );
    }

    #[test]
    fn a_server_that_cannot_write_is_named() {
        let mut full = status();
        full.servers[0].unwritable = vec![Unwritable {
            stream: "KEYS_EVENTS".to_owned(),
            said: "no space left on device".to_owned(),
        }];
        let said = printed(&full);
        let line = "fail  JetStream writes a: fail, and none is answered: KEYS_EVENTS: no space left on device\n";
        assert!(said.contains(line), "{said}");
    }

    #[test]
    fn users_with_creds_of_an_earlier_version_are_named() {
        let mut old = status();
        old.outdated_users = vec!["user service may not publish to x".to_owned()];
        let said = printed(&old);
        assert!(
            said.contains("warn  permissions: user service may not publish to x\n"),
            "{said}"
        );
    }

    #[test]
    fn a_server_that_does_not_sync_is_named_with_the_setting() {
        let mut lax = status();
        lax.durability = "server a does not sync".to_owned();
        lax.servers[0].sync_always = Some(false);
        crate::golden::assert("doctor-lax.txt", printed(&lax).as_bytes());
    }

    #[test]
    fn every_fault_is_named_with_a_remedy() {
        let mut sick = status();
        sick.durability = "server a does not sync".to_owned();
        sick.stream_fault = Some("stream KEYS_EVENTS has deny_purge = false".to_owned());
        sick.servers[0].sync_always = Some(false);
        sick.servers[0].version = "2.9.10".to_owned();
        sick.servers[0].open_batches = None;
        sick.clock_ahead_ms = Some(-60_000);
        sick.unconfirmed_accounts = vec!["orders".to_owned()];
        sick.findings = vec![
            finding(
                Severity::Fail,
                "account JWTs",
                "not confirmed on every server: orders",
                Some("look for a server that is down or unreachable"),
            ),
            finding(
                Severity::Warn,
                "what ends",
                "credentials: ann (ends 2026-12-24T00:00:00.000Z)",
                Some("issue them again"),
            ),
        ];
        sick.expiring_within_30_days = 2;
        sick.sequence = 24;
        sick.servers[0].disk = Some(Room {
            used: 95 << 20,
            most: 100 << 20,
        });
        sick.servers[0].memory = Some(Room {
            used: 71 << 20,
            most: 100 << 20,
        });
        sick.reserve = (3, 16);
        sick.unlimited_accounts = vec!["orders".to_owned()];
        crate::golden::assert("doctor-sick.txt", printed(&sick).as_bytes());
    }
}
