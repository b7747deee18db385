//! A desk whose journal survives the agent, with a person who does what is asked.

use std::{collections::BTreeMap, time::Duration};

use keyledger_agent::{
    desk::{Desk, DeskError, PinTries},
    walk::{Patience, WalkEnd, walk_within},
};
use keyledger_custody::Secret;
use keyledger_domain::token::{PinRules, Profile, Prompt, Report, Serial, TaskKind};
use keyledger_testkit::token::Token;
use keyledger_wire::{Refusal, ReportReply, Status};

use crate::service::Service;

/// The PIN that the person chooses if the token refuses the first.
pub(crate) const OTHER_PIN: &str = "31415927";
/// The PIN that the person chooses.
pub(crate) const PIN: &str = "27182818";

/// A desk, its service and its person.
pub(crate) struct TestDesk {
    pub(crate) service: Service,
    journal: BTreeMap<&'static str, Vec<u8>>,
    /// The reports of all runs, in order.
    pub(crate) reports: Vec<Report>,
    pub(crate) prompts: Vec<Prompt>,
    /// How often the person confirmed a reset. The next field counts the questions for a PIN.
    pub(crate) resets_confirmed: usize,
    pub(crate) pins_asked: usize,
    /// The PIN that the person types when asked for it.
    pub(crate) types: String,
    /// True if the person types another wrong PIN each time.
    pub(crate) guesses: bool,
    /// What the person was told of the tries, each time.
    pub(crate) tries: Vec<PinTries>,
    /// The agent is killed at this call of the desk, counted from 1.
    pub(crate) kill_at: Option<Kill>,
    calls: usize,
    /// What happens while the walk waits.
    pub(crate) while_waiting: Option<Box<dyn FnMut() + Send>>,
    /// What happens when the person is shown a prompt.
    pub(crate) when_shown: Option<Box<dyn FnMut(Prompt) + Send>>,
    /// True if the person does not agree to a reset.
    pub(crate) declines: bool,
    pub(crate) patience: Patience,
}

/// When the agent is killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kill {
    /// Before the call has any effect.
    Before(usize),
    /// After the effect, and before the walk knows of it.
    After(usize),
}

impl TestDesk {
    pub(crate) fn with_task(kind: TaskKind, profile: Option<Profile>) -> Self {
        Self {
            service: Service::with_task(kind, profile),
            journal: BTreeMap::new(),
            reports: Vec::new(),
            prompts: Vec::new(),
            resets_confirmed: 0,
            pins_asked: 0,
            types: PIN.to_owned(),
            guesses: false,
            tries: Vec::new(),
            kill_at: None,
            calls: 0,
            while_waiting: None,
            when_shown: None,
            declines: false,
            patience: Patience {
                held: Duration::from_secs(6),
                ..Patience::default()
            },
        }
    }

    /// A desk with a task to provision by the PIV part of a shipped profile.
    pub(crate) fn provision(profile: &str) -> Self {
        Self::with_task(TaskKind::Provision, Some(piv_part(profile)))
    }

    /// The next task: the journal of the last one is gone.
    pub(crate) fn file(&mut self, kind: TaskKind) {
        self.service.file(kind);
        self.journal.clear();
        self.reports.clear();
        self.prompts.clear();
    }

    /// Walks the task from the beginning of a run.
    pub(crate) fn walk(&mut self, token: &Token) -> Result<WalkEnd, DeskError> {
        self.walk_with(serial(token))
    }

    /// The same with any token.
    pub(crate) fn walk_with(&mut self, serial: Serial) -> Result<WalkEnd, DeskError> {
        self.calls = 0;
        let task = self.service.task.clone();
        walk_within(self.patience, &task, serial, self)
    }

    /// Walks the task, and checks that it went well.
    pub(crate) fn walk_to_proof(&mut self, token: &Token) {
        let end = self.walk(token);
        assert!(matches!(end, Ok(WalkEnd::Proved { .. })), "{end:?}");
    }

    /// The secrets in the journal, and in custody, as bytes that must be nowhere else.
    pub(crate) fn journal(&self) -> &BTreeMap<&'static str, Vec<u8>> {
        &self.journal
    }

    fn call<T>(&mut self, effect: impl FnOnce(&mut Self) -> T) -> Result<T, DeskError> {
        self.calls += 1;
        if self.kill_at == Some(Kill::Before(self.calls)) {
            return Err(DeskError::Stopping);
        }
        let done = effect(self);
        if self.kill_at == Some(Kill::After(self.calls)) {
            return Err(DeskError::Stopping);
        }
        Ok(done)
    }
}

impl Desk for TestDesk {
    fn tell(&mut self, report: Report) -> Result<(), DeskError> {
        self.call(|desk| desk.reports.push(report))
    }

    fn ask(&mut self, report: Report) -> Result<ReportReply, DeskError> {
        let refused = match &report {
            Report::SecretsWanted(_) => self.service.refuses_secrets,
            Report::AttesterShown(_) => self.service.refuses_attester,
            _ => None,
        };
        if let Some((reason, message)) = refused {
            return Err(Box::new(rejection(reason, message)).into());
        }
        self.call(|desk| {
            desk.reports.push(report.clone());
            desk.service.take(report)
        })
    }

    fn keep(&mut self, what: &'static str, secret: &Secret) -> Result<(), DeskError> {
        let bytes = secret.expose().to_vec();
        self.call(|desk| drop(desk.journal.insert(what, bytes)))
    }

    fn kept(&mut self, what: &'static str) -> Result<Option<Secret>, DeskError> {
        Ok(self.journal.get(what).cloned().map(Secret::new))
    }

    fn show(&mut self, _: Serial, prompt: Prompt, _: &str) -> Result<(), DeskError> {
        self.call(|desk| {
            desk.prompts.push(prompt);
            if let Some(event) = &mut desk.when_shown {
                event(prompt);
            }
        })
    }

    fn new_pin(&mut self, _: Serial, _: &PinRules) -> Result<Secret, DeskError> {
        self.call(|_| Secret::new(PIN.into()))
    }

    fn another_pin(&mut self, _: Serial, _: &PinRules) -> Result<Secret, DeskError> {
        self.call(|_| Secret::new(OTHER_PIN.into()))
    }

    fn pin(&mut self, _: Serial, tries: PinTries) -> Result<Secret, DeskError> {
        self.call(|desk| {
            desk.pins_asked += 1;
            desk.tries.push(tries);
            let typed = if desk.guesses {
                format!("{:08}", 31_415_926 + desk.pins_asked)
            } else {
                desk.types.clone()
            };
            Secret::new(typed.into_bytes())
        })
    }

    fn confirm_reset(&mut self, _: Serial) -> Result<(), DeskError> {
        if self.declines {
            return Err(DeskError::Declined);
        }
        self.call(|desk| desk.resets_confirmed += 1)
    }

    fn pause(&mut self, length: Duration) -> Result<(), DeskError> {
        if self.prompts.last() == Some(&Prompt::StartPcscd) {
            return Err(DeskError::Stopping); // nobody will
        }
        if let Some(event) = &mut self.while_waiting {
            event();
        }
        std::thread::sleep(length);
        Ok(())
    }
}

/// The service's answer when a rule rejects a report.
fn rejection(reason: &str, message: &str) -> Refusal {
    Refusal {
        status: Status::Rejected,
        command_id: None,
        correlation_id: None,
        reason: reason.to_owned(),
        message: message.to_owned(),
        code: 422,
        retry_after_ms: None,
    }
}

/// A shipped profile without its OpenPGP part.
pub(crate) fn piv_part(name: &str) -> Profile {
    Profile {
        openpgp: None,
        ..Profile::shipped(name).unwrap()
    }
}

pub(crate) fn serial(token: &Token) -> Serial {
    Serial::new(token.serial()).unwrap()
}
