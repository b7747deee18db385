//! What an effect is, and the one loop that runs all of them.

use std::{
    collections::{HashMap, HashSet},
    error::Error,
    fmt::Debug,
    future::Future,
    hash::Hash,
    time::Duration,
};

use futures::StreamExt as _;
use keyledger_domain::{Record, text::in_full};
use tokio::{sync::mpsc, time::Instant};

/// How many events' tasks are taken together: the next ones wait for these.
const MAX_WOKEN: usize = 256;
/// The pause before a task that failed is tried again. It doubles up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two tries of a task.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Something that is done outside the ledger because an event asks for it.
///
/// Every effect may run twice, and does where two instances serve: each runs all of them. That is safe for two reasons. What is done
/// outside gives the same when it is done again (an entry is erased, a consumer has its settings, a task has one message id). And what
/// is recorded afterwards is an `Outcome`, which the handler decides by compare-and-set like a command: one that the ledger holds
/// already writes nothing. An effect for which this is not true does not fit here.
pub(super) trait Effect: Send + Sync + 'static {
    /// One thing to do.
    type Task: Clone + Debug + Eq + Hash + Send + Sync + 'static;
    /// Why it could not be done, or why nothing may be done now.
    type Error: Error + Send + Sync + 'static;

    /// What it does, in words for the log.
    const NAME: &'static str;
    /// How often the ledger is looked through for what is pending: for what no event woke it for, and what an earlier run left.
    const SWEEP: Duration;
    /// How long after the start the first such look comes.
    const FIRST_SWEEP: Duration = Duration::ZERO;
    /// How many tasks are worked on at once.
    const AT_ONCE: usize = 1;

    /// What an event asks for; most events ask for nothing.
    fn wakes(record: &Record) -> Option<Self::Task>;

    /// What the ledger says is still to be done.
    fn pending(&self) -> impl Future<Output = Result<Vec<Self::Task>, Self::Error>> + Send;

    /// Does one thing. A task that is not to be done any more is done.
    fn run(&self, task: &Self::Task) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// How long until the next look: sooner than [`Self::SWEEP`] where something is known to come.
    fn next_sweep(&self) -> Duration {
        Self::SWEEP
    }
}

/// When a task that failed is tried again.
struct Again {
    at: Instant,
    pause: Duration,
}

/// Runs an effect until nothing can wake it any more, which is when the service stops.
///
/// It catches no panic: one ends the process, and the next start finds in the ledger what is pending.
pub(super) async fn run<E: Effect>(effect: E, mut woken: mpsc::UnboundedReceiver<E::Task>) {
    let mut runner = Runner {
        effect,
        again: HashMap::new(),
        held: None,
    };
    let mut sweep_at = Instant::now() + E::FIRST_SWEEP;
    let mut came = Vec::new();
    loop {
        let retry_at = runner.next_retry();
        let tasks = tokio::select! {
            count = woken.recv_many(&mut came, MAX_WOKEN) => {
                if count == 0 {
                    return;
                }
                came.drain(..).collect()
            }
            () = tokio::time::sleep_until(sweep_at) => {
                let pending = runner.pending().await;
                sweep_at = Instant::now() + runner.effect.next_sweep();
                pending
            }
            () = tokio::time::sleep_until(retry_at.unwrap_or(sweep_at)), if retry_at.is_some() => {
                runner.due_again()
            }
        };
        runner.work_on(tasks).await;
    }
}

struct Runner<E: Effect> {
    effect: E,
    /// The tasks that failed.
    again: HashMap<E::Task, Again>,
    /// Why nothing may be done now, in words: logged once.
    held: Option<String>,
}

impl<E: Effect> Runner<E> {
    fn next_retry(&self) -> Option<Instant> {
        self.again.values().map(|again| again.at).min()
    }

    /// The tasks that failed and are to be tried again now.
    fn due_again(&self) -> HashSet<E::Task> {
        let now = Instant::now();
        let due = self.again.iter().filter(|(_, again)| again.at <= now);
        due.map(|(task, _)| task.clone()).collect()
    }

    /// What is pending, without what failed and has its own time.
    async fn pending(&mut self) -> HashSet<E::Task> {
        match self.effect.pending().await {
            Ok(pending) => {
                self.held = None;
                let is_new = |task: &E::Task| !self.again.contains_key(task);
                pending.into_iter().filter(is_new).collect()
            }
            Err(error) => {
                let said = in_full(&error);
                if self.held.as_ref() != Some(&said) {
                    tracing::warn!(effect = E::NAME, %said, "nothing can be done now; it is tried again");
                    self.held = Some(said);
                }
                HashSet::new()
            }
        }
    }

    async fn work_on(&mut self, tasks: HashSet<E::Task>) {
        let done = futures::stream::iter(tasks)
            .map(|task| one(&self.effect, task))
            .buffer_unordered(E::AT_ONCE)
            .collect::<Vec<_>>();
        for (task, outcome) in done.await {
            match outcome {
                Ok(()) => {
                    self.again.remove(&task);
                }
                Err(error) => {
                    let said = in_full(&error);
                    tracing::warn!(effect = E::NAME, ?task, %said, "not done yet; it is tried again");
                    self.fail(task);
                }
            }
        }
    }

    fn fail(&mut self, task: E::Task) {
        let pause = self.again.get(&task).map_or(FIRST_PAUSE, |again| {
            again.pause.saturating_mul(2).min(MAX_PAUSE)
        });
        let at = Instant::now() + pause;
        self.again.insert(task, Again { at, pause });
    }
}

async fn one<E: Effect>(effect: &E, task: E::Task) -> (E::Task, Result<(), E::Error>) {
    let outcome = effect.run(&task).await;
    (task, outcome)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use parking_lot::Mutex;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("not yet")]
    struct NotYet;

    /// Counts how often each number was tried; one that is above 100 fails as often as is left.
    #[derive(Clone, Default)]
    struct Counting {
        pending: Arc<Mutex<Vec<u32>>>,
        failures: Arc<AtomicUsize>,
        tried: Arc<Mutex<HashMap<u32, usize>>>,
        looks: Arc<AtomicUsize>,
    }

    impl Counting {
        fn tried(&self, task: u32) -> usize {
            self.tried.lock().get(&task).copied().unwrap_or_default()
        }
    }

    impl Effect for Counting {
        type Task = u32;
        type Error = NotYet;

        const NAME: &'static str = "counting";
        const SWEEP: Duration = Duration::from_secs(1_000);
        const AT_ONCE: usize = 2;

        fn wakes(_record: &Record) -> Option<u32> {
            None
        }

        async fn pending(&self) -> Result<Vec<u32>, NotYet> {
            self.looks.fetch_add(1, Ordering::Relaxed);
            Ok(self.pending.lock().clone())
        }

        async fn run(&self, task: &u32) -> Result<(), NotYet> {
            *self.tried.lock().entry(*task).or_default() += 1;
            if *task > 100 && self.failures.load(Ordering::Relaxed) > 0 {
                self.failures.fetch_sub(1, Ordering::Relaxed);
                return Err(NotYet);
            }
            self.pending.lock().retain(|pending| pending != task);
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_pending_at_the_start_is_done_and_so_is_what_an_event_brings() {
        let effect = Counting::default();
        effect.pending.lock().extend([1, 2]);
        let (wake, woken) = mpsc::unbounded_channel();
        let running = tokio::spawn(run(effect.clone(), woken));
        wake.send(3).unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!([1, 2, 3].map(|task| effect.tried(task)), [1, 1, 1]);
        // What came without an event is found by the next look.
        effect.pending.lock().push(4);
        tokio::time::sleep(Counting::SWEEP).await;
        assert_eq!(effect.tried(4), 1);
        assert_eq!(effect.looks.load(Ordering::Relaxed), 2);
        drop(wake);
        running.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_is_tried_again_after_longer_and_longer_and_holds_up_nothing_else() {
        let effect = Counting::default();
        effect.failures.store(3, Ordering::Relaxed);
        effect.pending.lock().push(101);
        let (wake, woken) = mpsc::unbounded_channel();
        let running = tokio::spawn(run(effect.clone(), woken));
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(effect.tried(101), 1);
        wake.send(5).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await; // after 1 s
        assert_eq!((effect.tried(101), effect.tried(5)), (2, 1));
        tokio::time::sleep(Duration::from_secs(2)).await; // and 2 s later
        assert_eq!(effect.tried(101), 3);
        tokio::time::sleep(Duration::from_secs(4)).await; // and 4 s later, when it succeeds
        assert_eq!(effect.tried(101), 4);
        tokio::time::sleep(Duration::from_secs(500)).await;
        assert_eq!(effect.tried(101), 4, "it is done");
        drop(wake);
        running.await.unwrap();
    }
}
