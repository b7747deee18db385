//! The state that the journal's lines add up to.

use std::collections::{BTreeMap, VecDeque};

use keyledger_domain::token::{Report, Serial};
use uuid::Uuid;

use super::entry::{Filed, JournalEntry, RejectedReport, VERSION};
use crate::run::trust::SignedTask;

/// This many ended tasks are remembered. The queue gives an ended task again only if its acknowledgement was lost.
const MAX_ENDED: usize = 256;
/// The rejected reports of this many tasks are remembered, to be shown.
const MAX_REFUSED: usize = 20;

/// The state that the journal's lines add up to.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// The open tasks, in the order in which they were taken.
    pub(crate) tasks: Vec<TakenTask>,
    pub(crate) ended: VecDeque<Uuid>,
    pub(crate) refused: VecDeque<RejectedReport>,
}

/// A task that has not ended.
#[derive(Debug)]
pub(crate) struct TakenTask {
    pub(crate) task: Uuid,
    pub(crate) signed: SignedTask,
    /// Sealed secrets by name: the sender, and the sealed bytes.
    pub(crate) kept: BTreeMap<String, (String, String)>,
    pub(crate) reports: VecDeque<FiledReport>,
}

/// A report of an open task.
#[derive(Debug)]
pub(crate) struct FiledReport {
    pub(crate) filed: Filed,
    pub(crate) pending: bool,
}

impl Book {
    /// A task that has not ended.
    pub(crate) fn task(&self, task: Uuid) -> Option<&TakenTask> {
        self.tasks.iter().find(|open| open.task == task)
    }

    fn task_mut(&mut self, task: Uuid) -> Option<&mut TakenTask> {
        self.tasks.iter_mut().find(|open| open.task == task)
    }

    /// Applies an entry. An entry about a task that is not open came too late, and changes nothing.
    pub(crate) fn fold(&mut self, entry: JournalEntry) {
        match entry {
            JournalEntry::Opened { .. } => {}
            JournalEntry::Taken { task, signed } => {
                if self.task(task).is_none() {
                    self.tasks.push(TakenTask {
                        task,
                        signed,
                        kept: BTreeMap::new(),
                        reports: VecDeque::new(),
                    });
                }
            }
            JournalEntry::Kept {
                task,
                what,
                sender,
                sealed,
            } => {
                if let Some(open) = self.task_mut(task) {
                    open.kept.insert(what, (sender, sealed));
                }
            }
            JournalEntry::Filed(filed) => {
                if let Some(open) = self.task_mut(filed.task) {
                    let pending = true;
                    open.reports.push_back(FiledReport { filed, pending });
                }
            }
            JournalEntry::Delivered { message } => self.settle(message),
            JournalEntry::Refused(refused) => {
                self.settle(refused.message);
                self.refuse(refused);
            }
            JournalEntry::Ended { task } => {
                self.tasks.retain(|open| open.task != task);
                self.ended.push_back(task);
                if self.ended.len() > MAX_ENDED {
                    self.ended.pop_front();
                }
            }
        }
    }

    /// Notes that a report was rejected. Keeps the last one of each task, and counts them.
    fn refuse(&mut self, mut refused: RejectedReport) {
        let same = |before: &RejectedReport| refused.task.is_some() && before.task == refused.task;
        if let Some(at) = self.refused.iter().position(same)
            && let Some(before) = self.refused.remove(at)
        {
            refused.count += before.count;
        }
        self.refused.push_back(refused);
        if self.refused.len() > MAX_REFUSED {
            self.refused.pop_front();
        }
    }

    /// Forgets the rejected reports of a token, except those of one task: that later task went well.
    pub(crate) fn forget_refused(&mut self, serial: Serial, but: Uuid) {
        self.refused
            .retain(|refused| refused.serial != Some(serial) || refused.task == Some(but));
    }

    /// Marks a report as settled: it needs no more delivery. A report that was asked is remembered, because it may be asked again.
    fn settle(&mut self, message: Uuid) {
        for open in &mut self.tasks {
            open.reports
                .retain(|r| r.filed.message != message || r.filed.asked);
            for report in &mut open.reports {
                report.pending &= report.filed.message != message;
            }
        }
    }

    /// Marks a report for delivery, even if it was delivered before.
    pub(crate) fn ask_again(&mut self, message: Uuid) {
        let reports = self.tasks.iter_mut().flat_map(|open| &mut open.reports);
        for report in reports.filter(|r| r.filed.message == message) {
            report.pending = true;
        }
    }

    /// The entries that add up to this book: a rewritten journal holds just these.
    pub(crate) fn entries(&self, agent: &str) -> Vec<JournalEntry> {
        let mut entries = vec![JournalEntry::Opened {
            version: VERSION,
            agent: agent.to_owned(),
        }];
        entries.extend(
            self.ended
                .iter()
                .map(|task| JournalEntry::Ended { task: *task }),
        );
        entries.extend(self.refused.iter().cloned().map(JournalEntry::Refused));
        for open in &self.tasks {
            let task = open.task;
            entries.push(JournalEntry::Taken {
                task,
                signed: open.signed.clone(),
            });
            let kept = open.kept.iter();
            entries.extend(kept.map(|(what, (sender, sealed))| JournalEntry::Kept {
                task,
                what: what.clone(),
                sender: sender.clone(),
                sealed: sealed.clone(),
            }));
            for report in &open.reports {
                entries.push(JournalEntry::Filed(report.filed.clone()));
                if !report.pending {
                    let message = report.filed.message;
                    entries.push(JournalEntry::Delivered { message });
                }
            }
        }
        entries
    }
}

impl TakenTask {
    /// The next report to deliver.
    pub(crate) fn next(&self) -> Option<&Filed> {
        let mut pending = self.reports.iter().filter(|r| r.pending);
        pending.next().map(|r| &r.filed)
    }

    /// The number of reports that wait for delivery.
    pub(crate) fn undelivered(&self) -> usize {
        self.reports.iter().filter(|r| r.pending).count()
    }

    /// The message id under which the same report was asked before.
    pub(crate) fn asked_as(&self, report: &Report) -> Option<Uuid> {
        let asked = self.reports.iter().map(|r| &r.filed);
        let mut same = asked.filter(|f| f.asked && f.report == *report);
        same.next_back().map(|filed| filed.message)
    }

    /// True if a report that may end the task waits for its answer. Until then the task must not be walked again.
    pub(crate) fn awaits_verdict(&self) -> bool {
        let mut pending = self.reports.iter().filter(|r| r.pending && r.filed.asked);
        pending.any(|r| matches!(r.filed.report, Report::Proved(_) | Report::Failed(_)))
    }
}
