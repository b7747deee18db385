//! The way of an agent's report.
//!
//! The agent's nkey stands in the subject. Its permissions let it publish under no other, so the subject says who sent the report.

use std::sync::Arc;

use keyledger_domain::{
    Command, Event, Rejection, Stamp, Timestamp,
    command::{Target, parse_report},
    name::{Aggregate, Name},
    record::{Ids, Why},
    token::{self, ANNOUNCEMENTS, Progress, Report, Reported, Slot, TaskKind, announce},
};
use keyledger_wire::{ReportReply, SlotCertificate, Status, notice::Notice};
use uuid::Uuid;

use super::{order::order, ready::check_ready};
use crate::{
    handler::{Done, Order},
    identity,
    lanes::SenderId,
    refused::{Refused, custody_failed},
    request::Request,
    shared::Shared,
    tokens,
    verbs::{Making, prepare},
};

/// Takes in what an agent reports. It is decided again if the ledger was not folded to its end.
///
/// # Errors
///
/// [`Refused`].
pub(crate) async fn report(
    shared: &Shared,
    request: &Request<'_>,
    ids: Ids,
) -> Result<ReportReply, Refused> {
    let mut taken = take(shared, request, ids).await;
    // Another instance may have filed the task, or taken the report before, a moment ago.
    if taken.as_ref().is_err_and(Refused::is_of_state) && shared.handler.catch_up().await.is_ok() {
        taken = take(shared, request, ids).await;
    }
    taken
}

/// The way of a report.
async fn take(shared: &Shared, request: &Request<'_>, ids: Ids) -> Result<ReportReply, Refused> {
    let reported = parse(shared, request)?;
    let now = (shared.clock)();
    let principal = identify(shared, request, &reported, now)?;
    let target = Target::new(Aggregate::Token, reported.report.serial().name());
    check_ready(shared)?;
    authorise(shared, &target, &reported, ids)?;
    let making = Making {
        shared,
        target: &target,
        id: ids.command,
        sender: &SenderId::from(&*reported.agent),
        now,
        kept: &mut None,
    };
    let (prepared, beside) = prepare(Command::Report(Box::new(reported.clone())), making).await?;
    let done = order(
        shared,
        Order {
            target,
            command: prepared,
            why: Why::default(),
            ids,
            principal,
            issuer: None,
            signer: None,
        },
        &beside,
    )
    .await?;
    if let Report::Progressed(progress) = &reported.report {
        tell(shared, progress, reported.task).await;
    }
    reply(shared, &reported, &done).await
}

/// Which agent sends it: nats-server's stamp and the subject must name the same one.
fn identify(
    shared: &Shared,
    request: &Request<'_>,
    reported: &Reported,
    now: Timestamp,
) -> Result<Arc<Stamp>, Rejection> {
    let ledger = shared.live.ledger.read();
    identity::identify_agent(&ledger, request.stamp, &reported.agent, now)
}

/// Checks that the agent may announce more. The domain's rules check that the task is its own.
fn authorise(
    shared: &Shared,
    target: &Target,
    reported: &Reported,
    ids: Ids,
) -> Result<(), Refused> {
    let is_retry = shared.live.ledger.read().remembered(&ids.command).is_some();
    if !is_retry && announces_change(shared, target, reported) {
        shared.allowance.take(&reported.agent)?;
    }
    Ok(())
}

/// True of an announcement that the ledger does not hold yet.
fn announces_change(shared: &Shared, target: &Target, reported: &Reported) -> bool {
    let Report::Announced(shown) = &reported.report else {
        return false;
    };
    let ledger = shared.live.ledger.read();
    let token = ledger.token(&target.name).map(|e| &e.state);
    let workstation = ledger.user_of_nkey(&reported.agent);
    workstation.is_some_and(|it| !announce(token, it, shown).is_empty())
}

fn parse(shared: &Shared, request: &Request<'_>) -> Result<Reported, Rejection> {
    let bad = |fault: &str| Rejection::BadName {
        fault: fault.to_owned(),
    };
    let (agent, task) = shared
        .prefix
        .split_report(request.subject)
        .ok_or_else(|| bad("the subject is not {prefix}.reports.{agent nkey}.{task}"))?;
    let report = parse_report(request.payload)?;
    let task = if task == ANNOUNCEMENTS {
        None
    } else {
        let id = Uuid::try_parse(task);
        Some(id.map_err(|_| bad("the subject's last token is neither a task's id nor `tokens`"))?)
    };
    if task.is_none() != matches!(report, Report::Announced(_)) {
        return Err(bad("announcements, and nothing else, go to `tokens`"));
    }
    Ok(Reported {
        agent: agent.into(),
        task,
        report,
    })
}

/// The reply: read from the ledger, so that a retry gets the same one.
async fn reply(shared: &Shared, reported: &Reported, done: &Done) -> Result<ReportReply, Refused> {
    let mut reply = outcome(shared, reported, &done.history)?;
    if reply.task_open {
        deliver(shared, done, &mut reply).await?;
    }
    Ok(reply)
}

/// Where the token stands, and what this agent's task is given without a secret.
fn outcome(
    shared: &Shared,
    reported: &Reported,
    target: &Target,
) -> Result<ReportReply, Rejection> {
    let ledger = shared.live.ledger.read();
    let token = ledger.token(&target.name).map(|e| &e.state);
    let token = token.ok_or_else(|| Rejection::NotFound(target.clone()))?;
    let open = token.task.as_ref().filter(|open| {
        Some(open.filed.task) == reported.task && open.filed.agent == reported.agent
    });
    let certificates = open.iter().flat_map(|open| &open.keys).filter_map(|on_it| {
        let slot = Slot::of_place(&on_it.place)?;
        let newest = ledger.key(&on_it.key)?.state.certificates().next_back()?;
        Some(SlotCertificate {
            slot,
            certificate: newest.certificate.to_string(),
        })
    });
    let ended_badly = token
        .last_task
        .is_some_and(|(task, done)| Some(task) == reported.task && !done);
    Ok(ReportReply {
        status: Status::Accepted,
        state: token.phase.as_str().to_owned(),
        task_open: open.is_some(),
        fault: token
            .fault
            .as_ref()
            .filter(|_| ended_badly)
            .map(ToString::to_string),
        certificates: if let Report::KeysMade(_) = &reported.report {
            certificates.collect()
        } else {
            Vec::new()
        },
        secrets: None,
        doubtful_secrets: Vec::new(),
        escrowed: None,
    })
}

/// Adds the secrets that the report's own event says were given, sealed to the receiver that it names. Without an event there is no secret.
async fn deliver(shared: &Shared, done: &Done, reply: &mut ReportReply) -> Result<(), Refused> {
    let token = &done.history.name;
    let Some(Event::Token(event)) = done.wrote.as_ref().map(|record| &record.event) else {
        return Ok(());
    };
    if let token::Event::SecretsReleased(given) = event {
        let what = given_to_task(shared, token);
        let secrets =
            tokens::release_at(shared, token, done.revision, what, &given.seal_to).await?;
        let gone = || custody_failed("the token's secrets are not in custody");
        let mut secrets = secrets.ok_or_else(gone)?.into_iter();
        reply.secrets = secrets.next();
        reply.doubtful_secrets = secrets.collect();
    }
    if let token::Event::EscrowedKeyReleased(given) = event {
        reply.escrowed = Some(tokens::hand_over(shared, token, given).await?);
    }
    Ok(())
}

/// How much of a token's secrets its open task is given. To verify a token, the agent needs the management key only.
fn given_to_task(shared: &Shared, token: &Name) -> tokens::Given {
    let ledger = shared.live.ledger.read();
    let open = ledger.token(token).and_then(|e| e.state.task.as_deref());
    match open.map(|open| open.filed.kind) {
        Some(TaskKind::Unblock | TaskKind::RotateSecrets) => tokens::Given::Everything,
        Some(TaskKind::Verify | TaskKind::Provision | TaskKind::Reset) | None => {
            tokens::Given::ManagementKey
        }
    }
}

/// Publishes the step for people who watch. It is not stored: who misses it sees the next step.
async fn tell(shared: &Shared, progress: &Progress, task: Option<Uuid>) {
    let notice = Notice {
        serial: progress.serial,
        task,
        step: progress.step,
        prompt: progress.prompt,
        at: progress.at.clone(),
    };
    let payload = serde_json::to_vec(&notice).expect("a notice has only text keys");
    let subject = shared.prefix.notice(progress.serial.name().as_str());
    if let Err(error) = shared.nats.publish(subject, payload.into()).await {
        tracing::debug!(%error, "a notice was not sent");
    }
}
