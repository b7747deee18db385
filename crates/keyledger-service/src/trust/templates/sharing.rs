//! Exports and imports.

use keyledger_claims::{
    ActivationClaims, EncodeError, Signer,
    account::{Export, ExportType, Import, ResponseType},
    encode,
};
use keyledger_wire::Prefix;

/// Every service's `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`.
pub(super) const DISCOVERY: &str = "$SRV.>";

/// An account that exports, with the key that signs its activations.
#[derive(Clone, Copy)]
pub struct Exporter<'a> {
    /// Its public nkey.
    pub nkey: &'a str,
    /// One of its signing keys.
    pub signer: &'a dyn Signer,
}

impl std::fmt::Debug for Exporter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Exporter").field(&self.nkey).finish()
    }
}

/// What the service's account exports.
#[must_use]
pub fn service_exports(prefix: &Prefix) -> Vec<Export> {
    vec![
        service(
            "commands",
            &Prefix::inner(&prefix.commands()),
            ResponseType::Singleton,
        ),
        service(
            "queries",
            &Prefix::inner(&prefix.queries()),
            ResponseType::Singleton,
        ),
        // Every instance answers.
        service("discovery", DISCOVERY, ResponseType::Stream),
        stream("events", &prefix.events()),
        stream("notices", &prefix.notices()),
        service(
            "reports",
            &Prefix::inner(&prefix.reports()),
            ResponseType::Singleton,
        ),
    ]
    .into_iter()
    .chain(watches(prefix).map(|(name, subject, _)| {
        // Who may watch chooses nothing of a consumer: the service makes it.
        service(name, &Prefix::inner(&subject), ResponseType::Singleton)
    }))
    .chain(queue(prefix).map(|(name, subject)| {
        // An agent takes several tasks with one request.
        service(name, &subject, ResponseType::Stream)
    }))
    .collect()
}

/// What it takes to work off a queue of tasks: each agent's own, by the subjects that its role lets it publish on.
fn queue(prefix: &Prefix) -> [(&'static str, String); 4] {
    let tasks = prefix.tasks_stream();
    let [done, done_with_domain] = prefix.acknowledgements("*");
    [
        ("tasks-next", format!("$JS.API.CONSUMER.MSG.NEXT.{tasks}.*")),
        ("tasks-info", format!("$JS.API.CONSUMER.INFO.{tasks}.*")),
        ("tasks-done", done),
        ("tasks-done-with-domain", done_with_domain),
    ]
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
///
/// # Errors
///
/// [`EncodeError`] if the exporter's key does not sign.
pub fn agents_imports(
    prefix: &Prefix,
    account: &str,
    service: Exporter<'_>,
    issued_at: i64,
) -> Result<Vec<Import>, EncodeError> {
    let grant = Grant {
        exporter: service,
        account,
        issued_at,
    };
    let reports = grant.service(
        "reports",
        &Prefix::inner(&prefix.reports()),
        &prefix.reports(),
    )?;
    let mut imports = vec![shared(reports)];
    for (name, subject) in queue(prefix) {
        imports.push(grant.service(name, &subject, &local_api(prefix, &subject))?);
    }
    Ok(imports)
}

/// What the account of the inventory bucket exports. Who may import what is said by the activations it signs.
#[must_use]
pub fn views_exports(prefix: &Prefix) -> Vec<Export> {
    let bucket = Bucket::of(prefix);
    let mut exports: Vec<_> = bucket
        .writing()
        .into_iter()
        .chain(bucket.reading())
        .chain(bucket.watching())
        .map(|(name, subject)| service(name, &subject, ResponseType::Singleton))
        .collect();
    exports.push(stream("inventory-deliver", &prefix.deliver("*", ">")));
    exports
}

/// What an account imports so that its users can command the service and read what it shows.
///
/// # Errors
///
/// [`EncodeError`] if an exporter's key does not sign.
pub fn client_imports(
    prefix: &Prefix,
    account: &str,
    service: Exporter<'_>,
    views: Exporter<'_>,
    issued_at: i64,
) -> Result<Vec<Import>, EncodeError> {
    let service = Grant {
        exporter: service,
        account,
        issued_at,
    };
    let views = Grant {
        exporter: views,
        account,
        issued_at,
    };
    let mut imports = vec![
        // Shared: nats-server tells the service who sends them.
        shared(service.service(
            "commands",
            &Prefix::inner(&prefix.commands()),
            &prefix.commands(),
        )?),
        shared(service.service(
            "queries",
            &Prefix::inner(&prefix.queries()),
            &prefix.queries(),
        )?),
        service.service("discovery", DISCOVERY, DISCOVERY)?,
        service.stream("events", &prefix.events())?,
        service.stream("notices", &prefix.notices())?,
    ];
    for (name, subject, local) in watches(prefix) {
        // Shared: the service delivers to the sender, and to nobody else.
        imports.push(shared(service.service(
            name,
            &Prefix::inner(&subject),
            &local,
        )?));
    }
    let bucket = Bucket::of(prefix);
    for (name, subject) in bucket.reading() {
        imports.push(views.service(name, &subject, &bucket.local(&subject))?);
    }
    // Its own inboxes, and nobody else's.
    imports.push(views.stream("inventory-deliver", &prefix.deliver(account, ">"))?);
    Ok(imports)
}

/// What the service's own account imports: it makes and writes the inventory bucket, and its watchers' consumers.
///
/// # Errors
///
/// [`EncodeError`] if the exporter's key does not sign.
pub fn service_imports(
    prefix: &Prefix,
    account: &str,
    views: Exporter<'_>,
    issued_at: i64,
) -> Result<Vec<Import>, EncodeError> {
    let grant = Grant {
        exporter: views,
        account,
        issued_at,
    };
    let bucket = Bucket::of(prefix);
    let subjects = bucket.writing().into_iter().chain(bucket.reading());
    subjects
        .chain(bucket.watching())
        .map(|(name, subject)| grant.service(name, &subject, &bucket.local(&subject)))
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

/// What an exporter lets one account import.
struct Grant<'a> {
    exporter: Exporter<'a>,
    account: &'a str,
    issued_at: i64,
}

impl Grant<'_> {
    fn service(&self, name: &str, subject: &str, local: &str) -> Result<Import, EncodeError> {
        self.import(name, subject, local, ExportType::Service)
    }

    fn stream(&self, name: &str, subject: &str) -> Result<Import, EncodeError> {
        self.import(name, subject, subject, ExportType::Stream)
    }

    fn import(
        &self,
        name: &str,
        subject: &str,
        local: &str,
        kind: ExportType,
    ) -> Result<Import, EncodeError> {
        let mut claims = ActivationClaims::new(self.account, subject, kind, self.issued_at);
        name.clone_into(&mut claims.name);
        self.exporter
            .nkey
            .clone_into(&mut claims.nats.issuer_account);
        Ok(Import {
            name: name.to_owned(),
            subject: subject.to_owned(),
            account: self.exporter.nkey.to_owned(),
            token: encode(&claims, self.exporter.signer)?,
            local_subject: if local == subject {
                String::new()
            } else {
                local_subject(local)
            },
            kind,
            ..Import::default()
        })
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
        share: true,
        ..import
    }
}

fn service(name: &str, subject: &str, response_type: ResponseType) -> Export {
    Export {
        name: name.to_owned(),
        subject: subject.to_owned(),
        kind: ExportType::Service,
        token_req: true,
        response_type,
        ..Export::default()
    }
}

fn stream(name: &str, subject: &str) -> Export {
    Export {
        name: name.to_owned(),
        subject: subject.to_owned(),
        kind: ExportType::Stream,
        token_req: true,
        ..Export::default()
    }
}
