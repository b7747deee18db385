//! The desk of a task that is being walked: it joins the journal, the delivery of reports, and the person at the workstation.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use keyledger_custody::Secret;
use keyledger_domain::{
    text::{Note, in_full},
    token::{PinRules, Progress, Prompt, Report, Serial, Step},
};
use keyledger_wire::ReportReply;

use super::{
    board::TaskState,
    journal::JournalError,
    office::{Office, ReportAnswer},
    trust::TrustedTask,
};
use crate::{
    desk::{Desk, DeskError, PinTries, TaskOver},
    person::{Person, PersonError, Window},
};

/// A walk that waits looks this often whether it is to stop.
const LOOK: Duration = Duration::from_millis(100);

/// The desk of one task.
pub(crate) struct TaskDesk {
    office: Arc<Office>,
    person: Arc<Person>,
    task: TrustedTask,
    step: Step,
    /// The window that asks for a touch. The next report closes it.
    window: Option<Window>,
}

impl TaskDesk {
    pub(crate) const fn new(office: Arc<Office>, person: Arc<Person>, task: TrustedTask) -> Self {
        Self {
            office,
            person,
            task,
            step: Step::Taken,
            window: None,
        }
    }

    /// Checks whether the walk may go on.
    fn check(&self) -> Result<(), DeskError> {
        if self.office.stop.is_stopping() {
            return Err(DeskError::Stopping);
        }
        if self.office.is_over(self.task.id()) {
            return Err(TaskOver::EndedBefore.into());
        }
        Ok(())
    }

    fn state(&self, state: TaskState) {
        self.office
            .board
            .task(self.task.id(), |status| status.state = state);
    }

    /// Asks the person, and checks with the service before and after that the task is still open. So nobody is asked for a task that was
    /// cancelled, and no answer is used for a task that was cancelled while the person was thinking.
    fn with_prompt<T>(
        &mut self,
        serial: Serial,
        prompt: Prompt,
        ask: impl FnOnce(&Person) -> Result<T, PersonError>,
    ) -> Result<T, DeskError> {
        tracing::warn!(%serial, "{}", prompt.sentence());
        self.is_open(serial, Some(prompt))?;
        let show = |prompt| {
            let id = self.task.id();
            self.office.board.task(id, |status| status.prompt = prompt);
        };
        show(Some(prompt));
        let answer = ask(&self.person);
        show(None);
        let answer = answer.map_err(|error| self.of_person(&error))?;
        self.is_open(serial, None)?;
        Ok(answer)
    }

    /// Asks the service whether the task is still open, and waits for the answer however long that takes.
    fn is_open(&mut self, serial: Serial, prompt: Option<Prompt>) -> Result<(), DeskError> {
        let step = self.step;
        let reply = self.ask(Report::Progressed(Progress {
            serial,
            step,
            prompt,
            at: None,
        }))?;
        if reply.task_open {
            return Ok(());
        }
        Err(TaskOver::NotOpen { state: reply.state }.into())
    }

    fn of_person(&self, error: &PersonError) -> DeskError {
        if matches!(error, PersonError::Stopping) {
            return DeskError::Stopping;
        }
        tracing::warn!(task = %self.task.id(), "{}", in_full(error));
        DeskError::Declined
    }
}

impl Desk for TaskDesk {
    fn tell(&mut self, report: Report) -> Result<(), DeskError> {
        self.window = None;
        self.check()?;
        if let Report::Announced(shows) = &report {
            // An announcement belongs to no task. Only the newest counts, and it has its own subject.
            self.office.announcer.announce(shows);
            return Ok(());
        }
        if let Report::Progressed(progress) = &report {
            self.step = progress.step;
            tracing::info!(
                task = %self.task.id(), serial = %progress.serial, step = progress.step.as_str(),
                prompt = progress.prompt.map(Prompt::as_str), "walking"
            );
            self.office.board.task(self.task.id(), |status| {
                status.step = Some(progress.step);
                status.prompt = progress.prompt;
                status.at = progress.at.as_ref().map(ToString::to_string);
            });
        }
        self.office.tell(&self.task, report).map_err(of_journal)
    }

    fn ask(&mut self, report: Report) -> Result<ReportReply, DeskError> {
        self.window = None;
        self.check()?;
        let answer = self.office.ask(&self.task, report).map_err(of_journal)?;
        self.office.board.task(self.task.id(), |status| {
            status.state = TaskState::Asking;
            status.prompt = None; // the person has done it
        });
        loop {
            match answer.recv_timeout(LOOK) {
                Ok(ReportAnswer::Reply(reply)) => {
                    self.state(TaskState::Walking);
                    return Ok(*reply);
                }
                Ok(ReportAnswer::Rejected(refusal)) => return Err(refusal.into()),
                // Do not look here whether the task has ended: this answer may be the one that says so.
                Err(mpsc::RecvTimeoutError::Timeout) if self.office.stop.is_stopping() => {
                    return Err(DeskError::Stopping);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(DeskError::Stopping),
            }
        }
    }

    fn keep(&mut self, what: &'static str, secret: &Secret) -> Result<(), DeskError> {
        let mut journal = self.office.journal();
        let kept = journal.keep(self.task.id(), what, secret);
        kept.map_err(of_journal)
    }

    fn kept(&mut self, what: &'static str) -> Result<Option<Secret>, DeskError> {
        let journal = self.office.journal();
        journal.kept(self.task.id(), what).map_err(of_journal)
    }

    fn show(&mut self, serial: Serial, prompt: Prompt, at: &str) -> Result<(), DeskError> {
        tracing::warn!(%serial, at, "{}", prompt.sentence());
        let place = Note::new(at).ok();
        let step = self.step;
        self.tell(Report::Progressed(Progress {
            serial,
            step,
            prompt: Some(prompt),
            at: place,
        }))?;
        if prompt == Prompt::Touch {
            self.window = self.person.ask_for_touch(serial, at);
        }
        Ok(())
    }

    fn remind(&mut self, serial: Serial, prompt: Prompt) -> Result<(), DeskError> {
        // A report that waits for delivery says it already. Without a connection, reminders would fill the journal.
        if self.office.next(self.task.id()).is_some() {
            return self.check();
        }
        let step = self.step;
        self.tell(Report::Progressed(Progress {
            serial,
            step,
            prompt: Some(prompt),
            at: None,
        }))
    }

    fn another_pin(&mut self, serial: Serial, rules: &PinRules) -> Result<Secret, DeskError> {
        self.with_prompt(serial, Prompt::ChoosePin, |person| {
            person.another_pin(serial, rules)
        })
    }

    fn new_pin(&mut self, serial: Serial, rules: &PinRules) -> Result<Secret, DeskError> {
        self.with_prompt(serial, Prompt::ChoosePin, |person| {
            person.new_pin(serial, rules)
        })
    }

    fn pin(&mut self, serial: Serial, tries: PinTries) -> Result<Secret, DeskError> {
        self.with_prompt(serial, Prompt::EnterPin, |person| person.pin(serial, tries))
    }

    fn pause(&mut self, length: Duration) -> Result<(), DeskError> {
        let until = Instant::now() + length;
        loop {
            self.check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            // Wake up often: the task may end at the service while the walk waits for a token.
            let _ = self.office.stop.within(left.min(LOOK));
        }
    }

    fn confirm_reset(&mut self, serial: Serial) -> Result<(), DeskError> {
        self.with_prompt(serial, Prompt::ConfirmReset, |person| {
            person.confirm_reset(serial)
        })
    }
}

/// Turns an error of the journal into one of the desk.
fn of_journal(error: JournalError) -> DeskError {
    if let JournalError::Ended(task) = error {
        return TaskOver::Ended(task).into();
    }
    DeskError::Journal(Box::new(error))
}
