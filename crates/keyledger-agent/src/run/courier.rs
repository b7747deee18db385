//! Delivery of reports: in order for each task, tried again for ever, under the same message id however often.

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_nats::{HeaderMap, RequestErrorKind};
use keyledger_domain::token::Report;
use keyledger_wire::{Prefix, Refusal, ReportReply, header};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    journal::{Filed, JournalError, Refused},
    link::Link,
    office::{Answer, Office},
};
use crate::clock;

/// How long an answer is waited for: the service may have to make certificates.
const PATIENCE: Duration = Duration::from_secs(15);
/// The pause before the second try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause between two tries: a person may be waiting for a service that is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Sends reports.
#[derive(Debug, Clone)]
pub(crate) struct Courier {
    pub(crate) link: Link,
    pub(crate) prefix: Prefix,
    pub(crate) agent: Arc<str>,
}

/// What became of a try.
#[derive(Debug)]
pub(crate) enum Sent {
    /// The service has it.
    Taken(Box<ReportReply>),
    /// The service will never take it.
    Refused(String),
    /// Nobody knows, or not now: to be tried again under the same id.
    Later(String),
}

/// Pauses between tries.
#[derive(Debug)]
pub(crate) struct Pauses(Duration);

impl Pauses {
    pub(crate) const fn new() -> Self {
        Self(FIRST_PAUSE)
    }

    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

impl Courier {
    /// Delivers the reports of all tasks until the agent stops.
    pub(crate) async fn run(self, office: Arc<Office>) {
        let mut busy = HashSet::new();
        let mut rounds = JoinSet::new();
        loop {
            for task in office.to_deliver() {
                if busy.insert(task) {
                    let (courier, office) = (self.clone(), Arc::clone(&office));
                    rounds.spawn(async move {
                        courier.round(&office, task).await;
                        task
                    });
                }
            }
            tokio::select! {
                () = office.filed.notified() => {}
                Some(ended) = rounds.join_next() => match ended {
                    Ok(task) => { busy.remove(&task); }
                    Err(error) => tracing::error!("a delivery ended: {error}"),
                },
                () = office.stop.stopped() => return,
            }
        }
    }

    /// Delivers the reports of one task, until there is none.
    async fn round(&self, office: &Arc<Office>, task: Uuid) {
        let mut pauses = Pauses::new();
        while let Some(filed) = office.next(task) {
            let tried = self
                .send(&task.to_string(), filed.message, task, &filed.report)
                .await;
            let noted = match tried {
                Sent::Taken(reply) => {
                    pauses = Pauses::new();
                    delivered(office, filed, *reply).await
                }
                Sent::Refused(reason) => {
                    tracing::warn!(%task, report = filed.report.name(), "refused: {reason}");
                    refused(office, filed, reason).await
                }
                Sent::Later(why) => {
                    tracing::info!(%task, report = filed.report.name(), "not delivered yet: {why}");
                    office
                        .board
                        .task(task, |status| status.trouble = Some(why.clone()));
                    if self.link.pause(pauses.next(), &office.stop).await {
                        return;
                    }
                    Ok(())
                }
            };
            if let Err(error) = noted {
                // It is in the ledger and will be sent once more, which is harmless.
                tracing::error!(%task, error = &error as &dyn std::error::Error, "the journal does not note a delivery");
                if self.link.pause(pauses.next(), &office.stop).await {
                    return;
                }
            }
        }
    }

    /// Sends a report once. Waits until there is a connection.
    pub(crate) async fn send(
        &self,
        last: &str,
        message: Uuid,
        correlation: Uuid,
        report: &Report,
    ) -> Sent {
        let connection = self.link.up().await;
        let mut headers = HeaderMap::new();
        headers.insert(header::MESSAGE_ID, message.to_string());
        headers.insert(header::CORRELATION_ID, correlation.to_string());
        headers.insert(header::CAUSATION_ID, correlation.to_string());
        let payload = serde_json::to_vec(report).expect("a report has only text keys");
        let request = async_nats::Request::new()
            .payload(payload.into())
            .headers(headers)
            .timeout(Some(PATIENCE));
        let subject = self.prefix.report(&self.agent, last);
        let sent = tokio::select! {
            sent = self.link.client.send_request(subject, request) => sent,
            // Its answer would find nobody: not waited for.
            () = self.link.lost(connection) => {
                return Sent::Later("the connection was lost".to_owned());
            }
        };
        let reply = match sent {
            Ok(reply) => reply,
            Err(error) => {
                return Sent::Later(match error.kind() {
                    RequestErrorKind::NoResponders => "the service is not there".to_owned(),
                    RequestErrorKind::TimedOut => "the service did not answer in time".to_owned(),
                    _ => error.to_string(),
                });
            }
        };
        let headers = reply.headers.as_ref();
        if headers.is_some_and(|h| h.get(header::SERVICE_ERROR_CODE).is_some()) {
            return match serde_json::from_slice::<Refusal>(&reply.payload) {
                Ok(refusal) if !refusal.is_worth_retrying() => Sent::Refused(refusal.to_string()),
                Ok(refusal) => Sent::Later(refusal.to_string()),
                Err(error) => Sent::Later(unreadable(&error)),
            };
        }
        match serde_json::from_slice(&reply.payload) {
            Ok(reply) => Sent::Taken(Box::new(reply)),
            Err(error) => Sent::Later(unreadable(&error)),
        }
    }
}

fn unreadable(error: &serde_json::Error) -> String {
    format!("the service's answer cannot be read, one of the two may be older: {error}")
}

async fn delivered(
    office: &Arc<Office>,
    filed: Filed,
    reply: ReportReply,
) -> Result<(), JournalError> {
    let task = filed.task;
    office.board.task(task, |status| {
        status.trouble.clone_from(&reply.fault);
    });
    if !reply.task_open {
        office.set_over(task, not_well(&filed.report, &reply));
    }
    let message = filed.message;
    let noted = on_disk(office, move |office| office.journal().delivered(message)).await;
    office.count(task);
    if noted.is_ok() {
        office.answer(message, Answer::Reply(Box::new(reply)));
    }
    noted
}

/// Why a task that has ended did not end well; nothing if it did.
fn not_well(report: &Report, reply: &ReportReply) -> Option<String> {
    let told = || match report {
        Report::Failed(failure) => Some(failure.detail.to_string()),
        Report::Progressed(_) => Some(format!("it was closed; the token is {}", reply.state)),
        _ => None,
    };
    reply.fault.clone().or_else(told)
}

async fn refused(office: &Arc<Office>, filed: Filed, reason: String) -> Result<(), JournalError> {
    let task = filed.task;
    let entry = Refused {
        task: Some(task),
        serial: Some(filed.report.serial()),
        count: 1,
        message: filed.message,
        report: filed.report.name().to_owned(),
        reason: reason.clone(),
        at: clock::now(),
    };
    let noted = on_disk(office, move |office| {
        let mut journal = office.journal();
        journal.refuse(entry)?;
        office.board.refused(journal.refused());
        Ok(())
    })
    .await;
    office.count(task);
    if noted.is_ok() {
        // Nobody wants the task walked any more: not only when the walk next asks for something.
        if reason.starts_with("task_not_open") {
            office.set_over(task, Some(reason.clone()));
        }
        office.answer(filed.message, Answer::Refused(reason));
    }
    noted
}

/// Does what waits for the disk where waiting does no harm.
pub(crate) async fn on_disk<T: Send + 'static>(
    office: &Arc<Office>,
    work: impl FnOnce(&Office) -> T + Send + 'static,
) -> T {
    let office = Arc::clone(office);
    let done = tokio::task::spawn_blocking(move || work(&office)).await;
    done.expect("writing the journal does not panic, and is not cancelled")
}
