//! Exports and imports.

use keyledger_domain::{
    account::intent::{Export, Exporter, Import, ResponseForm, Shared},
    template::TemplateVersion,
};
use keyledger_wire::Prefix;

use crate::trust::names::{SERVICE, VIEWS, name};

/// Every service's `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`.
pub(super) const DISCOVERY: &str = "$SRV.>";

/// What the service's account exports.
pub(super) fn service_exports(prefix: &Prefix, version: TemplateVersion) -> Vec<Export> {
    vec![
        service(
            "commands",
            &Prefix::inner(&prefix.commands()),
            ResponseForm::One,
        ),
        service(
            "queries",
            &Prefix::inner(&prefix.queries()),
            ResponseForm::One,
        ),
        // Every instance answers.
        service("discovery", DISCOVERY, ResponseForm::Many),
        stream("events", &prefix.events()),
        stream("notices", &prefix.notices()),
        service(
            "reports",
            &Prefix::inner(&prefix.reports()),
            ResponseForm::One,
        ),
    ]
    .into_iter()
    .chain(watches(prefix).map(|(name, subject, _)| {
        // Who may watch chooses nothing of a consumer: the service makes it.
        service(name, &Prefix::inner(&subject), ResponseForm::One)
    }))
    .chain(queue(prefix, version).into_iter().map(|(name, subject)| {
        // An agent takes several tasks with one request.
        service(name, &subject, ResponseForm::Many)
    }))
    .collect()
}

/// What it takes to work off a queue of tasks: each agent's own, by the subjects that its role lets it publish on.
fn queue(prefix: &Prefix, version: TemplateVersion) -> Vec<(&'static str, String)> {
    let tasks = prefix.tasks_stream();
    let [done, done_with_domain] = prefix.acknowledgements("*");
    let mut queue = vec![
        ("tasks-next", format!("$JS.API.CONSUMER.MSG.NEXT.{tasks}.*")),
        ("tasks-info", format!("$JS.API.CONSUMER.INFO.{tasks}.*")),
        ("tasks-done", done),
    ];
    if version >= TemplateVersion::V2 {
        queue.push(("tasks-done-with-domain", done_with_domain));
    }
    queue
}

/// What it takes to watch the inventory bucket, and what clients ask instead: JetStream's own subjects, at their place.
fn watches(prefix: &Prefix) -> [(&'static str, String, String); 2] {
    let stream = Prefix::bucket_stream(&prefix.inventory_bucket());
    let api = prefix.imported_api();
    [
        (
            "inventory-watch",
            prefix.watch(),
            format!("{api}.CONSUMER.CREATE.{stream}.>"),
        ),
        (
            "inventory-unwatch",
            prefix.unwatch(),
            format!("{api}.CONSUMER.DELETE.{stream}.*"),
        ),
    ]
}

/// What the agents' account imports. It is not the service's: nats-server lets a publisher name any subject for the answer,
/// and in the service's account an answer could be made a request to delete a stream, or an event.
pub(super) fn agents_imports(prefix: &Prefix, version: TemplateVersion) -> Vec<Import> {
    let inner = Prefix::inner(&prefix.reports());
    let mut imports = vec![shared(asks(SERVICE, "reports", &inner, &prefix.reports()))];
    let queue = queue(prefix, version).into_iter();
    imports.extend(
        queue.map(|(name, subject)| asks(SERVICE, name, &subject, &local_api(prefix, &subject))),
    );
    imports
}

/// What the account of the inventory bucket exports. Who may import what is said by the activations it signs.
pub(super) fn views_exports(prefix: &Prefix) -> Vec<Export> {
    let bucket = Bucket::of(prefix);
    let mut exports: Vec<_> = bucket
        .writing()
        .into_iter()
        .chain(bucket.reading())
        .chain(bucket.watching())
        .map(|(name, subject)| service(name, &subject, ResponseForm::One))
        .collect();
    exports.push(stream("inventory-deliver", &prefix.deliver("*", ">")));
    exports
}

/// What an account imports so that its users can command the service and read what it shows.
pub(super) fn client_imports(prefix: &Prefix, account: &str) -> Vec<Import> {
    let inner = |subject: String| (Prefix::inner(&subject), subject);
    let (commands, own_commands) = inner(prefix.commands());
    let (queries, own_queries) = inner(prefix.queries());
    let mut imports = vec![
        // Shared: nats-server tells the service who sends them.
        shared(asks(SERVICE, "commands", &commands, &own_commands)),
        shared(asks(SERVICE, "queries", &queries, &own_queries)),
        asks(SERVICE, "discovery", DISCOVERY, DISCOVERY),
        hears(SERVICE, "events", &prefix.events()),
        hears(SERVICE, "notices", &prefix.notices()),
    ];
    for (name, subject, local) in watches(prefix) {
        // Shared: the service delivers to the sender, and to nobody else.
        imports.push(shared(asks(
            SERVICE,
            name,
            &Prefix::inner(&subject),
            &local,
        )));
    }
    let bucket = Bucket::of(prefix);
    for (name, subject) in bucket.reading() {
        imports.push(asks(VIEWS, name, &subject, &bucket.local(&subject)));
    }
    // Its own inboxes, and nobody else's.
    imports.push(hears(
        VIEWS,
        "inventory-deliver",
        &prefix.deliver(account, ">"),
    ));
    imports
}

/// What the service's own account imports: it makes and writes the inventory bucket, and its watchers' consumers.
pub(super) fn service_imports(prefix: &Prefix) -> Vec<Import> {
    let bucket = Bucket::of(prefix);
    let subjects = bucket.writing().into_iter().chain(bucket.reading());
    subjects
        .chain(bucket.watching())
        .map(|(name, subject)| asks(VIEWS, name, &subject, &bucket.local(&subject)))
        .collect()
}

/// The subjects of the inventory bucket.
struct Bucket {
    bucket: String,
    stream: String,
    prefix: Prefix,
}

impl Bucket {
    fn of(prefix: &Prefix) -> Self {
        let bucket = prefix.inventory_bucket();
        Self {
            stream: Prefix::bucket_stream(&bucket),
            prefix: prefix.clone(),
            bucket,
        }
    }

    /// What it takes to make and write it.
    fn writing(&self) -> [(&'static str, String); 3] {
        let Self { bucket, stream, .. } = self;
        [
            ("inventory-put", Prefix::bucket_entry(bucket, ">")),
            (
                "inventory-create",
                format!("$JS.API.STREAM.CREATE.{stream}"),
            ),
            ("inventory-purge", format!("$JS.API.STREAM.PURGE.{stream}")),
        ]
    }

    /// What `nats kv get` asks.
    fn reading(&self) -> [(&'static str, String); 2] {
        let stream = &self.stream;
        [
            ("inventory-info", format!("$JS.API.STREAM.INFO.{stream}")),
            ("inventory-get", format!("$JS.API.DIRECT.GET.{stream}.>")),
        ]
    }

    /// What it takes to make consumers on it. Never for clients: a consumer's maker chooses what its server publishes, and
    /// on which subject, also on one of JetStream's own in the bucket's account.
    fn watching(&self) -> [(&'static str, String); 3] {
        let stream = &self.stream;
        [
            (
                "consumer-create",
                format!("$JS.API.CONSUMER.CREATE.{stream}.*"),
            ),
            (
                "consumer-delete",
                format!("$JS.API.CONSUMER.DELETE.{stream}.*"),
            ),
            ("consumer-names", format!("$JS.API.CONSUMER.NAMES.{stream}")),
        ]
    }

    /// What a subject of the bucket is called in an importing account.
    fn local(&self, subject: &str) -> String {
        local_api(&self.prefix, subject)
    }
}

/// What a subject is called in an importing account: JetStream's API moves out of the way of that account's own.
fn local_api(prefix: &Prefix, subject: &str) -> String {
    match subject.strip_prefix("$JS.API") {
        Some(tail) => format!("{}{tail}", prefix.imported_api()),
        None => subject.to_owned(),
    }
}

/// An imported service, and what it is called here.
fn asks(from: &'static str, name: &str, subject: &str, local: &str) -> Import {
    Import {
        local_subject: (local != subject).then(|| local_subject(local).into()),
        ..import(from, name, subject, Shared::Service)
    }
}

/// An imported stream.
fn hears(from: &'static str, name: &str, subject: &str) -> Import {
    import(from, name, subject, Shared::Stream)
}

fn import(from: &'static str, called: &str, subject: &str, shared: Shared) -> Import {
    Import {
        name: Some(called.into()),
        from: Exporter::Account(name(from)),
        subject: subject.into(),
        local_subject: None,
        shared,
        tells_sender: false,
        traceable: false,
    }
}

/// A local subject names the wildcards of the imported one by number; `>` stays.
fn local_subject(subject: &str) -> String {
    let mut number = 0;
    let tokens = subject.split('.').map(|token| {
        if token == "*" {
            number += 1;
            format!("${number}")
        } else {
            token.to_owned()
        }
    });
    tokens.collect::<Vec<_>>().join(".")
}

fn shared(import: Import) -> Import {
    Import {
        tells_sender: true,
        ..import
    }
}

fn service(name: &str, subject: &str, answers: ResponseForm) -> Export {
    Export {
        answers: Some(answers),
        ..export(name, subject, Shared::Service)
    }
}

fn stream(name: &str, subject: &str) -> Export {
    export(name, subject, Shared::Stream)
}

fn export(name: &str, subject: &str, shared: Shared) -> Export {
    Export {
        name: Some(name.into()),
        private: true,
        ..Export::new(subject, shared)
    }
}
