//! The walk of a task: from whatever state the token is in, to the proof that it is what the task asks for.
//!
//! | module | step |
//! |---|---|
//! | `session` | waits for the token, and begins a step again if the token was pulled |
//! | `reset` | resets the token to the factory's state, once in a task, after the person typed its serial number |
//! | `secrets` | makes PUK, management key and PIN: first into custody, then onto the token |
//! | `keys`, `request` | makes and attests keys, asks for certificates and writes them |
//! | `escrow` | imports the OpenPGP decryption key from custody |
//! | `openpgp` | the OpenPGP applet, from its PINs to the proofs of its keys |
//! | `proof` | has each key sign the nonce, and tries the factory's secrets |
//! | `repair` | unblocks a PIN, or sets new secrets |
//! | `ways_in` | finds out which of custody's secrets open the token |
//! | `signature` | not a step of a task: one signature for the person |
//!
//! *Invariant:* each step first looks at the token and does only what is missing, so any step may run twice. A secret that the token does
//! not show (a PIN, a PUK, a management key) is in the desk's journal before it is on the token.

mod escrow;
mod keys;
mod openpgp;
mod proof;
mod repair;
mod request;
mod reset;
mod secrets;
mod session;
mod signature;
mod ways_in;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use keyledger_custody::{ProviderFailure, Secret, TokenSecrets};
use keyledger_domain::{
    text::{Note, in_full},
    token::{Failure, FailureCode, Profile, Progress, Report, Serial, Step, TaskFiled, TaskKind},
};
use keyledger_wire::ReportReply;

pub(crate) use signature::sign;

use crate::{
    card::{CardError, Reference},
    desk::{Desk, DeskError, TaskOver},
};

/// How a walk ended. In each case the task is over for this agent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WalkEnd {
    /// The service accepted the evidence.
    Proved {
        /// The token's state, as the service names it.
        state: String,
    },
    /// The service did not accept the evidence: the token is not what the task asks for.
    Faulted {
        /// Why.
        fault: String,
    },
    /// The token cannot be made what the task asks for. The service has been told.
    Failed {
        /// Why.
        code: FailureCode,
        /// What happened.
        detail: String,
    },
    /// The service does not want the task any more, or rejected the last report.
    Closed {
        /// How that is known.
        why: TaskOver,
    },
}

/// How long a walk waits for programs and people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Another program may hold the token this long before the task fails.
    pub held: Duration,
    /// The walk asks for a touch this often. Each time the token waits 15 s.
    pub touches: u8,
    /// If nobody touched the token, and the task may wait for a person, the walk leaves the token alone this long.
    pub rest: Duration,
    /// One step may be interrupted this often, by a token that vanishes during a command or by a wrong PIN. A person pulls a token once or
    /// twice; a broken contact interrupts for ever.
    pub interruptions: u16,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            held: Duration::from_secs(120),
            touches: 4,
            rest: Duration::from_secs(60),
            interruptions: 50,
        }
    }
}

/// Walks a task to its end, on the token with this serial number. Blocks as long as people and networks take. Two walks on one token wait
/// for each other.
///
/// # Errors
///
/// [`DeskError::Stopping`], [`DeskError::Journal`] or [`DeskError::Workstation`]: walk the task again, and it goes on where it was.
pub fn walk(task: &TaskFiled, token: Serial, desk: &mut dyn Desk) -> Result<WalkEnd, DeskError> {
    walk_within(Patience::default(), task, token, desk)
}

/// Walks a task as [`walk`] does, with another patience.
///
/// # Errors
///
/// As [`walk`].
pub fn walk_within(
    patience: Patience,
    task: &TaskFiled,
    token: Serial,
    desk: &mut dyn Desk,
) -> Result<WalkEnd, DeskError> {
    let lock = lock_of(token);
    let _one_at_a_time = lock.lock().unwrap_or_else(PoisonError::into_inner);
    let mut walk = Walk {
        task,
        serial: token,
        desk,
        patience,
        step: Step::Taken,
        pin: None,
        pin_is_unproved: false,
        openpgp_pin: None,
        secrets: None,
        made_anew: 0,
    };
    let halt = match walk.run() {
        Ok(end) => return Ok(end),
        Err(halt) => halt,
    };
    match halt {
        Halt::Over(end) => Ok(end),
        Halt::Desk(DeskError::TaskOver(why)) => Ok(WalkEnd::Closed { why }),
        // The task is still open, and must not stay so for ever: somebody has to hear of it. The token is left as it is. An agent that may
        // do nothing any more has this report rejected too.
        Halt::Desk(DeskError::Rejected(refusal)) => {
            walk.fail(FailureCode::Refused, refusal.to_string())
        }
        Halt::Desk(error @ DeskError::Declined) => {
            walk.fail(FailureCode::Declined, error.to_string())
        }
        Halt::Desk(
            error @ (DeskError::Stopping | DeskError::Journal(_) | DeskError::Workstation(_)),
        ) => Err(error),
        Halt::Fail(failure) => walk.fail(failure.code, in_full(&failure)),
        Halt::Card(error) => match code_of(&error) {
            Some(code) => walk.fail(code, in_full(&error)),
            None => Err(DeskError::Workstation(Box::new(error))),
        },
    }
}

/// A lock for each token that was ever walked on.
static WALKS: Mutex<BTreeMap<Serial, Arc<Mutex<()>>>> = Mutex::new(BTreeMap::new());

fn lock_of(token: Serial) -> Arc<Mutex<()>> {
    let mut walks = WALKS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(walks.entry(token).or_default())
}

/// A task that is being walked.
struct Walk<'a> {
    task: &'a TaskFiled,
    serial: Serial,
    desk: &'a mut dyn Desk,
    patience: Patience,
    step: Step,
    /// The PIN, once it is known.
    pin: Option<Secret>,
    /// True if the token has not accepted the PIN yet.
    pin_is_unproved: bool,
    /// The PIN of the OpenPGP applet, if the person has set it to another one.
    openpgp_pin: Option<Secret>,
    /// The token's secrets, once they are known.
    secrets: Option<TokenSecrets>,
    /// How often the token found one of the secrets too simple.
    made_anew: u8,
}

/// Why a step stopped.
enum Halt {
    Desk(DeskError),
    Card(CardError),
    Fail(StepError),
    Over(WalkEnd),
}

/// Why a task failed, as the ledger is told.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
struct StepError {
    code: FailureCode,
    detail: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl From<CardError> for Halt {
    fn from(error: CardError) -> Self {
        Self::Card(error)
    }
}

impl From<DeskError> for Halt {
    fn from(error: DeskError) -> Self {
        Self::Desk(error)
    }
}

impl From<ProviderFailure> for Halt {
    fn from(failure: ProviderFailure) -> Self {
        Self::Desk(DeskError::Workstation(Box::new(failure)))
    }
}

impl Halt {
    fn failed(code: FailureCode, detail: impl Into<String>) -> Self {
        Self::Fail(StepError {
            code,
            detail: detail.into(),
            source: None,
        })
    }

    fn failed_by(
        code: FailureCode,
        detail: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Fail(StepError {
            code,
            detail: detail.into(),
            source: Some(source.into()),
        })
    }

    fn misbehaved(detail: impl Into<String>) -> Self {
        Self::failed(FailureCode::Misbehaved, detail)
    }

    fn misbehaved_by(
        detail: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::failed_by(FailureCode::Misbehaved, detail, source)
    }
}

impl Walk<'_> {
    fn run(&mut self) -> Result<WalkEnd, Halt> {
        self.begin(Step::Taken)?;
        match self.task.kind {
            TaskKind::Provision => self.provision(),
            TaskKind::Verify => self.verify(),
            TaskKind::Reset => self.reset_only(),
            TaskKind::Unblock => self.unblock(),
            TaskKind::RotateSecrets => self.rotate_secrets(),
        }
    }

    fn provision(&mut self) -> Result<WalkEnd, Halt> {
        let profile = self.profile()?.clone();
        self.announce(Some(&profile))?;
        self.show_attester()?;
        self.reset_once()?;
        self.begin(Step::Secrets)?;
        self.make_secrets(&profile)?;
        self.choose_pin(&profile.pin)?;
        self.set_secrets(&profile.pin)?;
        if let Some(plan) = &profile.openpgp {
            self.set_openpgp_secrets(plan)?;
        }
        self.begin(Step::Keys)?;
        self.make_keys(&profile)?;
        if let Some(plan) = &profile.openpgp {
            // This comes before the certificates, because one report names all keys.
            self.begin(Step::Openpgp)?;
            self.make_openpgp_keys(plan)?;
        }
        self.begin(Step::Certificates)?;
        self.write_certificates(&profile)?;
        self.prove(&profile)
    }

    fn verify(&mut self) -> Result<WalkEnd, Halt> {
        let profile = self.profile()?.clone();
        self.announce(None)?;
        self.ask_for_pin()?;
        self.check_ways_in()?;
        self.check_management_key()?;
        self.prove(&profile)
    }

    /// The profile of a task that needs one.
    fn profile(&self) -> Result<&Profile, Halt> {
        let profile = self.task.profile.as_ref();
        profile.ok_or_else(|| Halt::misbehaved("the task names no profile"))
    }

    /// Begins a step, and tells the service.
    fn begin(&mut self, step: Step) -> Result<(), Halt> {
        self.step = step;
        self.say(None)
    }

    /// Begins a step that cannot be undone, after the service has said that the task is still open.
    fn begin_for_certain(&mut self, step: Step) -> Result<(), Halt> {
        self.step = step;
        let progress = Progress {
            serial: self.serial,
            step,
            prompt: None,
            at: None,
        };
        self.ask(Report::Progressed(progress))?;
        Ok(())
    }

    /// Tells the service what is being worked on.
    fn say(&mut self, at: Option<&str>) -> Result<(), Halt> {
        self.desk.tell(Report::Progressed(Progress {
            serial: self.serial,
            step: self.step,
            prompt: None,
            at: at.and_then(|at| Note::new(at).ok()),
        }))?;
        Ok(())
    }

    /// Files a report and waits for its answer. Stops the walk if the answer ends the task.
    fn ask(&mut self, report: Report) -> Result<ReportReply, Halt> {
        let reply = self.desk.ask(report)?;
        if let Some(fault) = reply.fault {
            return Err(Halt::Over(WalkEnd::Faulted { fault }));
        }
        if !reply.task_open {
            let why = TaskOver::Closed { state: reply.state };
            return Err(Halt::Over(WalkEnd::Closed { why }));
        }
        Ok(reply)
    }

    /// Ends the walk: the task has failed, and the service is told.
    fn fail(&mut self, code: FailureCode, detail: String) -> Result<WalkEnd, DeskError> {
        let report = Report::Failed(Failure {
            serial: self.serial,
            code,
            detail: note(&detail),
        });
        match self.desk.ask(report) {
            Ok(_) => Ok(WalkEnd::Failed { code, detail }),
            Err(DeskError::TaskOver(why)) => Ok(WalkEnd::Closed { why }),
            Err(DeskError::Rejected(refusal)) => Ok(WalkEnd::Closed {
                why: TaskOver::Rejected(refusal),
            }),
            Err(
                error @ (DeskError::Stopping
                | DeskError::Declined
                | DeskError::Journal(_)
                | DeskError::Workstation(_)),
            ) => Err(error),
        }
    }
}

/// A detail as a note, cut to the length of a note.
fn note(detail: &str) -> Note {
    // A character has at most 4 bytes, a note at most 500.
    let most = if detail.is_ascii() { 500 } else { 125 };
    let kept: String = detail.chars().take(most).collect();
    Note::new(&kept)
        .or_else(|_| Note::new("what happened cannot be written as one line"))
        .expect("this is one line of plain text")
}

/// The code with which a task fails after an error; nothing if the workstation is at fault, and not the token.
const fn code_of(error: &CardError) -> Option<FailureCode> {
    use Reference as R;
    Some(match error {
        CardError::NoThread(_) | CardError::Provider(_) => return None,
        CardError::Held { .. } => FailureCode::Held,
        CardError::SerialChanged { .. } => FailureCode::SerialChanged,
        CardError::WithoutPiv(_) => FailureCode::Unable,
        CardError::ManagementKey => FailureCode::ManagementKeyUnknown,
        CardError::Blocked(R::Pin | R::OpenpgpPin) => FailureCode::PinBlocked,
        // If the PUK or an admin secret is wrong, the token does not have custody's any more. As with a blocked PUK, only a reset helps.
        CardError::Blocked(R::Puk | R::OpenpgpAdminPin | R::OpenpgpResetCode)
        | CardError::Wrong {
            what: R::Puk | R::OpenpgpAdminPin | R::OpenpgpResetCode,
            ..
        } => FailureCode::PukBlocked,
        CardError::Wrong {
            what: R::Pin | R::OpenpgpPin,
            ..
        }
        | CardError::NoService
        | CardError::Absent(_)
        | CardError::Removed { .. }
        | CardError::Unnumbered
        | CardError::Restricted
        | CardError::TooSimple(_)
        | CardError::Denied(_)
        | CardError::Nothing(_)
        | CardError::Status { .. }
        | CardError::Malformed(_)
        | CardError::Silent(_)
        | CardError::Service(_) => FailureCode::Misbehaved,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_workstation_is_none_of_the_token() {
        let no_thread = CardError::NoThread(std::io::ErrorKind::WouldBlock);
        for of_workstation in [no_thread, CardError::Provider(ProviderFailure)] {
            assert_eq!(code_of(&of_workstation), None, "{of_workstation}");
        }
        let halt = Halt::from(ProviderFailure);
        assert!(matches!(halt, Halt::Desk(DeskError::Workstation(_))));
    }

    #[test]
    fn a_token_that_answers_nonsense_misbehaves() {
        let code = code_of(&CardError::Malformed("a command"));
        assert_eq!(code, Some(FailureCode::Misbehaved));
    }
}
