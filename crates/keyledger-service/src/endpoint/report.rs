//! An agent's report on its way from a message to the handler and back.
//!
//! The agent's nkey stands in the subject, and its permissions let it publish under no other: that is who sent it.

use async_nats::Message;
use keyledger_domain::{
    Command, Event, Rejection,
    command::{Target, parse_report},
    name::{Aggregate, Name},
    record::{Ids, Why},
    token::{self, ANNOUNCEMENTS, Progress, Report, Reported, Slot, TaskKind, announce},
};
use keyledger_wire::{Prefix, ReportReply, SlotCertificate, Status, notice::Notice};
use uuid::Uuid;

use super::{
    command::ids,
    reply::{Answer, ok, refuse},
};
use crate::{
    handler::{Done, Order},
    identity,
    lanes::Sender,
    refused::{Refused, custody_failed},
    shared::Shared,
    tokens,
    verbs::{Making, prepare},
};

/// Answers a report.
pub(super) async fn answer(shared: &Shared, message: &Message) -> Answer {
    let ids = match ids(message.headers.as_ref()) {
        Ok(ids) => ids,
        Err(rejection) => return refuse(rejection.into(), None),
    };
    let mut taken = take(shared, message, ids).await;
    // Another instance may have filed the task, or taken the report before, a moment ago.
    if taken.as_ref().is_err_and(Refused::is_of_state) && shared.handler.catch_up().await.is_ok() {
        taken = take(shared, message, ids).await;
    }
    match taken {
        Ok(reply) => ok(&reply),
        Err(refused) => refuse(refused, Some(ids)),
    }
}

async fn take(shared: &Shared, message: &Message, ids: Ids) -> Result<ReportReply, Refused> {
    let reported = parse(shared, message)?;
    let now = (shared.clock)();
    let info = identity::request_info(message);
    let principal =
        identity::identify_agent(&shared.live.ledger.read(), info, &reported.agent, now)?;
    shared.ready()?;
    let target = Target::new(Aggregate::Token, reported.report.serial().name());
    let remembered = shared.live.ledger.read().remembered(&ids.command).is_some();
    if !remembered && announces_change(shared, &target, &reported) {
        shared.allowance.take(&reported.agent)?;
    }
    let making = Making {
        shared,
        target: &target,
        id: ids.command,
        sender: &Sender::from(&*reported.agent),
        now,
        kept: &mut None,
    };
    let (prepared, beside) = prepare(Command::Report(Box::new(reported.clone())), making).await?;
    let order = Order {
        target: target.clone(),
        command: prepared,
        why: Why::default(),
        ids,
        principal,
        issuer: None,
        signer: None,
    };
    let done = match shared.handler.order(order).await {
        Ok(done) => done,
        Err(failure) => {
            beside.forget(shared, &failure).await;
            return Err(failure.into());
        }
    };
    if !done.fresh {
        beside.discard(shared).await;
    }
    if let Report::Progressed(progress) = &reported.report {
        tell(shared, progress, reported.task).await;
    }
    reply(shared, &reported, &done).await
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

fn parse(shared: &Shared, message: &Message) -> Result<Reported, Rejection> {
    let bad = |fault: &str| Rejection::BadName {
        fault: fault.to_owned(),
    };
    let subject = Prefix::outer(&message.subject).unwrap_or(&message.subject);
    let (agent, task) = shared
        .prefix
        .split_report(subject)
        .ok_or_else(|| bad("the subject is not {prefix}.reports.{agent nkey}.{task}"))?;
    let report = parse_report(&message.payload)?;
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

/// What became of it: read from the ledger, so that a retry is told the same.
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
        certificates: match &reported.report {
            Report::KeysMade(_) => certificates.collect(),
            _ => Vec::new(),
        },
        secrets: None,
        doubtful_secrets: Vec::new(),
        escrowed: None,
    })
}

/// Adds the secrets that the report's own event says were given, to whom it says; no event, no secret.
async fn deliver(shared: &Shared, done: &Done, reply: &mut ReportReply) -> Result<(), Refused> {
    let token = &done.history.name;
    match done.wrote.as_ref().map(|record| &record.event) {
        Some(Event::Token(token::Event::SecretsReleased(given))) => {
            let what = given_to_task(shared, token);
            let secrets =
                tokens::release_at(shared, token, done.revision, what, &given.seal_to).await?;
            let gone = || custody_failed(&"the token's secrets are not in custody");
            let mut secrets = secrets.ok_or_else(gone)?.into_iter();
            reply.secrets = secrets.next();
            reply.doubtful_secrets = secrets.collect();
        }
        Some(Event::Token(token::Event::EscrowedKeyReleased(given))) => {
            reply.escrowed = Some(tokens::hand_over(shared, token, given).await?);
        }
        _ => {}
    }
    Ok(())
}

/// How much of a token's secrets its open task is given: to verify, the management key is all that is needed.
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

/// Tells whoever watches. Not stored: what is missed is shown by the next one.
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
