//! What an instance finds out about trust, servers, and what ends: lines of `keyledger doctor`.

use keyledger_claims::{ActivationBody, OperatorBody, decode};
use keyledger_domain::{
    Ledger, Name, Timestamp,
    account::{MAX_JWT_BYTES, intent::Exporter},
    token::Phase,
    views::{EndingKind, ending, last_administrator, stuck},
};
use keyledger_wire::query::{Severity, StatusFinding};

use crate::{
    shared::Shared,
    trust::{ClusterState, TrustHealth, due_for_upgrade, newest_template},
};

/// What ends within this many days is worth a look.
const SOON_DAYS: u16 = 30;
/// If the last administrator's credentials end within this many days, it is an error. A weekend and somebody's leave fit in.
const LAST_ADMINISTRATOR_DAYS: u16 = 14;
/// How many names a finding shows at most.
const NAMED: usize = 5;
/// After how many milliseconds a JWT that is not on every server is a finding.
const LATE_MS: i64 = 60_000;
/// How long pushes by others are shown after the last one, in milliseconds.
const SHOW_FOREIGN_MS: i64 = 86_400_000;

/// All findings of this instance.
pub(super) async fn all(shared: &Shared, now: Timestamp) -> Vec<StatusFinding> {
    let watch = &shared.servers;
    let cluster = watch.cluster().await;
    let (answering, silent) = (watch.answering(), watch.silent());
    let ledger = shared.live.ledger.read();
    let mut findings = vec![account_jwts(
        &ledger,
        &shared.trust,
        &answering,
        &silent,
        now,
    )];
    findings.extend(vault(shared));
    findings.extend(pushes(&shared.trust, now));
    findings.push(trust_keys(&ledger, &shared.trust));
    findings.extend(inventory(shared, now));
    findings.extend(lists(&ledger));
    findings.extend(cluster.as_ref().map(quorum));
    findings.extend(older_templates(&ledger));
    findings.extend(administrators(&ledger, now));
    findings.push(ends(&ledger, now));
    findings.extend(worthless(&ledger, now));
    findings.extend(quarantined(&ledger));
    findings.extend(operator_ends(&ledger, now));
    findings.extend(tasks(&ledger, now));
    findings
}

/// Said only where it matters.
fn vault(shared: &Shared) -> Option<StatusFinding> {
    let remedy = "open it on its machine with `keyledger vault open`, as the service's user";
    let found = "the vault of this instance is sealed: it takes no command, and pushes nothing";
    (!shared.vault.is_open()).then(|| finding(Severity::Fail, "vault", found, remedy))
}

/// Whether every server holds every account's JWT. Never `confirmed` where somebody did not answer.
fn account_jwts(
    ledger: &Ledger,
    trust: &TrustHealth,
    answering: &[Box<str>],
    silent: &[(Box<str>, u64)],
    now: Timestamp,
) -> StatusFinding {
    const WHAT: &str = "account JWTs";
    if trust.is_refused() {
        let remedy = "the system account's JWT on the servers is not this operator's: stop each server, put jwt/sys.jwt of the \
            organisation's directory into its resolver directory as the system account's nkey with .jwt behind it, and start it";
        let found = "the servers refuse the service in the system account: nothing is pushed";
        return finding(Severity::Fail, WHAT, found, remedy);
    }
    if let Some(said) = trust.refusal() {
        let accounts = named(trust.ahead().keys());
        let remedy = "restore the newer ledger from its replicas or a backup, and compare with `keyledger ledger verify`; if this \
            ledger is the one that counts, start the service once with --accept-rollback, and revoke again what was revoked since";
        let found = format!("NO COMMAND IS TAKEN: {said} (accounts: {accounts})");
        return finding(Severity::Fail, WHAT, found, remedy);
    }
    if let Some((account, said)) = trust.unpushed().first_key_value() {
        let found = format!("the JWT of {account} does not reach the servers: {said}");
        let remedy = "until it does, commands that change who may connect there are refused; the service's log has each try";
        return finding(Severity::Fail, WHAT, found, remedy);
    }
    let open = ledger.accounts().filter_map(|(name, account)| {
        let account = &account.state;
        let open = account.confirmed != Some(account.issued_at);
        open.then_some((name, account.changed_at))
    });
    let open: Vec<_> = open.collect();
    if !open.is_empty() {
        let late = open.iter().any(|(_, at)| now.ms() - at.ms() > LATE_MS);
        let severity = if late { Severity::Fail } else { Severity::Warn };
        let found = format!(
            "not confirmed on every server: {}",
            named(open.iter().map(|(name, _)| *name))
        );
        let remedy = "the service goes on pushing: look for a server that is down or unreachable";
        return finding(severity, WHAT, found, remedy);
    }
    let on = answering.join(", ");
    if silent.is_empty() && !answering.is_empty() {
        return ok(WHAT, format!("confirmed on every server: {on}"));
    }
    let silent = silent
        .iter()
        .map(|(name, seconds)| format!("{name} (for {seconds} s)"));
    let silent: Vec<_> = silent.collect();
    let found = if answering.is_empty() {
        "no server answers: what they hold is not known".to_owned()
    } else {
        let silent = silent.join(", ");
        format!("held by {on}; NOT KNOWN of {silent}, which does not answer")
    };
    let remedy = "bring it back: it is pushed to when it says hello, and until then lets in whoever reaches it; if it was taken \
        away for good, restart the service, which then forgets it";
    finding(Severity::Warn, WHAT, found, remedy)
}

/// Whether others push, and whether that would be heard.
fn pushes(trust: &TrustHealth, now: Timestamp) -> Vec<StatusFinding> {
    const WHAT: &str = "pushes by others";
    let mut findings = Vec::new();
    let recent = trust.foreign().into_iter().filter(|(_, foreign)| {
        let age = now.ms() - foreign.last_at.ms();
        age < SHOW_FOREIGN_MS
    });
    for (account, foreign) in recent {
        let found = format!(
            "account {account}, {} times, the last at {}: {}; each was pushed over",
            foreign.times, foreign.last_at, foreign.what
        );
        let remedy = "whoever can push is root of this NATS: find who has credentials of the system account, or writes to a \
            server's resolver directory; a server that ended meanwhile with `Can't set system account` starts again once jwt/sys.jwt of \
            the organisation's directory is in its resolver directory, under the system account's nkey";
        findings.push(finding(Severity::Fail, WHAT, found, remedy));
    }
    if trust.is_deaf() {
        let found =
            "not heard of: the system user of this organisation was made before it was allowed to";
        let remedy = "every account is compared on every server each 3 s instead (30 s of more than 200 accounts): what others push \
            lives that long; an organisation that `keyledger init` makes now hears it at once";
        findings.push(finding(Severity::Warn, WHAT, found, remedy));
    }
    if findings.is_empty() {
        findings.push(ok(WHAT, "none"));
    }
    findings
}

/// Whether somebody else wrote into the inventory bucket.
fn inventory(shared: &Shared, now: Timestamp) -> Option<StatusFinding> {
    let (entries, at) = shared.inventory.amended()?;
    if now.ms() - at.ms() >= SHOW_FOREIGN_MS {
        return None;
    }
    let found = format!(
        "{entries} entries held what the ledger does not say, the last at {at}; they were written over"
    );
    let remedy = "whoever can write there has the creds of the service or of the set-up: find who, and take what was read there for \
        false; `keyledger inventory` asks the ledger itself";
    Some(finding(Severity::Fail, "inventory entries", found, remedy))
}

fn trust_keys(ledger: &Ledger, trust: &TrustHealth) -> StatusFinding {
    const WHAT: &str = "trust keys";
    let faults = trust.keys();
    if let Some((name, said)) = faults.first_key_value() {
        let found = format!("{} do not open; {name}: {said}", faults.len());
        let remedy = "what they sign cannot be changed, and such commands are refused: restore the material bucket, or start the \
            service with the organisation's directory, whose material/ has the keys of the bootstrap";
        return finding(Severity::Fail, WHAT, found, remedy);
    }
    let restored = trust.restored();
    if !restored.is_empty() {
        let found = format!(
            "{} did not open and was restored from the organisation's directory",
            named(restored.keys())
        );
        let remedy = "what the bucket had of it was damaged: look after the disks of its servers";
        return finding(Severity::Warn, WHAT, found, remedy);
    }
    ok(
        WHAT,
        format!("{}; all open", ledger.keys_of_trust().count()),
    )
}

/// Revocation lists that are nearly full.
fn lists(ledger: &Ledger) -> Vec<StatusFinding> {
    let full = ledger.accounts().filter_map(|(name, account)| {
        let account = &account.state;
        let entries = account.revocations.len();
        let percent = account.jwt_bytes(entries) * 100 / MAX_JWT_BYTES;
        let severity = match percent {
            95.. => Severity::Fail,
            75.. => Severity::Warn,
            _ => return None,
        };
        let found = format!("{entries} entries in account {name}: {percent} % of what a JWT can hold");
        let remedy = "replace its oldest users (`keyledger user list`): what was issued before everybody who stays becomes one \
            entry; entries leave by themselves when the JWTs that they refuse expire";
        Some(finding(severity, "revocation list", found, remedy))
    });
    full.collect()
}

fn quorum(cluster: &ClusterState) -> StatusFinding {
    const WHAT: &str = "cluster";
    let ClusterState { size, leader, away } = cluster;
    let Some(leader) = leader else {
        let found = format!("JetStream of {size} servers has no leader: nothing can be written");
        return finding(
            Severity::Fail,
            WHAT,
            found,
            "bring back more than half of its servers",
        );
    };
    if away.is_empty() {
        return ok(WHAT, format!("{size} servers, leader {leader}"));
    }
    let found = format!(
        "{} of {size} servers away: {}; leader {leader}",
        away.len(),
        away.join(", ")
    );
    let remedy = "bring them back: without more than half of them nothing can be written";
    finding(Severity::Warn, WHAT, found, remedy)
}

/// Whether somebody will be able to command.
fn administrators(ledger: &Ledger, now: Timestamp) -> Option<StatusFinding> {
    const WHAT: &str = "administrators";
    match last_administrator(ledger, now, LAST_ADMINISTRATOR_DAYS) {
        Ok(None) => None,
        Ok(Some((name, at))) => {
            let found =
                format!("the last one, {name}, ends at {at}: nobody can command after that");
            let remedy = "`keyledger user issue NAME --role administrator --expires-days 365d --out NAME.creds`, before it ends";
            Some(finding(Severity::Fail, WHAT, found, remedy))
        }
        Err(nobody) => {
            let remedy = "restore the ledger from a backup of a time when there was one (the page \"Backup and restore\" of the documentation)";
            Some(finding(Severity::Fail, WHAT, nobody.to_string(), remedy))
        }
    }
}

/// Credentials, agents and certificates that end soon.
fn ends(ledger: &Ledger, now: Timestamp) -> StatusFinding {
    const WHAT: &str = "what ends";
    let ending = ending(ledger, now, SOON_DAYS);
    if ending.is_empty() {
        let found = format!("no credentials and no certificate within {SOON_DAYS} days");
        return ok(WHAT, found);
    }
    let mut parts = Vec::new();
    for (kind, words) in [
        (EndingKind::Creds, "credentials"),
        (EndingKind::Agent, "agents"),
        (EndingKind::Certificate, "certificates of keys"),
    ] {
        let of_kind: Vec<_> = ending.iter().filter(|e| e.kind == kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        let named = of_kind.iter().take(NAMED).map(|ending| {
            let verb = if ending.at <= now { "ended" } else { "ends" };
            format!("{} ({verb} {})", ending.name, ending.at)
        });
        let named: Vec<_> = named.collect();
        let rest = of_kind.len() - named.len();
        let more = if rest > 0 {
            format!(" and {rest} more")
        } else {
            String::new()
        };
        parts.push(format!("{words}: {}{more}", named.join(", ")));
    }
    let remedy = "issue users anew under other names (`keyledger user issue`), enrol agents anew (`keyledger-agent enrol`), certify \
        keys anew (`keyledger ca certify`)";
    finding(Severity::Warn, WHAT, parts.join("; "), remedy)
}

/// Certificates that are in date, and prove nothing since an authority above them was compromised.
fn worthless(ledger: &Ledger, now: Timestamp) -> Option<StatusFinding> {
    let keys = ledger.worthlessly_certified(now);
    if keys.is_empty() {
        return None;
    }
    let found = format!(
        "{} below a compromised authority, and in date: {}",
        keys.len(),
        named(keys.into_iter())
    );
    let remedy = "certify these keys anew by another authority (`keyledger ca certify`), and take the compromised one out of wherever \
        it is trusted";
    Some(finding(Severity::Warn, "certificates", found, remedy))
}

/// Tokens of which what was shown did not fit.
fn quarantined(ledger: &Ledger) -> Option<StatusFinding> {
    let tokens = ledger.tokens();
    let tokens = tokens.filter(|(_, token)| token.state.phase == Phase::Quarantined);
    let tokens: Vec<_> = tokens.map(|(serial, _)| serial).collect();
    if tokens.is_empty() {
        return None;
    }
    let found = format!(
        "{} in quarantine: {}",
        tokens.len(),
        named(tokens.into_iter())
    );
    let remedy = "`keyledger token show SERIAL` says why; reset it and provision it again, or declare it lost";
    Some(finding(Severity::Warn, "tokens", found, remedy))
}

/// JWTs that end by themselves: the operator's, which servers ignore once it has, and leave to share.
fn operator_ends(ledger: &Ledger, now: Timestamp) -> Vec<StatusFinding> {
    const WHAT: &str = "JWTs that end";
    let soon = now.plus_days(i64::from(SOON_DAYS)).seconds();
    let operator = ledger
        .operator()
        .and_then(|(_, operator)| decode::<OperatorBody>(&operator.state.jwt).ok());
    let mut findings = Vec::new();
    if let Some(operator) = operator.filter(|jwt| jwt.exp != 0 && jwt.exp < soon) {
        let at = Timestamp::from_seconds(operator.exp);
        let remedy = "sign the operator's JWT anew with its identity key, put it into trust.conf, and restart the servers one after \
            the other";
        let found = format!("the operator's at {at}: servers go on as if it had not");
        findings.push(finding(Severity::Fail, WHAT, found, remedy));
    }
    let ending = ledger.accounts().filter(|(_, account)| {
        let imports = account.state.intent.imports.iter();
        let tokens = imports.filter_map(|import| match &import.from {
            Exporter::Stranger { activation, .. } => activation.as_deref(),
            Exporter::Account(_) => None, // its leave has no end
        });
        let mut activations = tokens.filter_map(|token| decode::<ActivationBody>(token).ok());
        activations.any(|activation| activation.exp != 0 && activation.exp < soon)
    });
    let ending: Vec<_> = ending.map(|(name, _)| name).collect();
    if !ending.is_empty() {
        let found = format!(
            "activations of imports of {}",
            named(ending.iter().copied())
        );
        let remedy = "what they import goes away with them: make the account anew";
        findings.push(finding(Severity::Warn, WHAT, found, remedy));
    }
    findings
}

/// Accounts whose users lack what this version of the service gives new ones.
fn older_templates(ledger: &Ledger) -> Option<StatusFinding> {
    let newest = newest_template();
    let due: Vec<_> = due_for_upgrade(ledger, newest)
        .map(|(name, _)| name)
        .collect();
    if due.is_empty() {
        return None;
    }
    let found = format!(
        "{} accounts stand on templates before version {newest}: {}",
        due.len(),
        named(due.iter().copied())
    );
    let remedy = "`keyledger account upgrade --all` shows what each gains and loses, and upgrades them after a yes";
    Some(finding(Severity::Warn, "templates", found, remedy))
}

fn tasks(ledger: &Ledger, now: Timestamp) -> Option<StatusFinding> {
    let stuck = stuck(ledger, now);
    let oldest = stuck.first()?;
    let found = format!(
        "{} open for more than a day; the oldest: {} of token {} at {}, since {}",
        stuck.len(),
        oldest.kind.as_str(),
        oldest.token,
        oldest.workstation,
        oldest.filed_at
    );
    let remedy = "`keyledger token show SERIAL` says what it waits for; `keyledger token cancel SERIAL` gives it up";
    Some(finding(Severity::Warn, "tasks", found, remedy))
}

/// Some by name, the others by number.
fn named<'a>(names: impl Iterator<Item = &'a Name>) -> String {
    let names: Vec<_> = names.map(Name::as_str).collect();
    let (shown, rest) = names.split_at(names.len().min(NAMED));
    let more = if rest.is_empty() {
        String::new()
    } else {
        format!(" and {} more", rest.len())
    };
    format!("{}{more}", shown.join(", "))
}

fn ok(what: &str, found: impl Into<String>) -> StatusFinding {
    StatusFinding {
        severity: Severity::Ok,
        what: what.to_owned(),
        found: found.into(),
        remedy: None,
    }
}

fn finding(
    severity: Severity,
    what: &str,
    found: impl Into<String>,
    remedy: &str,
) -> StatusFinding {
    StatusFinding {
        severity,
        what: what.to_owned(),
        found: found.into(),
        remedy: Some(remedy.to_owned()),
    }
}
