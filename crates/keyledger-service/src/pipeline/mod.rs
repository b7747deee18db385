//! The way of a request that writes: parse, identify, authorise, prepare, order, deliver.
//!
//! [`command`] is the way of a command, [`report`] that of an agent's report. Questions write nothing: see `queries`.

mod order;
mod ready;
mod report;
mod signature;

use std::{sync::Arc, time::Instant};

use keyledger_domain::{
    Command, Name, Rejection, Stamp, Timestamp,
    command::Target,
    ledger::TokenSigner,
    record::{Ids, Why},
};
use keyledger_wire::{Acknowledgement, Status};

pub(crate) use self::report::report;
use self::{
    order::order,
    ready::{check_enforceable, check_ready},
};
use crate::{
    allowance::Allowance,
    durability::NotWritten,
    fault_point::fault_point,
    handler::{Done, Order},
    identity::{self, Sender},
    lanes::{Family, SenderId},
    refused::{Refused, RequestError},
    request::{CommandHeaders, Request},
    shared::Shared,
    verbs::{Beside, Giving, KeptVersion, Making, deliver, prepare},
};

/// How often a command is carried out anew before it is refused for good.
const MAX_AGAIN: u32 = 8;

/// Carries a command out. It is decided again if the ledger was not folded to its end.
///
/// # Errors
///
/// [`Refused`].
pub(crate) async fn command(
    shared: &Shared,
    request: &Request<'_>,
    headers: &CommandHeaders,
) -> Result<Acknowledgement, Refused> {
    // What custody made is kept until the command has ended, and used again if the command is tried again.
    let mut kept = None;
    let mut carried_out = carry_out(shared, request, headers, &mut kept).await;
    for again in 0..MAX_AGAIN {
        // If nothing was written, no compare-and-set proves that the command was decided on the newest state. And custody may
        // have made a version of a key that somebody else has made meanwhile.
        let settled = match &carried_out {
            Ok(carried_out) => carried_out.wrote_now || again > 0,
            Err(refused) => !(refused.is_of_state() && again == 0 || refused.is_of_material()),
        };
        if settled {
            break;
        }
        carried_out = match shared.handler.catch_up().await {
            Ok(()) => carry_out(shared, request, headers, &mut kept).await,
            Err(error) => Err(RequestError::Behind(error).into()),
        };
    }
    match carried_out {
        Ok(carried_out) => Ok(carried_out.acknowledgement),
        Err(refused) => Err(explained(shared, refused).await),
    }
}

/// A command that was carried out.
struct CarriedOut {
    acknowledgement: Acknowledgement,
    /// True if it wrote events now; false if it changed nothing, or was done before.
    wrote_now: bool,
}

/// The way of a command.
async fn carry_out(
    shared: &Shared,
    request: &Request<'_>,
    headers: &CommandHeaders,
    kept: &mut Option<KeptVersion>,
) -> Result<CarriedOut, Refused> {
    let asked = parse(shared, request)?;
    fault_point("endpoint", &asked.target.name);
    let now = (shared.clock)();
    let sender = identify(shared, request, now)?;
    let signer = authorise(shared, request, headers, &asked, &sender, now)?;
    check_ready(shared)?;
    check_enforceable(shared, &asked.target, &asked.command, headers.ids.command).await?;
    let making = Making {
        shared,
        target: &asked.target,
        id: headers.ids.command,
        sender: &SenderId::from(&*sender.stamp.user),
        now,
        kept,
    };
    let (prepared, beside) = prepare(asked.command.clone(), making).await?;
    let principal = signed_stamp(&sender, signer.as_ref());
    let done = order(
        shared,
        Order {
            target: asked.target.clone(),
            command: prepared,
            why: asked.why.clone(),
            ids: headers.ids,
            principal,
            issuer: Some(sender.issuer.clone()),
            signer,
        },
        &beside,
    )
    .await?;
    if done.fresh && counts(&asked.command, &sender) {
        let bytes = request.payload.len();
        let user = &sender.stamp.user;
        shared.allowance.wrote(user, bytes, Instant::now());
    }
    acknowledge(shared, asked.command, headers.ids, done, beside).await
}

/// A command, parsed.
struct ParsedCommand {
    target: Target,
    command: Command,
    why: Why,
}

fn parse(shared: &Shared, request: &Request<'_>) -> Result<ParsedCommand, Rejection> {
    let bad = |fault: String| Rejection::BadName { fault };
    let split = shared.prefix.split_command(request.subject);
    let (aggregate, verb, name) = split.ok_or_else(|| {
        bad("the subject is not {prefix}.commands.{aggregate}.{verb}.{name}".to_owned())
    })?;
    let name = Name::new(name).map_err(|e| bad(e.to_string()))?;
    let (command, why) = Command::parse(aggregate, verb, request.payload)?;
    Ok(ParsedCommand {
        target: Target::new(aggregate, name),
        command,
        why,
    })
}

/// Who sends it: nats-server's stamp, looked up in the ledger.
fn identify(shared: &Shared, request: &Request<'_>, now: Timestamp) -> Result<Sender, Rejection> {
    identity::identify(&shared.live.ledger.read(), request.stamp, now)
}

/// Checks that the sender may send it: by its role, by its allowance, and by a token's signature where one is required. Gives the key
/// that signed, if one did.
///
/// This is the place to ask an organisation's policies and approvals, once there are any.
fn authorise(
    shared: &Shared,
    request: &Request<'_>,
    headers: &CommandHeaders,
    asked: &ParsedCommand,
    sender: &Sender,
    now: Timestamp,
) -> Result<Option<TokenSigner>, Refused> {
    let is_retry = {
        let ledger = shared.live.ledger.read();
        let reader = ledger.reader();
        reader.authorise(&sender.known, &asked.target.name, asked.command.any())?;
        ledger.remembered(&headers.ids.command).is_some()
    };
    if !is_retry && counts(&asked.command, sender) {
        shared.allowance.check(&sender.stamp.user, Instant::now())?;
    }
    let signer = signature::verify(shared, request, headers, sender, &asked.command, now)?;
    Ok(signer)
}

/// True of a command that counts against its sender's allowance.
fn counts(command: &Command, sender: &Sender) -> bool {
    let family = Family::of_command(command.any().urgency());
    Allowance::counts(sender.known.role, family)
}

fn signed_stamp(sender: &Sender, signer: Option<&TokenSigner>) -> Arc<Stamp> {
    match signer {
        Some(signer) => sender.signed_by(&signer.key),
        None => Arc::clone(&sender.stamp),
    }
}

/// The acknowledgement, with what is delivered beside it.
async fn acknowledge(
    shared: &Shared,
    command: Command,
    ids: Ids,
    done: Done,
    beside: Beside,
) -> Result<CarriedOut, Refused> {
    let remarks = shared.live.ledger.read().remarks(
        &done.history,
        command.any(),
        done.fresh || done.wrote.is_some(),
    );
    let giving = Giving {
        shared,
        id: ids.command,
        done: &done,
        beside,
    };
    let delivery = deliver(command, giving).await?;
    let acknowledgement = Acknowledgement {
        status: Status::Accepted,
        command_id: ids.command,
        correlation_id: ids.correlation,
        id: done.history.name.to_string(),
        revision: done.revision,
        cid: done.cid,
        state: done.state.to_owned(),
        durable: shared.durability.is_durable(),
        jwt: delivery.jwt,
        creds: delivery.creds,
        secrets: delivery.secrets,
        remarks,
        certificate: delivery.certificate,
    };
    Ok(CarriedOut {
        acknowledgement,
        wrote_now: done.fresh,
    })
}

/// Adds what the servers say, if the store did not answer.
async fn explained(shared: &Shared, refused: Refused) -> Refused {
    let Refused::Failed(error) = refused else {
        return refused;
    };
    if error.reason() != "store_unavailable" {
        return error.into();
    }
    let (why, is_full) = match shared.durability.why_not_written().await {
        Some(NotWritten::NoQuorum(why) | NotWritten::Failing(why)) => (why, false),
        Some(NotWritten::Full(why)) => (why, true),
        None => return error.into(),
    };
    let source = Box::new(error);
    RequestError::NotWritten {
        why,
        is_full,
        source,
    }
    .into()
}
