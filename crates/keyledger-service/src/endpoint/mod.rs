//! Everything that is NATS, and nothing else: it opens the micro services with their endpoints and schemas, reads requests from messages,
//! hands them to the pipeline or to the queries, and sends the answers.

mod later;
mod observed;
mod read;
mod reply;
mod span;
mod watch;

use std::{collections::HashMap, sync::Arc};

use async_nats::{
    Message, jetstream,
    service::{Request, Service as Micro, ServiceExt, endpoint::Endpoint},
};
use bytes::Bytes;
use futures::StreamExt;
use keyledger_domain::{Command, verb::VerbRow};
use keyledger_wire::{
    Prefix, REVOCATIONS_NAME, SERVICE_NAME, SERVICE_VERSION, questions::QuestionRow,
    subject::QUEUE_GROUP,
};
use tokio::{
    runtime::Handle,
    task::{JoinSet, unconstrained},
};

pub(crate) use later::Later;

use self::reply::{Answer, refuse};
use crate::{
    edge::Edge,
    identity,
    lanes::{Busy, Entry, Family, Place},
    pipeline,
    queries::{self, QueryRow},
    request::CommandHeaders,
    shared::Shared,
};

/// An answer with more bytes keeps its place until it was written to the connection.
const LARGE_ANSWER_BYTES: usize = 16 * 1_024;

/// Why the endpoints could not be opened: the connection is gone, or may not subscribe.
#[derive(Debug, thiserror::Error)]
#[error("the endpoints cannot be opened")]
pub struct EndpointError(#[source] async_nats::Error);

/// The connections on which requests come in.
pub(crate) struct Inlets {
    /// Carries the commands that take trust away, and nothing else: they wait behind no flood of other requests.
    pub(crate) revocations: async_nats::Client,
    /// Carries every other request.
    pub(crate) others: async_nats::Client,
}

/// The running endpoints.
pub(crate) struct Endpoints {
    micros: [Micro; 2],
    tasks: JoinSet<()>,
}

impl Endpoints {
    /// Opens every endpoint.
    pub(crate) async fn open(
        inlets: &Inlets,
        shared: &Arc<Shared>,
        edge: &Edge,
    ) -> Result<Self, EndpointError> {
        let about = "A key management service: commands become immutable events in JetStream";
        let others = start(&inlets.others, shared, SERVICE_NAME, about);
        let others = others.await.map_err(EndpointError)?;
        let about = "The commands of keyledger that take trust away, on a connection of their own";
        let revocations = start(&inlets.revocations, shared, REVOCATIONS_NAME, about);
        let revocations = revocations.await.map_err(EndpointError)?;
        let mut tasks = JoinSet::new();
        let mut serve = |endpoint, serves| {
            let serving = Serving {
                shared: Arc::clone(shared),
                workers: Handle::current(),
                serves,
            };
            // Messages that it does not read pile up in NATS's client, uncounted. It does nothing that takes long, so it is never held up.
            tasks.spawn_on(unconstrained(serving.serve(endpoint)), edge.handle());
        };
        let prefix = &shared.prefix;
        for verb in Command::verbs() {
            let family = Family::of_command(verb.urgency);
            let micro = match family {
                Family::Revocation => &revocations,
                Family::Command
                | Family::Report
                | Family::Question
                | Family::Reading
                | Family::Past => &others,
            };
            let endpoint = open_command(micro, prefix, verb)
                .await
                .map_err(EndpointError)?;
            serve(endpoint, Serves::Command(family));
        }
        let rebuild = open_rebuild(&others, prefix).await.map_err(EndpointError)?;
        serve(rebuild, Serves::Rebuild);
        let reports = open_reports(&others, prefix).await.map_err(EndpointError)?;
        serve(reports, Serves::Report);
        for row in queries::rows() {
            let endpoint = open_question(&others, prefix, &row.question).await;
            serve(endpoint.map_err(EndpointError)?, Serves::Question(row));
        }
        let watches = watch::open(&inlets.others, shared).await;
        let watches = watches.map_err(|e| EndpointError(e.into()))?;
        tasks.spawn_on(unconstrained(watches), edge.handle());
        Ok(Self {
            micros: [others, revocations],
            tasks,
        })
    }

    /// The instance's id in `nats micro`.
    pub(crate) async fn instance(&self) -> String {
        self.micros[0].info().await.id
    }

    /// Takes no more requests; those under way are finished by the caller.
    pub(crate) async fn close(mut self) {
        self.tasks.shutdown().await;
        for micro in self.micros {
            if let Err(error) = micro.stop().await {
                tracing::debug!(%error, "a micro service did not stop in order");
            }
        }
    }
}

impl Inlets {
    /// Waits until the server knows every endpoint. The server reads a connection in order: when it answers a later request, it has read
    /// the subscriptions before it.
    pub(crate) async fn are_known(&self, stream: &str) {
        for nats in [&self.revocations, &self.others] {
            if let Err(error) = jetstream::new(nats.clone()).get_stream(stream).await {
                tracing::warn!(%error, "the server may not know every endpoint yet");
            }
        }
    }

    /// Sends the answers that were made, and closes.
    pub(crate) async fn drain(&self) {
        let (revocations, others) = tokio::join!(self.revocations.drain(), self.others.drain());
        for error in [revocations.err(), others.err()].into_iter().flatten() {
            tracing::debug!(%error, "a connection was not drained");
        }
    }
}

/// Starts a micro service, with no endpoints yet.
async fn start(
    nats: &async_nats::Client,
    shared: &Shared,
    name: &str,
    about: &str,
) -> Result<Micro, async_nats::Error> {
    let prefix = HashMap::from([("prefix".to_owned(), shared.prefix.to_string())]);
    nats.service_builder()
        .description(about)
        .metadata(prefix)
        .queue_group(QUEUE_GROUP)
        .start(name, SERVICE_VERSION)
        .await
}

/// What an endpoint serves.
#[derive(Clone, Copy)]
enum Serves {
    Command(Family),
    Rebuild,
    Question(QueryRow),
    Report,
}

async fn open_command(
    micro: &Micro,
    prefix: &Prefix,
    verb: VerbRow,
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
    question: &QuestionRow,
) -> Result<Endpoint, async_nats::Error> {
    let outer = prefix.query(question.tail);
    let mut metadata = metadata(&outer, question.about, &(question.schema)());
    let answer = (question.answer)().as_value().to_string();
    metadata.insert("answer_schema".to_owned(), answer);
    micro
        .endpoint_builder()
        .name(question.name())
        .metadata(metadata)
        .add(Prefix::inner(&outer))
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

/// What an endpoint does with requests.
struct Serving {
    shared: Arc<Shared>,
    /// Where requests are worked on: not where they are taken in.
    workers: Handle,
    serves: Serves,
}

impl Serving {
    /// Takes requests in and works on each in a task of its own: one slow request holds up no other.
    async fn serve(self, mut endpoint: Endpoint) {
        while let Some(request) = endpoint.next().await {
            let message = &request.message;
            let sender = identity::sender(read::stamp(message));
            let family = self.family(message);
            let lane = self.shared.families.lane(family);
            // The task is not in the endpoint's set: a request that was taken is finished, also while the service stops.
            match lane.enter(&sender, message.length) {
                Entry::Now(place) => {
                    let work = work(
                        Arc::clone(&self.shared),
                        own(request),
                        self.serves,
                        family,
                        place,
                    );
                    self.workers.spawn(work);
                }
                Entry::Waits(ticket) => {
                    let (shared, request) = (Arc::clone(&self.shared), own(request));
                    let serves = self.serves;
                    self.workers.spawn(async move {
                        match ticket.turn().await {
                            Ok(place) => work(shared, request, serves, family, place).await,
                            Err(busy) => turn_away(&shared, request, busy).await,
                        }
                    });
                }
                Entry::Busy(busy) => turn_away(&self.shared, request, busy).await,
            }
        }
    }

    fn family(&self, message: &Message) -> Family {
        match self.serves {
            Serves::Command(family) => family,
            // It reads the whole ledger.
            Serves::Rebuild => Family::Reading,
            Serves::Report => Family::Report,
            Serves::Question(row) => (row.family)(&message.payload),
        }
    }
}

/// Copies the payload of a request that is kept for a while: it is a part of a larger read buffer, which it would keep in memory.
fn own(mut request: Request) -> Request {
    request.message.payload = Bytes::copy_from_slice(&request.message.payload);
    request
}

async fn turn_away(shared: &Shared, request: Request, busy: Busy) {
    let ids = read::ids(request.message.headers.as_ref()).ok();
    observed::turned_away(shared, &request.message);
    respond(shared, request, refuse(busy.into(), ids)).await;
}

async fn work(shared: Arc<Shared>, request: Request, serves: Serves, family: Family, place: Place) {
    if family != Family::Question {
        return work_on(&shared, request, serves, place).await;
    }
    // It takes a processor for a while. Decisions and the store's answers must not wait for it.
    let runtime = Handle::current();
    let done = tokio::task::spawn_blocking(move || {
        runtime.block_on(work_on(&shared, request, serves, place));
    });
    if let Err(error) = done.await {
        tracing::error!(%error, "a query was not answered");
    }
}

async fn work_on(shared: &Shared, request: Request, serves: Serves, place: Place) {
    let message = &request.message;
    let answer = answer(shared, message, serves);
    let answer = match serves {
        Serves::Command(_) => observed::command(shared, message, answer).await,
        Serves::Report => observed::report(answer).await,
        Serves::Rebuild | Serves::Question(_) => answer.await,
    };
    let is_large = answer.payload.len() > LARGE_ANSWER_BYTES;
    respond(shared, request, answer).await;
    if is_large {
        // The request keeps its place until its answer is written: NATS's client limits the number of answers in its queue, not their bytes.
        let _ = shared.nats.flush().await;
    }
    drop(place);
}

async fn answer(shared: &Shared, message: &Message, serves: Serves) -> Answer {
    let (request, headers) = (read::request(message), message.headers.as_ref());
    match serves {
        Serves::Command(_) => {
            let ids = match read::ids(headers) {
                Ok(ids) => ids,
                Err(rejection) => return refuse(rejection.into(), None),
            };
            span::record_ids(ids);
            let carried_out = match read::signature(headers) {
                Ok(signature) => {
                    let headers = CommandHeaders { ids, signature };
                    pipeline::command(shared, &request, &headers).await
                }
                Err(rejection) => Err(rejection.into()),
            };
            reply::of(carried_out, Some(ids))
        }
        Serves::Report => match read::ids(headers) {
            Ok(ids) => {
                span::record_ids(ids);
                reply::of(pipeline::report(shared, &request, ids).await, Some(ids))
            }
            Err(rejection) => refuse(rejection.into(), None),
        },
        Serves::Rebuild => reply::of(queries::rebuild(shared, &request).await, None),
        Serves::Question(row) => match queries::answer(shared, &row, &request).await {
            Ok(payload) => reply::view(payload),
            Err(refused) => refuse(refused, None),
        },
    }
}

/// Sends an answer: at once, or in a task of its own when its time has come.
async fn respond(shared: &Shared, request: Request, answer: Answer) {
    if !answer.is_told_later {
        return send(&request, answer).await;
    }
    let sender = identity::sender(read::stamp(&request.message));
    let Some(place) = shared.later.enter(&sender) else {
        tracing::debug!(%sender, "too many refusals of this sender wait: this one is not told");
        return;
    };
    tokio::spawn(async move {
        let request = without_content(request);
        tokio::time::sleep(later::TOLD_AFTER).await;
        send(&request, answer).await;
        drop(place);
    });
}

/// What is needed to answer a request, and no more.
fn without_content(mut request: Request) -> Request {
    request.message.payload = Bytes::new();
    request.message.headers = None;
    request
}

async fn send(request: &Request, answer: Answer) {
    let sent = request.respond_with_headers(Ok(answer.payload), answer.headers);
    if let Err(error) = sent.await {
        // Its sender asks again under the same id.
        tracing::debug!(%error, "an answer was not sent");
    }
}
