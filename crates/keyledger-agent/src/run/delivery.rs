//! Delivers the tasks' reports: those of one task in order, each until it is delivered, always under the same message id.

use std::{collections::HashSet, panic::resume_unwind, sync::Arc};

use keyledger_domain::{text::in_full, token::Report};
use keyledger_wire::{Refusal, ReportReply};
use tokio::task::{JoinError, JoinSet};
use uuid::Uuid;

use super::{
    courier::{Courier, Sent},
    journal::{Filed, JournalError, RejectedReport},
    office::{Office, ReportAnswer},
    pauses::Pauses,
};
use crate::{clock, desk::says_that_task_is_over};

/// Delivers the reports of all tasks until the agent stops.
///
/// # Panics
///
/// If the delivery of a task's reports panicked.
pub(crate) async fn deliver(courier: &Courier, office: &Arc<Office>) {
    let mut busy = HashSet::new();
    let mut rounds = JoinSet::new();
    loop {
        for task in office.to_deliver() {
            if busy.insert(task) {
                let (courier, office) = (courier.clone(), Arc::clone(office));
                rounds.spawn(async move {
                    round(&courier, &office, task).await;
                    task
                });
            }
        }
        tokio::select! {
            () = office.filed.notified() => {}
            Some(ended) = rounds.join_next() => match task_of(ended) {
                Some(task) => { busy.remove(&task); }
                None => return,
            },
            () = office.stop.stopped() => return,
        }
    }
}

/// The task whose round has ended; nothing if the round was cancelled, because the program ends.
///
/// # Panics
///
/// If the round panicked: its panic goes on. Nobody would know which task is not delivered any more.
fn task_of(ended: Result<Uuid, JoinError>) -> Option<Uuid> {
    match ended.map_err(JoinError::try_into_panic) {
        Ok(task) => Some(task),
        Err(Ok(panic)) => resume_unwind(panic),
        Err(Err(_cancelled)) => None,
    }
}

/// Delivers the reports of one task, until there is none.
async fn round(courier: &Courier, office: &Arc<Office>, task: Uuid) {
    let mut pauses = Pauses::new();
    while let Some(filed) = office.next(task) {
        let tried = courier
            .send(&task.to_string(), filed.message, task, &filed.report)
            .await;
        let noted = match tried {
            Sent::Taken(reply) => {
                pauses = Pauses::new();
                delivered(office, filed, *reply).await
            }
            Sent::Rejected(refusal) => {
                tracing::warn!(%task, report = filed.report.name(), "rejected: {refusal}");
                rejected(office, filed, refusal).await
            }
            Sent::Later(error) => {
                let why = in_full(&error);
                tracing::info!(%task, report = filed.report.name(), "not delivered yet: {why}");
                office.board.task(task, |status| status.trouble = Some(why));
                if courier.link.pause(pauses.next(), &office.stop).await {
                    return;
                }
                Ok(())
            }
        };
        if let Err(error) = noted {
            // The ledger has the report. It will be sent once more, which is harmless.
            tracing::error!(%task, error = &error as &dyn std::error::Error, "the journal does not note a delivery");
            if courier.link.pause(pauses.next(), &office.stop).await {
                return;
            }
        }
    }
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
    let noted = office
        .on_disk(move |office| office.journal().delivered(message))
        .await;
    office.count(task);
    if noted.is_ok() {
        office.answer(message, ReportAnswer::Reply(Box::new(reply)));
    }
    noted
}

/// Why a task that has ended failed; nothing if it went well.
fn not_well(report: &Report, reply: &ReportReply) -> Option<String> {
    let told = || match report {
        Report::Failed(failure) => Some(failure.detail.to_string()),
        Report::Progressed(_) => Some(format!("it was closed; the token is {}", reply.state)),
        Report::Announced(_)
        | Report::AttesterShown(_)
        | Report::SecretsSealed(_)
        | Report::SecretsWanted(_)
        | Report::EscrowWanted(_)
        | Report::KeysMade(_)
        | Report::Proved(_) => None,
    };
    reply.fault.clone().or_else(told)
}

async fn rejected(
    office: &Arc<Office>,
    filed: Filed,
    refusal: Box<Refusal>,
) -> Result<(), JournalError> {
    let task = filed.task;
    let entry = RejectedReport {
        task: Some(task),
        serial: Some(filed.report.serial()),
        count: 1,
        message: filed.message,
        report: filed.report.name().to_owned(),
        reason: refusal.to_string(),
        at: clock::now(),
    };
    let noted = office
        .on_disk(move |office| {
            let mut journal = office.journal();
            journal.refuse(entry)?;
            office.board.refused(journal.refused());
            Ok(())
        })
        .await;
    office.count(task);
    if noted.is_ok() {
        // The walk learns this now, and not only when it next asks for something.
        if says_that_task_is_over(&refusal) {
            office.set_over(task, Some(refusal.to_string()));
        }
        office.answer(filed.message, ReportAnswer::Rejected(refusal));
    }
    noted
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn broken() -> Uuid {
        panic!("this round panics")
    }

    #[tokio::test]
    #[should_panic(expected = "this round panics")]
    async fn a_panic_of_a_round_goes_on() {
        let mut rounds = JoinSet::new();
        rounds.spawn(broken());
        task_of(rounds.join_next().await.unwrap());
    }

    #[tokio::test]
    async fn a_round_that_ends_names_its_task() {
        let task = Uuid::now_v7();
        let mut rounds = JoinSet::new();
        rounds.spawn(async move { task });
        assert_eq!(task_of(rounds.join_next().await.unwrap()), Some(task));
    }
}
