//! A command on its way from a message to the handler and back.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use async_nats::{HeaderMap, Message};
use keyledger_domain::{
    Command, Ledger, Name, Rejection, command::Target, name::Aggregate, record::Ids,
};
use keyledger_wire::{Acknowledgement, Prefix, Status, header};
use uuid::Uuid;

use super::{
    Allowance,
    reply::{Answer, ok, refuse},
    signature,
};
use crate::{
    durability::NotWritten,
    fault_point::fault_point,
    handler::Order,
    identity,
    lanes::{Family, Sender},
    refused::Refused,
    shared::Shared,
    verbs::{Giving, Kept, Making, deliver, prepare},
};

/// How often a command is carried out anew before it is refused for good.
const MAX_AGAIN: u32 = 8;

/// Answers a command.
pub(super) async fn answer(shared: &Shared, message: &Message) -> Answer {
    let ids = match ids(message.headers.as_ref()) {
        Ok(ids) => ids,
        Err(rejection) => return refuse(rejection.into(), None),
    };
    // What was made is kept until the command has ended, however often it is tried.
    let mut kept = None;
    let mut carried_out = carry_out(shared, message, ids, &mut kept).await;
    for again in 0..MAX_AGAIN {
        // Nothing was written, so no compare-and-set vouches that this was decided on the newest state. And what custody
        // made may be for a version that somebody else has made meanwhile.
        let settled = match &carried_out {
            Ok((_, fresh)) => *fresh || again > 0,
            Err(refused) => !(refused.is_of_state() && again == 0 || refused.is_of_material()),
        };
        if settled {
            break;
        }
        carried_out = match shared.handler.catch_up().await {
            Ok(()) => carry_out(shared, message, ids, &mut kept).await,
            Err(error) => Err(Refused::Fault("not_ready", error.to_string())),
        };
    }
    match carried_out {
        Ok((acknowledgement, _)) => ok(&acknowledgement),
        Err(refused) => refuse(explained(shared, refused).await, Some(ids)),
    }
}

/// Says of a store that does not answer what the servers know of that.
async fn explained(shared: &Shared, refused: Refused) -> Refused {
    let Refused::Fault(reason @ "store_unavailable", said) = refused else {
        return refused;
    };
    match shared.durability.why_not_written().await {
        Some(NotWritten::NoQuorum(why) | NotWritten::Failing(why)) => {
            Refused::Fault(reason, format!("{said}; {why}"))
        }
        Some(NotWritten::Full(why)) => Refused::Fault("store_full", format!("{said}; {why}")),
        None => Refused::Fault(reason, said),
    }
}

/// Carries a command out; true if it wrote something now.
async fn carry_out(
    shared: &Shared,
    message: &Message,
    ids: Ids,
    kept: &mut Option<Kept>,
) -> Result<(Acknowledgement, bool), Refused> {
    let (target, command, why) = parse(&shared.prefix, message)?;
    fault_point("endpoint", &target.name);
    let now = (shared.clock)();
    let info = identity::request_info(message);
    let sender = {
        let ledger = shared.live.ledger.read();
        let sender = identity::identify(&ledger, info, now)?;
        ledger.authorise(&sender.known, &target.name, command.any())?;
        sender
    };
    let family = Family::of_command(command.any().urgency());
    let counts = Allowance::counts(sender.known.role, family);
    let is_retry = shared.live.ledger.read().remembered(&ids.command).is_some();
    if counts && !is_retry {
        shared.allowance.check(&sender.stamp.user, Instant::now())?;
    }
    let signer = signature::verify(shared, message, &sender, &command, ids.command, now)?;
    let principal = match &signer {
        Some(signer) => sender.signed_by(&signer.key),
        None => Arc::clone(&sender.stamp),
    };
    shared.ready()?;
    shared.enforceable(&target, &command, ids.command).await?;
    let whose = Sender::from(&*sender.stamp.user);
    let making = Making {
        shared,
        target: &target,
        id: ids.command,
        sender: &whose,
        now,
        kept,
    };
    let (prepared, beside) = prepare(command.clone(), making).await?;
    let order = Order {
        target,
        command: prepared,
        why,
        ids,
        principal,
        issuer: Some(sender.issuer),
        signer,
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
    } else if counts {
        let bytes = message.payload.len();
        shared.allowance.wrote(&whose, bytes, Instant::now());
    }
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
    let fresh = done.fresh;
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
    Ok((acknowledgement, fresh))
}

fn parse(
    prefix: &Prefix,
    message: &Message,
) -> Result<(Target, Command, keyledger_domain::record::Why), Rejection> {
    let subject = Prefix::outer(&message.subject).unwrap_or(&message.subject);
    let bad = |fault: String| Rejection::BadName { fault };
    let (aggregate, verb, name) = prefix.split_command(subject).ok_or_else(|| {
        bad("the subject is not {prefix}.commands.{aggregate}.{verb}.{name}".to_owned())
    })?;
    let name = Name::new(name).map_err(|e| bad(e.to_string()))?;
    let (command, why) = Command::parse(aggregate, verb, &message.payload)?;
    Ok((Target::new(aggregate, name), command, why))
}

/// The ids of a command: from its headers, in either spelling, or made here.
pub(super) fn ids(headers: Option<&HeaderMap>) -> Result<Ids, Rejection> {
    let mut found = [None; 3];
    let names = [
        header::MESSAGE_ID,
        header::CORRELATION_ID,
        header::CAUSATION_ID,
    ];
    for (slot, name) in found.iter_mut().zip(names) {
        let older = header::OLDER
            .iter()
            .filter(|(_, new)| *new == name)
            .map(|(old, _)| *old);
        for spelling in std::iter::once(name).chain(older) {
            let bad = |fault: &str| Rejection::BadHeader {
                header: name,
                fault: fault.to_owned(),
            };
            let mut values = headers.iter().flat_map(|h| h.get_all(spelling));
            let Some(value) = values.next() else { continue };
            if values.next().is_some() {
                return Err(bad("it is there twice"));
            }
            let id = Uuid::try_parse(value.as_str())
                .ok()
                .filter(|id| !id.is_nil())
                .ok_or_else(|| {
                    bad("it is not a UUID, such as 01997c3e-8a4b-7cc3-9b1e-5f6d2a7c8e90")
                })?;
            if slot.is_none() {
                *slot = Some(id);
            }
        }
    }
    let [command, correlation, causation] = found;
    let command = command.unwrap_or_else(Uuid::now_v7);
    Ok(Ids {
        command,
        correlation: correlation.unwrap_or(command),
        causation: causation.unwrap_or(command),
    })
}

impl Shared {
    /// Refuses what the servers could not be made to enforce: a revocation that reaches nobody is none.
    async fn enforceable(
        &self,
        target: &Target,
        command: &Command,
        id: Uuid,
    ) -> Result<(), Refused> {
        let refuse = |said: String| Refused::Fault("not_enforceable", said);
        if !command.any().changes_account_jwts() {
            return Ok(());
        }
        if self.trust.is_refused() {
            let said = "the servers refuse the service in the system account";
            return Err(refuse(said.to_owned()));
        }
        let (keys, accounts) = {
            let ledger = self.live.ledger.read();
            if ledger.remembered(&id).is_some() {
                return Ok(()); // it is done, and only told again
            }
            let operator = ledger.operator();
            let keys = operator.map(|(_, o)| o.state.signing_keys.clone());
            (keys.unwrap_or_default(), touched(&ledger, target))
        };
        for key in keys {
            let opened = self.signers.signer(&key.key).await;
            opened.map_err(|e| refuse(format!("account JWTs cannot be signed: {e}")))?;
        }
        accounts
            .iter()
            .find_map(|account| self.trust.unenforceable(account))
            .map_or(Ok(()), |said| Err(refuse(said)))
    }

    /// Refuses while commands cannot be taken.
    pub(super) fn ready(&self) -> Result<(), Refused> {
        if let Some(said) = self.live.broken() {
            return Err(Refused::Fault("ledger_broken", said));
        }
        if let Some(said) = self.trust.refusal() {
            return Err(Refused::Fault("ledger_broken", said));
        }
        if let Some(said) = self.live.doubt() {
            let said = format!("it is asked again where the ledger stands: {said}");
            return Err(Refused::Fault("not_ready", said));
        }
        let latest = self.live.ledger.read().latest();
        if let Some(refusal) = self.clock_watch.refusal(latest) {
            return Err(Refused::Fault("clock_skewed", refusal.to_string()));
        }
        self.durability
            .refusal()
            .map_or(Ok(()), |said| Err(Refused::Fault("not_durable", said)))
    }
}

/// The accounts in which somebody is revoked by a command for `target`.
fn touched(ledger: &Ledger, target: &Target) -> Vec<Name> {
    let account = |user: &Name| {
        let user = ledger.user(user)?;
        Some(user.state.account.clone())
    };
    match target.aggregate {
        Aggregate::User => account(&target.name).into_iter().collect(),
        Aggregate::Principal => {
            let of_principal = ledger
                .users()
                .filter(|(_, user)| user.state.principal.as_ref() == Some(&target.name));
            of_principal
                .map(|(_, user)| user.state.account.clone())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect()
        }
        Aggregate::Token => {
            let token = ledger.token(&target.name);
            let users = token.map(|token| token.state.users.clone());
            users.iter().flatten().filter_map(account).collect()
        }
        Aggregate::Account | Aggregate::Key | Aggregate::Operator => Vec::new(),
    }
}
