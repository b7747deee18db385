//! Effects: what events ask to be done outside the ledger. Each may run twice; its outcome becomes an event.

mod eraser;
mod expirer;
mod filer;
mod offboarder;
mod projector;
mod scheduler;
mod sweeper;

use std::sync::Arc;

use keyledger_domain::{
    Event, LEDGER_SIGNING_KEY, Name, Record, Role, Stamp, account, key, principal as principals,
    token, user,
};
use tokio::{sync::mpsc, task::JoinSet};

pub(crate) use projector::{InventoryHealth, Projector};

use crate::{shared::Shared, signers::LedgerSigner, trust::Resolver};

/// Starts the effects. They end when the set is dropped.
pub(crate) fn start(
    shared: &Arc<Shared>,
    news: mpsc::UnboundedReceiver<Arc<Record>>,
    principal: &Arc<Stamp>,
    resolver: Resolver,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let (projector, project) = Projector::new(shared);
    let (to_erase, erase) = mpsc::unbounded_channel();
    let (to_file, file) = mpsc::unbounded_channel();
    tasks.spawn(filer::run(Arc::clone(shared), file));
    tasks.spawn(project);
    tasks.spawn(eraser::run(
        Arc::clone(shared),
        erase,
        Arc::clone(principal),
    ));
    let (to_finish, finish) = mpsc::unbounded_channel();
    tasks.spawn(offboarder::run(
        Arc::clone(shared),
        finish,
        Arc::clone(principal),
    ));
    tasks.spawn(scheduler::run(Arc::clone(shared), Arc::clone(principal)));
    tasks.spawn(expirer::run(Arc::clone(shared), Arc::clone(principal)));
    tasks.spawn(sweeper::run(Arc::clone(shared)));
    tasks.spawn(dispatch(
        Arc::clone(shared),
        news,
        Outlets {
            projector,
            to_erase,
            to_file,
            to_finish,
            resolver,
        },
    ));
    tasks
}

/// Where events go that ask for something.
struct Outlets {
    projector: Projector,
    to_erase: mpsc::UnboundedSender<Name>,
    to_file: mpsc::UnboundedSender<filer::News>,
    to_finish: mpsc::UnboundedSender<Name>,
    resolver: Resolver,
}

/// Gives each event to the effect that it asks for.
async fn dispatch(
    shared: Arc<Shared>,
    mut news: mpsc::UnboundedReceiver<Arc<Record>>,
    to: Outlets,
) {
    while let Some(record) = news.recv().await {
        let name = &record.history.name;
        match &record.event {
            Event::Key(event) => {
                to.projector.changed(name);
                if name.as_str() == LEDGER_SIGNING_KEY && matches!(event, key::Event::Rotated(_)) {
                    sign_with_newest(&shared, name).await;
                }
                if matches!(event, key::Event::Destroyed(_)) {
                    let _ = to.to_erase.send(name.clone());
                }
            }
            Event::Account(
                account::Event::Created(_)
                | account::Event::RevocationAdded(_)
                | account::Event::RevocationsExpired(_)
                | account::Event::RevocationsCollapsed(_)
                | account::Event::Renewed(_),
            ) => {
                to.resolver.notify(name.clone());
            }
            Event::Token(token::Event::TaskFiled(_)) => {
                let _ = to.to_file.send(filer::News::Filed(name.clone()));
            }
            Event::Principal(principals::Event::Offboarded(_)) => {
                let _ = to.to_finish.send(name.clone());
            }
            Event::User(event) => {
                let agent = match event {
                    user::Event::Issued(issued) => issued.role == Some(Role::Agent),
                    user::Event::Revoked(_) => true, // whoever is no agent is passed over
                    user::Event::RevocationConfirmed(_) => false,
                    user::Event::OfVerb(event) => match *event {},
                };
                if agent {
                    let _ = to.to_file.send(filer::News::Agent(name.clone()));
                }
            }
            Event::Account(account::Event::OfVerb(event)) => match *event {},
            Event::Account(account::Event::Confirmed(_) | account::Event::DriftRepaired(_))
            | Event::Principal(_)
            | Event::Operator(_)
            | Event::Token(_) => {}
        }
    }
}

/// The rotation itself was signed by the old version; from now on the new one signs. Until another instance has folded
/// it, that one signs with the old version, which a verifier accepts.
async fn sign_with_newest(shared: &Shared, name: &Name) {
    match shared.signers.signer(name).await {
        Ok(signer) => shared.ledger_signer.replace(Arc::new(LedgerSigner(signer))),
        Err(error) => tracing::error!(%error, "the ledger is still signed with the older version"),
    }
}
