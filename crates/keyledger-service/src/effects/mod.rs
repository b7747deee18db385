//! Effects: what events ask to be done outside the ledger. Each may run twice; its outcome becomes an event.

mod eraser;
mod projector;
mod scheduler;

use std::sync::Arc;

use keyledger_domain::{Event, LEDGER_SIGNING_KEY, Name, Record, Stamp, account, key};
use tokio::{sync::mpsc, task::JoinSet};

pub(crate) use projector::Projector;

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
    tasks.spawn(project);
    tasks.spawn(eraser::run(
        Arc::clone(shared),
        erase,
        Arc::clone(principal),
    ));
    tasks.spawn(scheduler::run(Arc::clone(shared), Arc::clone(principal)));
    tasks.spawn(dispatch(
        Arc::clone(shared),
        news,
        projector,
        to_erase,
        resolver,
    ));
    tasks
}

/// Gives each event to the effect that it asks for.
async fn dispatch(
    shared: Arc<Shared>,
    mut news: mpsc::UnboundedReceiver<Arc<Record>>,
    projector: Projector,
    to_erase: mpsc::UnboundedSender<Name>,
    resolver: Resolver,
) {
    while let Some(record) = news.recv().await {
        let name = &record.history.name;
        match &record.event {
            Event::Key(event) => {
                projector.changed(name);
                if name.as_str() == LEDGER_SIGNING_KEY && matches!(event, key::Event::Rotated(_)) {
                    sign_with_newest(&shared, name).await;
                }
                if matches!(event, key::Event::Destroyed(_)) {
                    let _ = to_erase.send(name.clone());
                }
            }
            Event::Account(account::Event::Created(_) | account::Event::RevocationAdded(_)) => {
                resolver.notify(name.clone());
            }
            Event::Account(_) | Event::Principal(_) | Event::Operator(_) | Event::User(_) => {}
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
