//! The micro service: endpoints with their schemas, requests parsed into types, answers made of outcomes.

mod allowance;
mod command;
mod query;
mod reply;
mod report;
mod signature;

use std::{collections::HashMap, sync::Arc};

use async_nats::service::{Request, Service as Micro, ServiceExt, endpoint::Endpoint};
use futures::StreamExt;
use keyledger_domain::{Command, command::Verb};
use keyledger_wire::{
    Prefix, SERVICE_NAME, SERVICE_VERSION,
    query::{QUESTIONS, Question},
    subject::QUEUE_GROUP,
};
use tokio::{sync::Semaphore, task::JoinSet};

pub(crate) use allowance::Allowance;
pub(crate) use reply::Refused;

use crate::shared::Shared;

/// How many requests may be worked on at once in one instance; more wait with NATS.
const MAX_AT_ONCE: usize = 8_192;

/// Why the endpoints could not be opened: the connection is gone, or may not subscribe.
#[derive(Debug, thiserror::Error)]
#[error("the endpoints cannot be opened: {0}")]
pub struct EndpointError(String);

/// The running endpoints.
pub(crate) struct Endpoints {
    micro: Micro,
    tasks: JoinSet<()>,
}

impl Endpoints {
    /// Opens every endpoint.
    pub(crate) async fn open(
        nats: &async_nats::Client,
        shared: &Arc<Shared>,
    ) -> Result<Self, EndpointError> {
        let fault = |e: async_nats::Error| EndpointError(e.to_string());
        let micro = nats
            .service_builder()
            .description("A key management service: commands become immutable events in JetStream")
            .metadata(HashMap::from([(
                "prefix".to_owned(),
                shared.prefix.to_string(),
            )]))
            .queue_group(QUEUE_GROUP)
            .start(SERVICE_NAME, SERVICE_VERSION)
            .await
            .map_err(fault)?;
        let mut tasks = JoinSet::new();
        let slots = Arc::new(Semaphore::new(MAX_AT_ONCE));
        for verb in Command::verbs() {
            let endpoint = open_command(&micro, &shared.prefix, verb)
                .await
                .map_err(fault)?;
            tasks.spawn(serve(
                endpoint,
                Arc::clone(shared),
                Arc::clone(&slots),
                Kind::Command,
            ));
        }
        let rebuild = open_rebuild(&micro, &shared.prefix).await.map_err(fault)?;
        tasks.spawn(serve(
            rebuild,
            Arc::clone(shared),
            Arc::clone(&slots),
            Kind::Rebuild,
        ));
        let reports = open_reports(&micro, &shared.prefix).await.map_err(fault)?;
        tasks.spawn(serve(
            reports,
            Arc::clone(shared),
            Arc::clone(&slots),
            Kind::Report,
        ));
        for question in QUESTIONS {
            let endpoint = open_question(&micro, &shared.prefix, question)
                .await
                .map_err(fault)?;
            tasks.spawn(serve(
                endpoint,
                Arc::clone(shared),
                Arc::clone(&slots),
                Kind::Question,
            ));
        }
        Ok(Self { micro, tasks })
    }

    /// The instance's id in `nats micro`.
    pub(crate) async fn instance(&self) -> String {
        self.micro.info().await.id
    }

    /// Takes no more requests; those under way are finished by the caller.
    pub(crate) async fn close(mut self) {
        self.tasks.shutdown().await;
        if let Err(error) = self.micro.stop().await {
            tracing::debug!(%error, "the micro service did not stop in order");
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Command,
    Rebuild,
    Question,
    Report,
}

async fn open_command(
    micro: &Micro,
    prefix: &Prefix,
    verb: Verb,
) -> Result<Endpoint, async_nats::Error> {
    let outer = prefix.command(verb.aggregate.as_str(), verb.verb, "*");
    let name = format!("{}-{}", verb.aggregate, verb.verb);
    open(micro, &name, &outer, verb.about.trim(), &(verb.schema)()).await
}

async fn open_rebuild(micro: &Micro, prefix: &Prefix) -> Result<Endpoint, async_nats::Error> {
    let outer = prefix.command("view", "rebuild", "*");
    let about = "Rebuild a view from the ledger, compare it with the live one, and swap";
    let schema = schemars::schema_for!(keyledger_wire::query::Nothing);
    open(micro, "view-rebuild", &outer, about, &schema).await
}

async fn open_question(
    micro: &Micro,
    prefix: &Prefix,
    question: &Question,
) -> Result<Endpoint, async_nats::Error> {
    let outer = prefix.query(question.tail);
    open(
        micro,
        question.name,
        &outer,
        question.about,
        &(question.schema)(),
    )
    .await
}

async fn open_reports(micro: &Micro, prefix: &Prefix) -> Result<Endpoint, async_nats::Error> {
    let outer = prefix.report("*", "*");
    let about = "An agent's report about a token: an announcement, progress, keys, evidence";
    let schema = schemars::schema_for!(keyledger_domain::token::Report);
    open(micro, "report", &outer, about, &schema).await
}

/// An endpoint listens on the inner subject, which only the export reaches; its metadata name the outer one.
async fn open(
    micro: &Micro,
    name: &str,
    outer: &str,
    about: &str,
    schema: &schemars::Schema,
) -> Result<Endpoint, async_nats::Error> {
    let metadata = metadata(outer, about, schema);
    micro
        .endpoint_builder()
        .name(name)
        .metadata(metadata)
        .add(Prefix::inner(outer))
        .await
}

fn metadata(subject: &str, about: &str, schema: &schemars::Schema) -> HashMap<String, String> {
    HashMap::from([
        ("subject".to_owned(), subject.to_owned()),
        ("about".to_owned(), about.to_owned()),
        ("schema".to_owned(), schema.as_value().to_string()),
    ])
}

/// Takes requests and works on each in a task of its own: one slow request holds up no other.
async fn serve(mut endpoint: Endpoint, shared: Arc<Shared>, slots: Arc<Semaphore>, kind: Kind) {
    while let Some(request) = endpoint.next().await {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let shared = Arc::clone(&shared);
        // Not in the endpoint's set: what was taken is finished, also while the service stops.
        tokio::spawn(async move {
            answer(&shared, &request, kind).await;
            drop(slot);
        });
    }
}

async fn answer(shared: &Shared, request: &Request, kind: Kind) {
    let (payload, headers) = match kind {
        Kind::Command => command::answer(shared, &request.message).await,
        Kind::Rebuild => query::rebuild(shared, &request.message).await,
        Kind::Question => query::answer(shared, &request.message).await,
        Kind::Report => report::answer(shared, &request.message).await,
    };
    if let Err(error) = request.respond_with_headers(Ok(payload), headers).await {
        // Its sender asks again under the same id.
        tracing::debug!(%error, "an answer was not sent");
    }
}
