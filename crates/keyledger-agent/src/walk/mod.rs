//! The walk of a task: from wherever the token stands to the proof that it is what the task asks for.
//!
//! | module | step |
//! |---|---|
//! | `session` | waits for the token, begins again where it was pulled |
//! | `reset` | back to the factory's state, once a task, after the person typed the serial number |
//! | `secrets` | PUK, management key and PIN: into custody first, then onto the token |
//! | `keys`, `request` | keys made and attested, certificates asked for and written |
//! | `escrow` | the OpenPGP key that decrypts, from custody onto the token |
//! | `openpgp` | the OpenPGP keys, from their PINs to their proofs |
//! | `proof` | each key signs the nonce; the factory's secrets are tried |
//! | `repair` | a blocked PIN, new secrets |
//! | `ways_in` | what custody has that may open the token, told apart |
//! | `signature` | no step of a task: one signature for the person |
//!
//! *Invariant:* each step first looks at the token and does what is missing, so that any of them may run twice; what could not be
//! looked at (a PIN, a PUK, a management key) is in the desk's journal before it is on the token.

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

use keyledger_custody::{Secret, TokenSecrets};
use keyledger_domain::{
    text::Note,
    token::{Failure, FailureCode, Profile, Progress, Report, Serial, Step, TaskFiled, TaskKind},
};
use keyledger_wire::ReportReply;

pub(crate) use signature::sign;

use crate::{
    card::{CardError, Reference},
    desk::{Desk, DeskError},
    in_full::in_full,
};

/// How a walk ended. The task is over for this agent, whichever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WalkEnd {
    /// The service took the evidence.
    Proved {
        /// The token's state, in the service's word.
        state: String,
    },
    /// The service did not: the token is not what the task asks for.
    Faulted {
        /// Why.
        fault: String,
    },
    /// The token could not be made what the task asks for; the service knows.
    Failed {
        /// Why.
        code: FailureCode,
        /// What was seen.
        detail: String,
    },
    /// The service does not want the task walked any more, or refuses a report for good.
    Closed {
        /// Why.
        why: String,
    },
}

/// How long is waited for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long another program may hold the token, before the task has failed.
    pub held: Duration,
    /// How often a touch is waited for: each time 15 s, as the token sets it.
    pub touches: u8,
    /// How long nothing is asked of a token that nobody touched, in a task that waits for somebody.
    pub rest: Duration,
    /// How often one step may be interrupted: by a token that vanishes in mid-command, by a wrong PIN. A person pulls it once or twice; a
    /// broken contact, for ever.
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

/// Walks a task with the token of this serial number, to its end. Blocks, for as long as people and networks take; two walks
/// with one token wait for each other.
///
/// # Errors
///
/// [`DeskError::Stopping`] or [`DeskError::Journal`]: walk the task again, and it goes on where it was.
pub fn walk(task: &TaskFiled, token: Serial, desk: &mut dyn Desk) -> Result<WalkEnd, DeskError> {
    walk_within(Patience::default(), task, token, desk)
}

/// [`walk`], with another patience.
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
        Halt::Desk(error @ (DeskError::Stopping | DeskError::Journal(_))) => Err(error),
        Halt::Fail(failure) => walk.fail(failure.code, in_full(&failure)),
        Halt::Card(error) => walk.fail(code_of(&error), in_full(&error)),
    }
}

/// Walks that are under way, or were.
static WALKS: Mutex<BTreeMap<Serial, Arc<Mutex<()>>>> = Mutex::new(BTreeMap::new());

fn lock_of(token: Serial) -> Arc<Mutex<()>> {
    let mut walks = WALKS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(walks.entry(token).or_default())
}

/// A task under way.
struct Walk<'a> {
    task: &'a TaskFiled,
    serial: Serial,
    desk: &'a mut dyn Desk,
    patience: Patience,
    step: Step,
    /// The PIN, once it is known.
    pin: Option<Secret>,
    /// True of a PIN that the token has not taken yet.
    pin_is_unproved: bool,
    /// The PIN of the OpenPGP applet, where the person made it another one.
    openpgp_pin: Option<Secret>,
    /// The token's secrets, once they are known.
    secrets: Option<TokenSecrets>,
    /// How often the token found them too simple.
    made_anew: u8,
}

/// Why a step does not go on.
enum Halt {
    Desk(DeskError),
    Card(CardError),
    Fail(StepFailure),
    Over(WalkEnd),
}

/// What the ledger is told of a task that failed.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
struct StepFailure {
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

impl Halt {
    fn failed(code: FailureCode, detail: impl Into<String>) -> Self {
        Self::Fail(StepFailure {
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
        Self::Fail(StepFailure {
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
            // Before certificates are asked for: one report names all keys.
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

    /// Says that a step begins.
    fn begin(&mut self, step: Step) -> Result<(), Halt> {
        self.step = step;
        self.say(None)
    }

    /// Begins a step that cannot be undone: only when the service has heard of it, and still wants it.
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

    /// Says what is being worked on.
    fn say(&mut self, at: Option<&str>) -> Result<(), Halt> {
        self.desk.tell(Report::Progressed(Progress {
            serial: self.serial,
            step: self.step,
            prompt: None,
            at: at.and_then(|at| Note::new(at).ok()),
        }))?;
        Ok(())
    }

    /// Reports what the walk cannot go on without an answer to.
    fn ask(&mut self, report: Report) -> Result<ReportReply, Halt> {
        let reply = self.desk.ask(report)?;
        if let Some(fault) = reply.fault {
            return Err(Halt::Over(WalkEnd::Faulted { fault }));
        }
        if !reply.task_open {
            let why = format!("the token is {}, and the task is closed", reply.state);
            return Err(Halt::Over(WalkEnd::Closed { why }));
        }
        Ok(reply)
    }

    /// The end: the task cannot go on, and the service must know.
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
                why: refusal.to_string(),
            }),
            Err(error) => Err(error),
        }
    }
}

/// A detail as a note: cut to what one holds.
fn note(detail: &str) -> Note {
    // A character has at most 4 bytes, a note at most 500.
    let most = if detail.is_ascii() { 500 } else { 125 };
    let kept: String = detail.chars().take(most).collect();
    Note::new(&kept)
        .or_else(|_| Note::new("what was seen cannot be written as one line"))
        .expect("this is one line of plain text")
}

const fn code_of(error: &CardError) -> FailureCode {
    use Reference as R;
    match error {
        CardError::Held { .. } => FailureCode::Held,
        CardError::SerialChanged { .. } => FailureCode::SerialChanged,
        CardError::WithoutPiv(_) => FailureCode::Unable,
        CardError::ManagementKey => FailureCode::ManagementKeyUnknown,
        CardError::Blocked(R::Pin | R::OpenpgpPin) => FailureCode::PinBlocked,
        CardError::Blocked(_) => FailureCode::PukBlocked,
        // A secret that custody has is not the token's any more: as with a blocked one, only a reset helps.
        CardError::Wrong {
            what: R::Puk | R::OpenpgpAdminPin | R::OpenpgpResetCode,
            ..
        } => FailureCode::PukBlocked,
        _ => FailureCode::Misbehaved,
    }
}
