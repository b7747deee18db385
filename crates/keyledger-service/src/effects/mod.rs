//! Effects: what events ask to be done outside the ledger. Each may run twice; its outcome becomes an event.
//!
//! An effect is a type in a file of its own that implements `Effect`, and a line in [`start`]. The projector and the resolver are no
//! such effects: they hold a whole view of the ledger against what is outside, and do not work off one task after the other.

mod effect;
mod eraser;
mod expirer;
mod filer;
mod ground;
mod ledger_signer;
mod offboarder;
mod projector;
mod scheduler;
mod sweeper;

use std::sync::Arc;

use keyledger_domain::{Event, Record, Stamp, account};
use tokio::{sync::mpsc, task::JoinSet};

pub(crate) use projector::{InventoryHealth, Projector};

use self::{
    effect::{Effect, run},
    eraser::Eraser,
    expirer::Expirer,
    filer::Filer,
    ground::Ground,
    ledger_signer::NewestSigner,
    offboarder::Offboarder,
    scheduler::Scheduler,
    sweeper::Sweeper,
};
use crate::{shared::Shared, trust::Resolver};

/// Starts the effects. They end when the set is dropped.
pub(crate) fn start(
    shared: &Arc<Shared>,
    news: mpsc::UnboundedReceiver<Arc<Record>>,
    principal: &Arc<Stamp>,
    resolver: Resolver,
) -> JoinSet<()> {
    let ground = Ground {
        shared: Arc::clone(shared),
        principal: Arc::clone(principal),
    };
    let mut effects = Effects::default();
    effects.start(NewestSigner(ground.clone()));
    effects.start(Eraser(ground.clone()));
    effects.start(Expirer(ground.clone()));
    effects.start(Filer::new(ground.clone()));
    effects.start(Offboarder(ground.clone()));
    effects.start(Scheduler(ground.clone()));
    effects.start(Sweeper(ground));
    let (projector, project) = Projector::new(shared);
    effects.tasks.spawn(project);
    effects.wakers.push(Box::new(move |record| {
        if let Event::Key(_) = &record.event {
            projector.changed(&record.history.name);
        }
    }));
    effects.wakers.push(Box::new(move |record| {
        if changes_jwt(&record.event) {
            resolver.notify(record.history.name.clone());
        }
    }));
    let Effects { wakers, mut tasks } = effects;
    tasks.spawn(wake(news, wakers));
    tasks
}

/// No effect runs, since each ends in an event, which a sealed instance cannot write. What is asked for meanwhile is found in the
/// ledger when they start.
pub(crate) fn idle(mut news: mpsc::UnboundedReceiver<Arc<Record>>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { while news.recv().await.is_some() {} });
    tasks
}

/// Hands an event to an effect.
type Waker = Box<dyn Fn(&Record) + Send>;

/// The effects that were started.
#[derive(Default)]
struct Effects {
    wakers: Vec<Waker>,
    tasks: JoinSet<()>,
}

impl Effects {
    fn start<E: Effect>(&mut self, effect: E) {
        let (wake, woken) = mpsc::unbounded_channel();
        self.wakers.push(Box::new(move |record| {
            if let Some(task) = E::wakes(record) {
                let _ = wake.send(task); // it takes tasks until the service stops
            }
        }));
        self.tasks.spawn(run(effect, woken));
    }
}

/// Shows each event to every effect.
async fn wake(mut news: mpsc::UnboundedReceiver<Arc<Record>>, wakers: Vec<Waker>) {
    while let Some(record) = news.recv().await {
        for wake in &wakers {
            wake(&record);
        }
    }
}

/// True of an event after which an account's JWT says something else.
fn changes_jwt(event: &Event) -> bool {
    let Event::Account(event) = event else {
        return false;
    };
    match event {
        account::Event::Created(_)
        | account::Event::TemplateAdopted(_)
        | account::Event::RevocationAdded(_)
        | account::Event::RevocationsExpired(_)
        | account::Event::RevocationsCollapsed(_)
        | account::Event::Renewed(_) => true,
        account::Event::Confirmed(_) | account::Event::DriftRepaired(_) => false,
        account::Event::OfVerb(event) => {
            account::VerbEvents::of(event).is_some_and(|event| match event {})
        }
    }
}
