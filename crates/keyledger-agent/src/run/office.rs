//! The office: what all parts of a run share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
};

use keyledger_domain::token::Report;
use keyledger_wire::{Refusal, ReportReply};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    announcer::Announcer,
    board::Board,
    journal::{Filed, Journal, JournalError},
    trust::TrustedTask,
};
use crate::stop::Stop;

/// What all parts of a run share.
pub(crate) struct Office {
    journal: Mutex<Journal>,
    pub(crate) board: Arc<Board>,
    pub(crate) stop: Stop,
    /// Announces tokens to the service.
    pub(crate) announcer: Announcer,
    /// Notified when a report was filed.
    pub(crate) filed: Notify,
    /// The walks that wait for answers, by message id.
    waiting: Mutex<HashMap<Uuid, mpsc::Sender<ReportAnswer>>>,
    /// Tasks that the service says have ended, and why those that failed did so.
    over: Mutex<HashMap<Uuid, Option<String>>>,
}

/// The answer to a report.
#[derive(Debug)]
pub(crate) enum ReportAnswer {
    /// The service's answer.
    Reply(Box<ReportReply>),
    /// A rule rejects it: the service will never take it.
    Rejected(Box<Refusal>),
}

impl Office {
    pub(crate) fn new(journal: Journal, board: Arc<Board>, stop: Stop) -> Self {
        Self {
            journal: Mutex::new(journal),
            announcer: Announcer::new(Arc::clone(&board), stop.clone()),
            board,
            stop,
            filed: Notify::new(),
            waiting: Mutex::default(),
            over: Mutex::default(),
        }
    }

    /// Does work that waits for the disk, on a thread where waiting does no harm.
    pub(crate) async fn on_disk<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> T {
        let office = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&office)).await;
        done.expect("writing the journal does not panic, and is not cancelled")
    }

    /// The journal. Its writes block until they are on disk, so hold this only shortly and never across an `await`.
    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        lock(&self.journal)
    }

    /// Files a report for delivery.
    pub(crate) fn tell(&self, task: &TrustedTask, report: Report) -> Result<(), JournalError> {
        let filed = self.journal().file(task.id(), report, false);
        self.count(task.id());
        self.filed.notify_one();
        filed.map(|_| ())
    }

    /// Files a report for delivery. The answer comes through the receiver.
    pub(crate) fn ask(
        &self,
        task: &TrustedTask,
        report: Report,
    ) -> Result<mpsc::Receiver<ReportAnswer>, JournalError> {
        let (sender, answer) = mpsc::channel();
        // Keep the journal locked until the sender is registered: the answer cannot come earlier.
        let mut journal = self.journal();
        let message = journal.file(task.id(), report, true)?;
        lock(&self.waiting).insert(message, sender);
        journal.ask_again(message);
        drop(journal);
        self.count(task.id());
        self.filed.notify_one();
        Ok(answer)
    }

    /// Hands an answer to the walk that waits for it.
    pub(crate) fn answer(&self, message: Uuid, answer: ReportAnswer) {
        if let Some(waiting) = lock(&self.waiting).remove(&message) {
            drop(waiting.send(answer)); // a walk that has ended needs no answer
        }
    }

    /// Notes that the service says a task has ended, and why it failed, if it did.
    pub(crate) fn set_over(&self, task: Uuid, fault: Option<String>) {
        lock(&self.over).entry(task).or_insert(fault);
    }

    /// True once the service has said that a task has ended.
    pub(crate) fn is_over(&self, task: Uuid) -> bool {
        lock(&self.over).contains_key(&task)
    }

    /// Ends a task here: its secrets are wiped, and its reports need no delivery any more. If it went well, earlier rejected reports of its
    /// token are forgotten.
    pub(crate) fn end(&self, task: Uuid) -> Result<(), JournalError> {
        let fault = lock(&self.over).get(&task).cloned().flatten();
        let mut journal = self.journal();
        if fault.is_none()
            && let Some(serial) = self.board.token_of(task)
        {
            journal.forget_refused(serial, task);
            self.board.forget_refused(serial, task);
        }
        journal.end(task)?;
        drop(journal);
        lock(&self.over).remove(&task);
        self.board.ended(task, fault);
        Ok(())
    }

    /// Tasks that have reports to deliver.
    pub(crate) fn to_deliver(&self) -> Vec<Uuid> {
        let journal = self.journal();
        let tasks = journal.book().tasks.iter();
        let pending = tasks.filter(|open| open.next().is_some());
        pending.map(|open| open.task).collect()
    }

    /// The next report of a task to deliver.
    pub(crate) fn next(&self, task: Uuid) -> Option<Filed> {
        self.journal().book().task(task)?.next().cloned()
    }

    /// True while a report that may end the task waits for its answer.
    pub(crate) fn awaits_verdict(&self, task: Uuid) -> bool {
        let journal = self.journal();
        journal
            .book()
            .task(task)
            .is_some_and(|open| open.awaits_verdict())
    }

    /// Writes on the board how many reports of a task wait for delivery.
    pub(crate) fn count(&self, task: Uuid) {
        let journal = self.journal();
        let undelivered = journal.book().task(task).map_or(0, |t| t.undelivered());
        // Count while the journal is locked, so that an older count never replaces a newer one.
        self.board
            .task(task, |status| status.undelivered = undelivered);
        drop(journal);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
