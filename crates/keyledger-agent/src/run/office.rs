//! What all parts of a run share.

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
    /// What is to be announced.
    pub(crate) announcer: Announcer,
    /// Somebody filed a report.
    pub(crate) filed: Notify,
    /// Where walks wait for answers, by message id.
    waiting: Mutex<HashMap<Uuid, mpsc::Sender<ReportAnswer>>>,
    /// Tasks of which the service has said that they have ended, and why not well.
    over: Mutex<HashMap<Uuid, Option<String>>>,
}

/// What became of a report that was asked.
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

    /// Does what waits for the disk where waiting does no harm.
    pub(crate) async fn on_disk<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> T {
        let office = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&office)).await;
        done.expect("writing the journal does not panic, and is not cancelled")
    }

    /// The journal. Its writes block until they are on disk: not for long, and not across an `await`.
    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        lock(&self.journal)
    }

    /// Files a report, to be delivered.
    pub(crate) fn tell(&self, task: &TrustedTask, report: Report) -> Result<(), JournalError> {
        let filed = self.journal().file(task.id(), report, false);
        self.count(task.id());
        self.filed.notify_one();
        filed.map(|_| ())
    }

    /// Files a report, to be delivered; its answer comes out of the receiver.
    pub(crate) fn ask(
        &self,
        task: &TrustedTask,
        report: Report,
    ) -> Result<mpsc::Receiver<ReportAnswer>, JournalError> {
        let (sender, answer) = mpsc::channel();
        // Held until the waiting is noted: the answer cannot come before.
        let mut journal = self.journal();
        let message = journal.file(task.id(), report, true)?;
        lock(&self.waiting).insert(message, sender);
        journal.ask_again(message);
        drop(journal);
        self.count(task.id());
        self.filed.notify_one();
        Ok(answer)
    }

    /// An answer has come.
    pub(crate) fn answer(&self, message: Uuid, answer: ReportAnswer) {
        if let Some(waiting) = lock(&self.waiting).remove(&message) {
            drop(waiting.send(answer)); // a walk that has ended needs none
        }
    }

    /// The service has said that a task has ended, and what was wrong where something was.
    pub(crate) fn set_over(&self, task: Uuid, fault: Option<String>) {
        lock(&self.over).entry(task).or_insert(fault);
    }

    /// True once the service has said that a task has ended.
    pub(crate) fn is_over(&self, task: Uuid) -> bool {
        lock(&self.over).contains_key(&task)
    }

    /// Ends a task here: nothing secret of it stays, and nothing is left to be delivered. Once one has ended well, what was refused of
    /// its token before is of no interest any more.
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

    /// The next report to deliver of a task.
    pub(crate) fn next(&self, task: Uuid) -> Option<Filed> {
        self.journal().book().task(task)?.next().cloned()
    }

    /// True while an answer is awaited that may end a task.
    pub(crate) fn awaits_verdict(&self, task: Uuid) -> bool {
        let journal = self.journal();
        journal
            .book()
            .task(task)
            .is_some_and(|open| open.awaits_verdict())
    }

    /// Says on the board how many reports of a task wait.
    pub(crate) fn count(&self, task: Uuid) {
        let journal = self.journal();
        let undelivered = journal.book().task(task).map_or(0, |t| t.undelivered());
        // While the journal is locked: of two counts the newer one stays.
        self.board
            .task(task, |status| status.undelivered = undelivered);
        drop(journal);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
