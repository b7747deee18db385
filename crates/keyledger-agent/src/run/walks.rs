//! The walks under way. Each token has its own thread: tasks of different tokens run at once, tasks of one token one after the other.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use keyledger_domain::{
    text::{Note, in_full},
    token::{Failure, FailureCode, Report, Serial},
};
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

use super::{
    board::{TaskState, TaskStatus},
    desk::TaskDesk,
    office::Office,
    pauses::Pauses,
    trust::TrustedTask,
};
use crate::{
    desk::{Desk as _, DeskError},
    person::Person,
    tokens::Tokens,
};

/// A thread that waits looks this often whether there is something to do.
const LOOK: Duration = Duration::from_millis(200);

/// The walks under way.
#[derive(Clone)]
pub(crate) struct Walks(Arc<Walker>);

struct Walker {
    office: Arc<Office>,
    tokens: Arc<dyn Tokens>,
    person: Arc<Person>,
    queues: Mutex<Queues>,
    /// Is told which tasks have ended.
    ended: UnboundedSender<Uuid>,
}

#[derive(Default)]
struct Queues {
    /// The tasks that wait for their token's thread.
    waiting: HashMap<Serial, VecDeque<TrustedTask>>,
    /// The tokens that have a thread.
    threads: HashSet<Serial>,
}

impl Walks {
    pub(crate) fn new(
        office: Arc<Office>,
        tokens: Arc<dyn Tokens>,
        person: Arc<Person>,
        ended: UnboundedSender<Uuid>,
    ) -> Self {
        Self(Arc::new(Walker {
            office,
            tokens,
            person,
            queues: Mutex::default(),
            ended,
        }))
    }

    /// Takes a task on. It is walked after earlier tasks of the same token.
    pub(crate) fn begin(&self, task: TrustedTask) {
        let serial = task.serial;
        self.0.office.board.lock().tasks.push(TaskStatus {
            task: task.id(),
            kind: task.filed.kind.as_str().to_owned(),
            serial,
            state: TaskState::Waiting,
            step: None,
            prompt: None,
            at: None,
            trouble: None,
            undelivered: 0,
        });
        self.0.office.count(task.id());
        let mut queues = self.0.queues();
        queues.waiting.entry(serial).or_default().push_back(task);
        if queues.threads.insert(serial) {
            let inner = Arc::clone(&self.0);
            let spawned = thread::Builder::new()
                .name(format!("token-{serial}"))
                .spawn(move || inner.walk_all(serial));
            if let Err(error) = spawned {
                // The next task of this token tries again, and so does the next start of the agent.
                tracing::error!(%serial, "no thread for its tasks: {error}");
                queues.threads.remove(&serial);
            }
        }
    }

    /// True if a task was taken on and has not ended.
    pub(crate) fn has(&self, task: Uuid) -> bool {
        let status = self.0.office.board.lock();
        status.tasks.iter().any(|status| status.task == task)
    }

    /// True while any thread walks.
    pub(crate) fn are_under_way(&self) -> bool {
        !self.0.queues().threads.is_empty()
    }
}

impl Walker {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Walks the tasks of a token until none is left.
    fn walk_all(&self, serial: Serial) {
        loop {
            let next = {
                let mut queues = self.queues();
                let next = queues
                    .waiting
                    .get_mut(&serial)
                    .and_then(VecDeque::pop_front);
                if next.is_none() || self.office.stop.is_stopping() {
                    queues.waiting.remove(&serial);
                    queues.threads.remove(&serial);
                    return;
                }
                next
            };
            if let Some(task) = next {
                self.walk_to_end(&task);
            }
        }
    }

    /// Walks a task again and again until it has ended at the service, or the agent stops.
    fn walk_to_end(&self, task: &TrustedTask) {
        let mut pauses = Pauses::new();
        while !self.office.stop.is_stopping() {
            if !self.is_over(task) && !self.walk_once(task, &mut pauses) {
                return;
            }
            if self.office.is_over(task.id()) {
                self.end(task);
                return;
            }
        }
    }

    /// True if the service has said, or says now, that the task has ended.
    fn is_over(&self, task: &TrustedTask) -> bool {
        // A report that may end the task was filed before a crash. Wait for its answer, so that nothing is done twice.
        while self.office.awaits_verdict(task.id()) && !self.office.is_over(task.id()) {
            if self.office.stop.within(LOOK) {
                return false;
            }
        }
        self.office.is_over(task.id())
    }

    /// Walks a task once, and pauses if it must be walked again. False if the agent stops.
    fn walk_once(&self, task: &TrustedTask, pauses: &mut Pauses) -> bool {
        let id = task.id();
        self.office.board.task(id, |status| {
            status.state = TaskState::Walking;
            status.trouble = None;
        });
        let (office, person) = (Arc::clone(&self.office), Arc::clone(&self.person));
        let mut desk = TaskDesk::new(office, person, task.clone());
        let walk = || self.tokens.walk(task.serial, &task.filed, &mut desk);
        let walked = catch_unwind(AssertUnwindSafe(walk));
        let why = match walked {
            Ok(Ok(())) if self.office.is_over(id) => return true,
            // Where the service found a fault, the board has it.
            Ok(Ok(())) => (self.office.board.trouble_of(id))
                .unwrap_or_else(|| "the service still holds the task open".to_owned()),
            Ok(Err(DeskError::Stopping)) => return false,
            Ok(Err(DeskError::TaskOver(why))) => return self.give_up(id, why.to_string()),
            Ok(Err(DeskError::Rejected(refusal))) => {
                return self.give_up(id, refusal.to_string());
            }
            Ok(Err(DeskError::Declined)) => {
                // The walk itself should have reported this, since it knows more. Report it here.
                let declined = self.declined(task, &mut desk);
                match declined {
                    Ok(()) => "the person at the workstation did not agree".to_owned(),
                    Err(DeskError::Stopping) => return false,
                    Err(error) => in_full(&error),
                }
            }
            Ok(Err(error @ (DeskError::Journal(_) | DeskError::Workstation(_)))) => in_full(&error),
            Err(_) => "the walk of the task panicked: see the log, and report it".to_owned(),
        };
        tracing::warn!(task = %id, serial = %task.serial, "the task will be walked again: {why}");
        self.office.board.task(id, |status| {
            status.state = TaskState::Waiting;
            status.trouble = Some(why);
        });
        self.pause(id, pauses.next())
    }

    /// Notes that the task is over: the service does not want it any more. Always returns true.
    fn give_up(&self, task: Uuid, why: String) -> bool {
        tracing::warn!(%task, "the task is over for this agent: {why}");
        self.office.set_over(task, Some(why));
        true
    }

    fn declined(&self, task: &TrustedTask, desk: &mut TaskDesk) -> Result<(), DeskError> {
        let detail = Note::new("somebody at the workstation said no, or nobody answered");
        desk.ask(Report::Failed(Failure {
            serial: task.serial,
            code: FailureCode::Declined,
            detail: detail.expect("it is one line"),
        }))
        .map(drop)
    }

    /// Pauses, but not longer than the task is open. False if the agent stops.
    fn pause(&self, task: Uuid, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        while Instant::now() < until && !self.office.is_over(task) {
            if self.office.stop.within(LOOK) {
                return false;
            }
        }
        true
    }

    fn end(&self, task: &TrustedTask) {
        let mut pauses = Pauses::new();
        while let Err(error) = self.office.end(task.id()) {
            tracing::error!(task = %task.id(), error = &error as &dyn std::error::Error, "the journal cannot note that the task has ended");
            if self.office.stop.within(pauses.next()) {
                return; // the next run asks the service again
            }
        }
        tracing::info!(task = %task.id(), serial = %task.serial, kind = task.filed.kind.as_str(), "ended");
        let _ = self.ended.send(task.id()); // when the agent stops, nobody listens any more
    }
}
