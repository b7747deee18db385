//! Subjects, streams and buckets, all under one prefix.

use std::{fmt, str::FromStr};

use keyledger_domain::{
    Name,
    name::{Aggregate, HistoryId},
    verb::Payload,
};

/// The NATS account of the agents on workstations.
pub const AGENTS_ACCOUNT: &str = "agents";

/// The name of the micro service: `nats micro info keyledger`.
pub const SERVICE_NAME: &str = "keyledger";
/// The name of the micro service for commands that take trust away: `nats micro info keyledger-revocations`.
pub const REVOCATIONS_NAME: &str = "keyledger-revocations";
/// The version of both.
pub const SERVICE_VERSION: &str = env!("CARGO_PKG_VERSION");
/// The queue group in which instances share the load.
pub const QUEUE_GROUP: &str = "keyledger";
/// The beginning of every subject that the service listens on. Only the account's export reaches these subjects.
pub const INNER: &str = "svc";

/// The beginning of the subject on which nats-server expects the answer to a request that came over a service import. nats-server
/// chooses the rest, lets each answer through once, and refuses a client's message that wants its answer there.
pub const REPLIES_OVER_IMPORTS: &str = "_R_.>";

/// True if a request that wants its answer on `reply` came over a service import, maybe through a gateway, which puts
/// `_GR_`, its cluster and its server before it.
#[must_use]
pub fn came_over_import(reply: &str) -> bool {
    let reply = match reply.strip_prefix("_GR_.") {
        Some(routed) => routed.splitn(3, '.').nth(2).unwrap_or_default(),
        None => reply,
    };
    reply.starts_with(REPLIES_OVER_IMPORTS.trim_end_matches('>'))
}

/// What all subjects begin with: `keys`, or names joined by dots such as `acme.security.keys`.
///
/// One prefix is one ledger, with streams and buckets of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Prefix(String);

/// Why a text is not a prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a prefix: join names of a-z, 0-9, '_' and '-' by dots, like acme.security.keys"
)]
pub struct NotAPrefix(String);

impl Default for Prefix {
    fn default() -> Self {
        Self("keys".to_owned())
    }
}

impl FromStr for Prefix {
    type Err = NotAPrefix;

    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let fits = text.len() <= 100
            && !text.starts_with("svc.")
            && text != INNER
            && text.split('.').all(|token| Name::new(token).is_ok());
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAPrefix(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Prefix {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where a command is sent: `keys.commands.key.revoke.orders-db`.
    #[must_use]
    pub fn command(&self, aggregate: &str, verb: &str, name: &str) -> String {
        format!("{self}.commands.{aggregate}.{verb}.{name}")
    }

    /// The same of a command by its payload's type.
    #[must_use]
    pub fn command_of<V: Payload>(&self, name: &str) -> String {
        self.command(V::AGGREGATE.as_str(), V::VERB, name)
    }

    /// Where a question is sent: `keys.queries.inventory.locate`.
    #[must_use]
    pub fn query(&self, tail: &str) -> String {
        format!("{self}.queries.{tail}")
    }

    /// All commands.
    #[must_use]
    pub fn commands(&self) -> String {
        format!("{self}.commands.>")
    }

    /// All questions.
    #[must_use]
    pub fn queries(&self) -> String {
        format!("{self}.queries.>")
    }

    /// What the service listens on for the subject that others send to.
    #[must_use]
    pub fn inner(subject: &str) -> String {
        format!("{INNER}.{subject}")
    }

    /// The subject others send to, of one the service listens on.
    #[must_use]
    pub fn outer(subject: &str) -> Option<&str> {
        subject.strip_prefix(INNER)?.strip_prefix('.')
    }

    /// An event: `keys.events.key.orders-db.revoked`.
    #[must_use]
    pub fn event(&self, history: &HistoryId, past: &str) -> String {
        format!(
            "{self}.events.{}.{}.{past}",
            history.aggregate, history.name
        )
    }

    /// A whole history: `keys.events.key.orders-db.>`.
    #[must_use]
    pub fn history(&self, history: &HistoryId) -> String {
        format!("{self}.events.{}.{}.>", history.aggregate, history.name)
    }

    /// Every event: `keys.events.>`.
    #[must_use]
    pub fn events(&self) -> String {
        format!("{self}.events.>")
    }

    /// Splits a command's subject into aggregate, verb and name; `None` if it is not one.
    #[must_use]
    pub fn split_command<'a>(&self, subject: &'a str) -> Option<(Aggregate, &'a str, &'a str)> {
        let tail = subject.strip_prefix(&self.0)?.strip_prefix(".commands.")?;
        let (aggregate, tail) = tail.split_once('.')?;
        let (verb, name) = tail.split_once('.')?;
        Some((Aggregate::parse(aggregate)?, verb, name))
    }

    /// Splits a question's subject behind `.queries.`.
    #[must_use]
    pub fn split_query<'a>(&self, subject: &'a str) -> Option<&'a str> {
        subject.strip_prefix(&self.0)?.strip_prefix(".queries.")
    }

    /// A task of a workstation: `keys.tasks.alice-laptop.provision`.
    #[must_use]
    pub fn task(&self, workstation: &str, kind: &str) -> String {
        format!("{self}.tasks.{workstation}.{kind}")
    }

    /// An agent's report: `keys.reports.{agent nkey}.{task}`. The last token is [`ANNOUNCEMENTS`] if the report belongs to no task.
    ///
    /// [`ANNOUNCEMENTS`]: keyledger_domain::token::ANNOUNCEMENTS
    #[must_use]
    pub fn report(&self, agent: &str, task: &str) -> String {
        format!("{self}.reports.{agent}.{task}")
    }

    /// Every agent's report: `keys.reports.>`.
    #[must_use]
    pub fn reports(&self) -> String {
        format!("{self}.reports.>")
    }

    /// The prefix of the JetStream API under which other accounts reach what the service's own account exports of it:
    /// `$JS.keys.API`.
    #[must_use]
    pub fn imported_api(&self) -> String {
        format!("$JS.{self}.API")
    }

    /// Where an agent acknowledges its tasks, in both forms in which nats-server can ask for it: `$JS.ACK.KEYS_TASKS.{agent}.…`, and
    /// `$JS.ACK.{domain}.{account hash}.KEYS_TASKS.{agent}.…` where its feature flag `js_ack_fc_v2` is on.
    ///
    /// A subject of the first form has nine tokens, one of the second at least eleven. As both patterns say so, a `*` of the second
    /// never stands for another agent's consumer in the first.
    #[must_use]
    pub fn acknowledgements(&self, agent: &str) -> [String; 2] {
        let tasks = self.tasks_stream();
        [
            format!("$JS.ACK.{tasks}.{agent}.*.*.*.*.*"),
            format!("$JS.ACK.*.*.{tasks}.{agent}.*.*.*.*.>"),
        ]
    }

    /// Every task: `keys.tasks.>`.
    #[must_use]
    pub fn tasks(&self) -> String {
        format!("{self}.tasks.>")
    }

    /// Every task of a workstation.
    #[must_use]
    pub fn tasks_of(&self, workstation: &str) -> String {
        format!("{self}.tasks.{workstation}.>")
    }

    /// Every notice: `keys.notices.>`.
    #[must_use]
    pub fn notices(&self) -> String {
        format!("{self}.notices.>")
    }

    /// Splits a report's subject into the agent's nkey and the task; `None` if it is not one.
    #[must_use]
    pub fn split_report<'a>(&self, subject: &'a str) -> Option<(&'a str, &'a str)> {
        let tail = subject.strip_prefix(&self.0)?.strip_prefix(".reports.")?;
        let (agent, task) = tail.split_once('.')?;
        (!task.contains('.')).then_some((agent, task))
    }

    /// The progress of a task that is being carried out: `keys.notices.token.{serial}`. It is not stored.
    #[must_use]
    pub fn notice(&self, serial: &str) -> String {
        format!("{self}.notices.token.{serial}")
    }

    /// The beginning of an agent's inboxes. Nobody else may listen there.
    #[must_use]
    pub fn agent_inbox(agent: &str) -> String {
        format!("_INBOX.agent.{agent}")
    }

    /// The beginning of a user's inboxes, made from its public nkey. The users of an account cannot hear each other's answers.
    #[must_use]
    pub fn inbox(user: &str) -> String {
        format!("_INBOX.{user}")
    }

    /// The beginning of the inboxes of a user who may watch the inventory bucket. Entries are delivered there, in the user's own
    /// account only.
    #[must_use]
    pub fn deliver(&self, account: &str, user: &str) -> String {
        format!("deliver.{self}.{account}.{user}")
    }

    /// The beginning of the subject for requests to watch the inventory bucket; the consumer's name and its filter follow. Importing
    /// accounts use it in place of JetStream's own subject.
    #[must_use]
    pub fn watch(&self) -> String {
        format!("{self}.watches.create.>")
    }

    /// The beginning of the subject for requests to end such a watch; the consumer's name follows.
    #[must_use]
    pub fn unwatch(&self) -> String {
        format!("{self}.watches.delete.*")
    }

    /// The stream of tasks: `KEYS_TASKS`.
    #[must_use]
    pub fn tasks_stream(&self) -> String {
        self.stored("TASKS")
    }

    /// The stream that is the ledger: `KEYS_EVENTS`.
    #[must_use]
    pub fn events_stream(&self) -> String {
        self.stored("EVENTS")
    }

    /// The bucket of sealed material: `KEYS_MATERIAL`.
    #[must_use]
    pub fn material_bucket(&self) -> String {
        self.stored("MATERIAL")
    }

    /// The bucket of the inventory view: `KEYS_INVENTORY`.
    #[must_use]
    pub fn inventory_bucket(&self) -> String {
        self.stored("INVENTORY")
    }

    /// The stream behind a bucket.
    #[must_use]
    pub fn bucket_stream(bucket: &str) -> String {
        format!("KV_{bucket}")
    }

    /// The subject of an entry in a bucket.
    #[must_use]
    pub fn bucket_entry(bucket: &str, entry: &str) -> String {
        format!("$KV.{bucket}.{entry}")
    }

    /// `ACME_SECURITY_KEYS_EVENTS`: the prefix in capitals. A dot becomes one underscore and an underscore two, so that no two
    /// prefixes share a stream.
    fn stored(&self, what: &str) -> String {
        let prefix = self
            .0
            .to_ascii_uppercase()
            .replace('_', "__")
            .replace('.', "_");
        format!("{prefix}_{what}")
    }
}

/// The subjects on which the service publishes to the system account, and asks it.
pub mod system {
    /// Push an account's JWT.
    pub const CLAIMS_UPDATE: &str = "$SYS.REQ.CLAIMS.UPDATE";
    /// The subjects on which an account's JWT may be pushed. Every subscriber of them sees it.
    pub const CLAIMS_UPDATES: [&str; 3] = [
        CLAIMS_UPDATE,
        "$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE",
        "$SYS.ACCOUNT.*.CLAIMS.UPDATE",
    ];
    /// Every server's figures: `sync_always` is among them.
    pub const VARZ: &str = "$SYS.REQ.SERVER.PING.VARZ";
    /// Every server's health: which streams it cannot write.
    pub const HEALTHZ: &str = "$SYS.REQ.SERVER.PING.HEALTHZ";
    /// Which servers there are.
    pub const PING: &str = "$SYS.REQ.SERVER.PING";
    /// Every server's JetStream.
    pub const JSZ: &str = "$SYS.REQ.SERVER.PING.JSZ";
    /// A server has started.
    pub const SERVER_EVENTS: &str = "$SYS.SERVER.*.STATSZ";

    /// What an account's JWT is on each server.
    #[must_use]
    pub fn claims_lookup(account: &str) -> String {
        format!("$SYS.REQ.ACCOUNT.{account}.CLAIMS.LOOKUP")
    }
}
