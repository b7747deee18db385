//! Effects: what events ask to be done outside the ledger. Each may run twice; its outcome becomes an event.

mod eraser;
mod projector;
mod scheduler;

use std::sync::Arc;

use keyledger_domain::{Event, Record, Stamp, account, key};
use tokio::{sync::mpsc, task::JoinSet};

pub(crate) use projector::Projector;

use crate::{shared::Shared, trust::Resolver};

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
    tasks.spawn(dispatch(news, projector, to_erase, resolver));
    tasks
}

/// Gives each event to the effect that it asks for.
async fn dispatch(
    mut news: mpsc::UnboundedReceiver<Arc<Record>>,
    projector: Projector,
    to_erase: mpsc::UnboundedSender<keyledger_domain::Name>,
    resolver: Resolver,
) {
    while let Some(record) = news.recv().await {
        let name = &record.history.name;
        match &record.event {
            Event::Key(event) => {
                projector.changed(name);
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
