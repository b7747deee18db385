//! What an account gains and loses when its claims become others, in words.

use std::collections::BTreeSet;

use keyledger_claims::{
    AccountBody, UserPermissionLimits,
    account::{Export, ExportType, Import},
    user::Permission,
};

/// What an account gains and loses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// What holds afterwards and did not before: a line each.
    pub gains: Vec<String>,
    /// What held before and does not afterwards.
    pub loses: Vec<String>,
}

/// What changes from one to the other: permissions, exports, imports and limits. `account` says what an account is called whose nkey it
/// is given.
#[must_use]
pub fn changes(
    before: &AccountBody,
    after: &AccountBody,
    account: &dyn Fn(&str) -> String,
) -> Changes {
    let (before, after) = (facts(before, account), facts(after, account));
    Changes {
        gains: after.difference(&before).cloned().collect(),
        loses: before.difference(&after).cloned().collect(),
    }
}

/// What holds of an account, a line each.
fn facts(body: &AccountBody, account: &dyn Fn(&str) -> String) -> BTreeSet<String> {
    let limits = &body.limits;
    let mut facts: BTreeSet<_> = [
        ("connections", limits.conn),
        ("leaf nodes", limits.leaf),
        ("subscriptions", limits.subs),
        ("bytes", limits.data),
        ("bytes of a message", limits.payload),
        ("imports", limits.imports),
        ("exports", limits.exports),
        ("bytes on disk in JetStream", limits.jetstream.disk_storage),
        ("bytes in memory in JetStream", limits.jetstream.mem_storage),
        ("streams", limits.jetstream.streams),
        ("consumers", limits.jetstream.consumer),
    ]
    .into_iter()
    .map(|(what, most)| limit(what, most))
    .collect();
    facts.extend(body.exports.iter().map(export));
    facts.extend(body.imports.iter().map(|it| import(it, account)));
    for scope in body.signing_keys.iter().filter_map(|key| key.scope()) {
        let of_role = role(&scope.template).into_iter();
        facts.extend(of_role.map(|fact| format!("role {}: {fact}", scope.role)));
    }
    for (subject, to) in &body.mappings {
        for to in to {
            facts.insert(format!("messages on {subject} go to {}", to.subject));
        }
    }
    let default = &body.default_permissions;
    for (verb, permission) in [
        ("publish to", &default.publish),
        ("subscribe to", &default.subscribe),
    ] {
        let may = permitted(verb, permission);
        facts.extend(may.map(|fact| format!("users without permissions of their own {fact}")));
    }
    facts
}

fn limit(what: &str, most: i64) -> String {
    match most {
        ..0 => format!("{what}: no limit"),
        0 => format!("{what}: none"),
        most => format!("{what}: at most {most}"),
    }
}

const fn kind(kind: ExportType) -> &'static str {
    match kind {
        ExportType::Service => "service",
        ExportType::Stream => "stream",
        ExportType::Unknown => "subject",
    }
}

fn export(export: &Export) -> String {
    let leave = if export.token_req {
        "to accounts that it gives leave"
    } else {
        "to every account"
    };
    format!(
        "exports the {} {} {leave}",
        kind(export.kind),
        export.subject
    )
}

fn import(import: &Import, account: &dyn Fn(&str) -> String) -> String {
    let local = match import.local_subject.as_str() {
        "" => String::new(),
        local => format!(" as {local}"),
    };
    let sender = if import.share {
        ", which is told who sends"
    } else {
        ""
    };
    let (kind, of) = (kind(import.kind), account(&import.account));
    format!(
        "imports the {kind} {} of account {of}{local}{sender}",
        import.subject
    )
}

fn role(scope: &UserPermissionLimits) -> Vec<String> {
    let mut facts: Vec<_> = permitted("publish to", &scope.publish)
        .chain(permitted("subscribe to", &scope.subscribe))
        .collect();
    facts.extend(
        [
            ("subscriptions of a connection", scope.subs),
            ("bytes", scope.data),
            ("bytes of a message", scope.payload),
        ]
        .map(|(what, most)| limit(what, most)),
    );
    if let Some(resp) = &scope.resp {
        facts.push(limit("answers to a request", resp.max));
    }
    facts
}

fn permitted<'a>(verb: &'a str, permission: &'a Permission) -> impl Iterator<Item = String> + 'a {
    let everything = permission
        .allow
        .is_empty()
        .then(|| format!("may {verb} everything"));
    let allowed = permission
        .allow
        .iter()
        .map(move |it| format!("may {verb} {it}"));
    let denied = permission
        .deny
        .iter()
        .map(move |it| format!("may not {verb} {it}"));
    everything.into_iter().chain(allowed).chain(denied)
}
