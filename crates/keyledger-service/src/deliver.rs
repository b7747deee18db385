//! What is delivered once a command is done.

use keyledger_domain::{Command, Event, Rejection, Timestamp, key, principal, token, user};
use keyledger_wire::{IssuedCertificate, Sealed};

use crate::{
    endpoint::Refused,
    handler::{Done, Order},
    prepare::{Prepared, creds},
    shared::Shared,
    tokens,
};

/// What goes back to the requester beside the acknowledgement.
#[derive(Default)]
pub(crate) struct Delivery {
    /// Of an issue whose nkey the requester has: the user's JWT.
    pub(crate) jwt: Option<String>,
    /// Of an issue whose nkey was made: the creds.
    pub(crate) creds: Option<Sealed>,
    /// Of a release or a recovery.
    pub(crate) secrets: Vec<Sealed>,
    /// Of a command that brought a certificate: what became of it.
    pub(crate) certificate: Option<IssuedCertificate>,
}

/// Gives what goes with a command's acknowledgement; of a command that was done before, the same again.
///
/// # Errors
///
/// [`Refused`] if custody or the ledger does not give it.
pub(crate) async fn deliver(
    shared: &Shared,
    order: &Order,
    done: &Done,
    prepared: Prepared,
) -> Result<Delivery, Refused> {
    let name = &done.history.name;
    let mut delivery = Delivery::default();
    match &order.command {
        Command::User(user::Command::Issue(issue)) if issue.seal_to.is_none() => {
            delivery.jwt = Some(creds::jwt(shared, name).await?);
        }
        Command::User(user::Command::Issue(_)) if done.fresh => delivery.creds = prepared.creds,
        Command::User(user::Command::Issue(_)) => {
            delivery.creds = Some(creds::again(shared, name, order.ids.command).await?);
        }
        Command::Token(token::Command::Release(_))
        | Command::Principal(principal::Command::RecoverKey(_)) => {
            delivery.secrets = secrets(shared, order, done).await?;
        }
        Command::Key(command) if command.certifies() => {
            delivery.certificate = certificate(shared, command, done);
        }
        _ => {}
    }
    Ok(delivery)
}

/// The certificate that a command brought: of one that was done before, the same.
fn certificate(shared: &Shared, command: &key::Command, done: &Done) -> Option<IssuedCertificate> {
    let ledger = shared.live.ledger.read();
    let key = &ledger.key(&done.history.name)?.state;
    let certified = match done.wrote.as_ref().map(|record| &record.event) {
        Some(Event::Key(key::Event::Certified(certified))) => certified,
        // The first one came with the key; of what was installed before, nothing was written.
        Some(_) => key.certificates().next()?,
        None => key.certificates().next_back()?,
    };
    let wanted = match command {
        key::Command::Certify(certify) => Some(certify.certification()),
        key::Command::Generate(generate) => generate.certify.as_deref().cloned(),
        key::Command::Register(register) => register.certify.as_deref().cloned(),
        _ => None,
    };
    let asked_at = done.wrote.as_ref()?.occurred_at;
    let wanted_until = wanted.and_then(|wanted| wanted.end(asked_at).ok());
    // It was reckoned from a moment before it was recorded.
    let is_cut = |until: &Timestamp| certified.not_after.plus_ms(CUT_MS) < *until;
    Some(IssuedCertificate {
        issuer: certified.issuer.clone(),
        serial: certified.serial.to_string(),
        not_before: certified.not_before,
        not_after: certified.not_after,
        cut_short_from: wanted_until.filter(is_cut),
    })
}

/// What ends earlier than was asked for, by more than this, was cut short.
const CUT_MS: i64 = 120_000;

/// The secrets that the event of a release or a recovery says were given, to whom it says.
async fn secrets(shared: &Shared, order: &Order, done: &Done) -> Result<Vec<Sealed>, Refused> {
    let name = &done.history.name;
    match done.wrote.as_ref().map(|record| &record.event) {
        Some(Event::Token(token::Event::SecretsReleased(released))) => {
            let (all, receiver) = (tokens::Given::Everything, &released.seal_to);
            let given = tokens::release_at(shared, name, done.revision, all, receiver).await?;
            // A retry that comes so late that they open nothing any more.
            let reused = || Rejection::MessageIdReused {
                id: order.ids.command,
                by: done.history.clone(),
            };
            Ok(given.ok_or_else(reused)?)
        }
        Some(Event::Principal(principal::Event::KeyRecovered(recovered))) => {
            let key = Some(&recovered.key);
            let secret = tokens::recover(shared, name, key, &recovered.seal_to).await?;
            Ok(vec![secret])
        }
        _ => Ok(Vec::new()),
    }
}
