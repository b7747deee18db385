//! What each role may do: the template of its scoped signing key.

use keyledger_domain::{
    Command, Role,
    account::intent::{Permissions, Scope, Subjects},
    template::TemplateVersion,
    verb::VerbRow,
};
use keyledger_wire::{
    Prefix,
    questions::{Askers, QUESTIONS},
};

use super::sharing::DISCOVERY;

/// How large a message of a role's user may be, headers included: twice the payload of a command, so that one that is too large is
/// still answered. A flood of messages of a MiB made nats-server cut the service's connection, with all that others had asked.
const MESSAGE_BYTES: u64 = 128 * 1_024;

/// How many subscriptions a connection of a role's user may have: nats-server keeps a KiB for each, and a million of them held it
/// up until it said nothing any more.
const SUBSCRIPTIONS: u64 = 1_024;

/// What the users of a role may do. nats-server enforces it; what may be published is the authority.
#[must_use]
pub fn role(prefix: &Prefix, version: TemplateVersion, role: Role) -> Scope {
    let (publish, subscribe) = match role {
        Role::Administrator => (administrator(prefix), reads(prefix)),
        Role::Approver => (approver(prefix, version), reads(prefix)),
        Role::Auditor => (questions(prefix), reads(prefix)),
        Role::Service => (service(prefix, version), service_reads(prefix)),
        Role::Agent => (
            agent(prefix, version),
            vec![format!("{}.>", Prefix::agent_inbox(SUBJECT))],
        ),
    };
    let allow = |subjects: Vec<String>| Subjects {
        allow: subjects.into_iter().map(Into::into).collect(),
        deny: Vec::new(),
    };
    Scope {
        permissions: Permissions {
            publish: allow(publish),
            subscribe: allow(subscribe),
            answer: None,
        },
        subscriptions: Some(SUBSCRIPTIONS),
        message_bytes: Some(MESSAGE_BYTES),
        ..Scope::new(role.as_str())
    }
}

fn administrator(prefix: &Prefix) -> Vec<String> {
    let mut publish = questions(prefix);
    publish.push(prefix.commands());
    publish
}

/// Approves what others asked for: requests come with later work.
fn approver(prefix: &Prefix, version: TemplateVersion) -> Vec<String> {
    let mut publish = questions(prefix);
    publish.push(format!("{prefix}.commands.request.>"));
    let commands = sent_by(Role::Approver, version);
    publish.extend(commands.map(|row| prefix.command(row.aggregate.as_str(), row.verb, "*")));
    publish
}

/// The commands that a role may send, by what each verb says of its senders and since when.
fn sent_by(role: Role, version: TemplateVersion) -> impl Iterator<Item = VerbRow> {
    Command::verbs().filter(move |row| row.since <= version && row.senders.include(role))
}

/// Every question, `nats micro`, and `nats kv` on the inventory bucket.
fn questions(prefix: &Prefix) -> Vec<String> {
    vec![
        prefix.queries(),
        DISCOVERY.to_owned(),
        format!("{}.>", prefix.imported_api()),
    ]
}

/// Every event, and the user's own inboxes: for answers, and for `nats kv watch`.
fn reads(prefix: &Prefix) -> Vec<String> {
    let deliver = prefix.deliver("{{account-subject()}}", SUBJECT);
    vec![
        prefix.events(),
        prefix.notices(),
        own_inbox(),
        format!("{deliver}.>"),
    ]
}

/// The user's own inboxes. Whoever listens on another's hears its answers, an administrator's export of the ledger as well.
fn own_inbox() -> String {
    format!("{}.>", Prefix::inbox(SUBJECT))
}

/// A program commands the keys that bear its name or stand in its tags, and asks what programs may ask.
fn service(prefix: &Prefix, version: TemplateVersion) -> Vec<String> {
    let mut publish = Vec::new();
    for key in OWN_KEYS {
        let commands = sent_by(Role::Service, version);
        publish.extend(commands.map(|row| prefix.command(row.aggregate.as_str(), row.verb, key)));
    }
    for question in QUESTIONS {
        match question.askers {
            Askers::People => {}
            Askers::AndServices => publish.push(prefix.query(question.tail)),
            Askers::AndServicesOfOwnKeys => {
                let own = OWN_KEYS.map(|key| prefix.query(&question.tail_of_key(key)));
                publish.extend(own);
            }
        }
    }
    publish
}

fn service_reads(prefix: &Prefix) -> Vec<String> {
    let mut subscribe: Vec<_> = OWN_KEYS
        .iter()
        .map(|key| format!("{prefix}.events.key.{key}.>"))
        .collect();
    subscribe.push(own_inbox());
    subscribe
}

/// An agent takes what waits for it, says that it is done, and reports under its own nkey; it answers nobody.
fn agent(prefix: &Prefix, version: TemplateVersion) -> Vec<String> {
    let (tasks, api) = (prefix.tasks_stream(), prefix.imported_api());
    let mut publish = vec![
        format!("{api}.CONSUMER.MSG.NEXT.{tasks}.{SUBJECT}"),
        format!("{api}.CONSUMER.INFO.{tasks}.{SUBJECT}"),
        prefix.report(SUBJECT, "*"),
    ];
    let [done, done_with_domain] = prefix.acknowledgements(SUBJECT);
    publish.push(done);
    if version >= TemplateVersion::V2 {
        publish.push(done_with_domain);
    }
    publish
}

/// The user's own nkey, in a template.
const SUBJECT: &str = "{{subject()}}";

/// The namesake, and each key that a tag `key:…` names; without such a tag nats-server drops the subject.
const OWN_KEYS: [&str; 2] = ["{{name()}}", "{{tag(key)}}"];
