//! What is delivered once a command is done.

use keyledger_domain::{Command, principal, token, user};
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
        Command::Token(token::Command::Release(release)) => {
            delivery.secrets = tokens::release(shared, name, &release.seal_to).await?;
        }
        Command::Principal(principal::Command::RecoverKey(recover)) => {
            let key = recover.key.as_ref();
            let secrets = tokens::recover(shared, name, key, &recover.seal_to).await?;
            delivery.secrets = vec![secrets];
        }
        Command::User(user::Command::Issue(issue)) if issue.seal_to.is_none() => {
            delivery.jwt = Some(creds::jwt(shared, name).await?);
        }
        Command::User(user::Command::Issue(_)) if done.fresh => delivery.creds = prepared.creds,
        Command::User(user::Command::Issue(_)) => {
            delivery.creds = Some(creds::again(shared, name, order.ids.command).await?);
        }
        _ => {}
    }
    Ok(delivery)
}
