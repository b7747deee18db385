//! What is delivered once a command is done.

use keyledger_domain::{Command, Event, Rejection, principal, token, user};
use keyledger_wire::Sealed;

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
        _ => {}
    }
    Ok(delivery)
}

/// The secrets that the event of a release or a recovery says were given, to whom it says.
async fn secrets(shared: &Shared, order: &Order, done: &Done) -> Result<Vec<Sealed>, Refused> {
    let name = &done.history.name;
    match done.wrote.as_ref().map(|record| &record.event) {
        Some(Event::Token(token::Event::SecretsReleased(released))) => {
            let given = tokens::release_at(shared, name, done.revision, &released.seal_to).await?;
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
