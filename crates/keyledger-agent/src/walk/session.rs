//! Working with a token that people can pull: waits for it, and begins a step again after an interruption.

use std::time::{Duration, Instant};

use keyledger_custody::Secret;
use keyledger_domain::{
    text::in_full,
    token::{Announcement, FailureCode, Firmware, Profile, Prompt, Report, TaskKind},
};

use super::{Halt, Walk};
use crate::{
    card::{self, CardError, Piv, Reference},
    desk::{LAST_TRIES, PinTries},
};

/// The pause between two looks for a missing token.
const LOOK: Duration = Duration::from_millis(300);
/// Another program may hold the token this long before the person is told.
const HELD_SHORTLY: Duration = Duration::from_secs(3);

/// The walk repeats what it waits for after this time.
const SAY_AGAIN: Duration = Duration::from_secs(5);

/// An answer that cannot be read is asked for again this often.
const STRANGE: u8 = 2;

/// From this firmware on, a token shows which keys it holds. Every step needs that, because it looks before it acts.
const METADATA: Firmware = Firmware::new(5, 3, 0);

impl Walk<'_> {
    /// Announces what the token shows, and checks that the token can do what the profile asks for.
    pub(super) fn announce(&mut self, profile: Option<&Profile>) -> Result<Announcement, Halt> {
        let seen = self.at_token(|_, piv| Ok(card::announcement(piv)?))?;
        let firmware = seen.firmware;
        self.desk.tell(Report::Announced(seen.clone()))?;
        if firmware < METADATA {
            let detail = format!(
                "firmware {firmware} does not show which keys are on the token; {METADATA} and later do"
            );
            return Err(Halt::failed(FailureCode::Unable, detail));
        }
        if let Some(Err(unable)) = profile.map(|profile| profile.suits(&seen)) {
            return Err(Halt::failed(FailureCode::Unable, unable.to_string()));
        }
        Ok(seen)
    }

    /// Does `work` with the token. Begins again if the token goes away meanwhile, or if the PIN is wrong.
    pub(super) fn at_token<T>(
        &mut self,
        mut work: impl FnMut(&mut Self, &mut Piv) -> Result<T, Halt>,
    ) -> Result<T, Halt> {
        let (mut interruptions, mut strange) = (0, 0);
        loop {
            let mut piv = self.open()?;
            let done = work(self, &mut piv).and_then(|done| {
                piv.is_still_itself()?;
                Ok(done)
            });
            let done = done.map_err(|halt| was_it_a_pull(&mut piv, halt));
            drop(piv); // release the token before asking people anything
            let error = match done {
                Ok(done) => {
                    self.keep_proved_pin()?;
                    return Ok(done);
                }
                Err(Halt::Fail(failure))
                    if failure.code == FailureCode::NotTouched && self.rests() =>
                {
                    self.rest(&failure.detail)?;
                    continue;
                }
                Err(Halt::Card(error)) => error,
                Err(halt) => return Err(halt),
            };
            interruptions += 1;
            if interruptions > self.patience.interruptions {
                let detail = format!("it was interrupted {interruptions} times");
                return Err(Halt::misbehaved_by(detail, error));
            }
            tracing::info!(serial = %self.serial, step = self.step.as_str(), error = in_full(&error), "begins again");
            // An answer that was damaged on the way is different the next time.
            if matches!(error, CardError::Malformed(_)) && strange < STRANGE {
                strange += 1;
                self.desk.pause(LOOK)?;
                continue;
            }
            self.get_over(error)?;
        }
    }

    /// True if the task waits for a person however long it takes: ended now, it would leave a token that is of no use.
    fn rests(&self) -> bool {
        self.task.kind == TaskKind::Provision
    }

    /// Nobody touched the token. Leaves the token alone for a while: a person who comes back finds the task where it was.
    fn rest(&mut self, why: &str) -> Result<(), Halt> {
        tracing::warn!(serial = %self.serial, "{why}: the walk asks again later");
        self.wait_for(Prompt::Touch, self.patience.rest)
    }

    /// Waits this long, and now and then says what for. The answers tell whether the task was cancelled meanwhile.
    fn wait_for(&mut self, what: Prompt, length: Duration) -> Result<(), Halt> {
        let begun = Instant::now();
        let mut said = begun;
        while begun.elapsed() < length {
            self.desk.pause(LOOK.min(length))?;
            if said.elapsed() >= SAY_AGAIN {
                said = Instant::now();
                self.desk.remind(self.serial, what)?;
            }
        }
        Ok(())
    }

    /// Handles an error, so that the same work can be tried again.
    ///
    /// # Errors
    ///
    /// The error itself, if trying again cannot help.
    fn get_over(&mut self, error: CardError) -> Result<(), Halt> {
        match error {
            CardError::Wrong {
                what: Reference::Pin,
                tries,
            } => {
                self.pin = Some(self.another_pin(Reference::Pin, tries)?);
                self.pin_is_unproved = true;
            }
            CardError::Wrong {
                what: Reference::OpenpgpPin,
                tries,
            } => self.openpgp_pin = Some(self.another_pin(Reference::OpenpgpPin, tries)?),
            CardError::TooSimple(Reference::Pin | Reference::OpenpgpPin) => {
                self.choose_another_pin()?;
            }
            CardError::TooSimple(made) => self.make_another(made)?,
            CardError::Blocked(Reference::Pin) if self.may_unblock() => {
                self.unblock_with_own_puk()?;
            }
            passing if passing.is_passing() => self.desk.pause(LOOK)?,
            error => return Err(error.into()),
        }
        Ok(())
    }

    /// Asks for the PIN after a wrong one. Does not try the same PIN again: a program that remembers PINs would use up all tries.
    fn another_pin(&mut self, what: Reference, left: u8) -> Result<Secret, Halt> {
        let was_wrong = true;
        let pin = self.desk.pin(self.serial, PinTries { left, was_wrong })?;
        let own = self.openpgp_pin.as_ref();
        let own = own.filter(|_| what == Reference::OpenpgpPin);
        let wrong = own.or(self.pin.as_ref()); // OpenPGP was tried with PIV's PIN first
        if wrong.is_some_and(|wrong| wrong.expose() == pin.expose()) {
            let detail = "the same wrong PIN was given twice, and not tried again";
            return Err(Halt::failed(FailureCode::Declined, detail));
        }
        Ok(pin)
    }

    /// Keeps the PIN that a person typed, once the token has accepted it. If a wrong PIN were kept, each start of the agent would cost a try.
    fn keep_proved_pin(&mut self) -> Result<(), Halt> {
        if std::mem::take(&mut self.pin_is_unproved)
            && let Some(pin) = &self.pin
        {
            self.desk.keep("pin", pin)?;
        }
        Ok(())
    }

    /// The tries of the token's PUK, in a task that needs a PUK.
    pub(super) fn puk_tries(&self, piv: &mut Piv) -> Result<card::ReferenceTries, Halt> {
        let shown = piv.puk_tries()?;
        shown.ok_or_else(|| {
            let detail = "the token has no PUK: use a token without a fingerprint reader";
            Halt::failed(FailureCode::Unable, detail)
        })
    }

    /// Keeps the PIN for the rest of the task.
    pub(super) fn know_pin(&mut self, pin: Secret) -> Result<(), Halt> {
        self.desk.keep("pin", &pin)?;
        self.pin = Some(pin);
        Ok(())
    }

    /// Asks the person for the PIN, unless this task knows it already.
    pub(super) fn ask_for_pin(&mut self) -> Result<(), Halt> {
        let left = self.at_token(|_, piv| Ok(piv.pin_tries()?))?.left;
        if left == 0 {
            return Err(CardError::Blocked(Reference::Pin).into());
        }
        // Leave the last tries to the person, who is warned: the kept PIN may have been changed elsewhere meanwhile.
        if left > LAST_TRIES
            && let Some(pin) = self.desk.kept("pin")?
        {
            self.pin = Some(pin);
            return Ok(());
        }
        let was_wrong = false;
        self.pin = Some(self.desk.pin(self.serial, PinTries { left, was_wrong })?);
        self.pin_is_unproved = true;
        self.at_token(|walk, piv| walk.give_pin(piv))
    }

    /// Gives the PIN to the token.
    pub(super) fn give_pin(&self, piv: &mut Piv) -> Result<(), Halt> {
        Ok(piv.verify_pin(self.pin()?.expose())?)
    }

    pub(super) fn pin(&self) -> Result<&Secret, Halt> {
        let pin = self.pin.as_ref();
        pin.ok_or_else(|| Halt::misbehaved("the PIN is needed and not known"))
    }

    /// True if this task made both the PUK and the PIN. Then a blocked PIN is no reason to stop.
    fn may_unblock(&self) -> bool {
        self.task.kind == TaskKind::Provision && self.secrets.is_some() && self.pin.is_some()
    }

    fn unblock_with_own_puk(&mut self) -> Result<(), Halt> {
        let mut piv = self.open()?;
        if let (Some(secrets), Some(pin)) = (&self.secrets, &self.pin) {
            piv.unblock_pin(secrets.puk.expose(), pin.expose())?;
        }
        Ok(())
    }

    /// Says what is missing, at once and then now and then. The answers tell whether the task was cancelled meanwhile.
    fn say_missing(&mut self, missing: &mut Option<Missing>, prompt: Prompt) -> Result<(), Halt> {
        match missing {
            Some(known) if known.prompt == prompt && known.said.elapsed() < SAY_AGAIN => {
                return Ok(());
            }
            Some(known) if known.prompt == prompt => self.desk.remind(self.serial, prompt)?,
            _ => self.desk.show(self.serial, prompt, "")?,
        }
        let said = Instant::now();
        *missing = Some(Missing { prompt, said });
        Ok(())
    }

    /// Opens the token. Waits without limit until it is plugged in, and for a limited time if another program holds it.
    fn open(&mut self) -> Result<Piv, Halt> {
        let mut missing: Option<Missing> = None;
        let mut held: Option<Hold> = None;
        loop {
            match card::open(self.serial) {
                Ok(piv) => return Ok(piv),
                Err(error) if error.is_passing() => {
                    let prompt = match error {
                        CardError::NoService => Prompt::StartPcscd,
                        _ => Prompt::InsertToken,
                    };
                    self.say_missing(&mut missing, prompt)?;
                }
                Err(error @ CardError::Held { .. }) => {
                    let hold = held.get_or_insert_with(Hold::begin);
                    if hold.since.elapsed() >= self.patience.held {
                        return Err(error.into());
                    }
                    if !hold.shown && hold.since.elapsed() >= HELD_SHORTLY {
                        hold.shown = true;
                        tracing::warn!(serial = %self.serial, %error, "waiting for another program to release the token");
                        self.desk.show(self.serial, Prompt::ReleaseToken, "")?;
                    }
                }
                Err(error) => return Err(error.into()),
            }
            self.desk.pause(LOOK)?;
        }
    }
}

/// What has been missing, and when the person was last told.
struct Missing {
    prompt: Prompt,
    said: Instant,
}

/// Finds out whether a pull has cut off an unexpected answer. If so, the error becomes one that waiting helps against.
fn was_it_a_pull(piv: &mut Piv, halt: Halt) -> Halt {
    match halt {
        Halt::Card(error) if error.may_be_a_pull() => match piv.is_still_itself() {
            Err(gone) if gone.is_passing() => Halt::Card(gone),
            _ => Halt::Card(error),
        },
        halt => halt,
    }
}

/// Since when another program has held the token, and whether the person was told.
struct Hold {
    since: Instant,
    shown: bool,
}

impl Hold {
    fn begin() -> Self {
        // Mostly it is the user's own GnuPG, which releases the token if it is asked.
        if card::ask_scdaemon_to_let_go() {
            tracing::info!("asked scdaemon to release the token");
        }
        Self {
            since: Instant::now(),
            shown: false,
        }
    }
}
