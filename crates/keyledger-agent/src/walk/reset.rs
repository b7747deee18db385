//! Back to the factory's state.

use keyledger_custody::{ProviderFailure, Secret};
use keyledger_domain::token::{
    AttesterShown, Evidence, FailureCode, Report, Step, TaskKind, Unsuited,
};

use super::{Halt, Walk, WalkEnd};
use crate::card::{self, CardError, FACTORY_PIN, Openpgp, PinPurpose, Piv};

/// The person typed the serial number.
const CONFIRMED: &str = "reset.confirmed";
/// It was reset in this task.
const DONE: &str = "reset";

/// Wrong PINs or PUKs until a token must be blocked: more than it can be told to count.
const MOST_TRIES: u16 = 256;

impl Walk<'_> {
    /// Resets the token, unless it was reset in this task; with the person's consent where there is something to lose.
    pub(super) fn reset_once(&mut self) -> Result<(), Halt> {
        if self.desk.kept(DONE)?.is_some() {
            return Ok(());
        }
        let openpgp = self.openpgp_to_reset()?;
        let fresh = self.at_token(|_, piv| {
            Ok(is_factory_fresh(piv)? && (!openpgp || piv.with_openpgp(|card| card.is_empty())?))
        })?;
        if !fresh && self.desk.kept(CONFIRMED)?.is_none() {
            self.desk.confirm_reset(self.serial)?;
            // What is begun is not asked for again, though the token now looks as if somebody had used it.
            self.desk.keep(CONFIRMED, &Secret::new(b"yes".to_vec()))?;
        }
        // Said only now: until the person agreed, everything on it is as it was. And not before the service has heard it: a task
        // that was cancelled while the person was asked destroys nothing.
        self.begin_for_certain(Step::Reset)?;
        self.at_token(|_, piv| {
            reset(piv)?;
            if openpgp {
                piv.with_openpgp(reset_openpgp)?;
            }
            Ok(())
        })?;
        self.desk.keep(DONE, &Secret::new(b"done".to_vec()))?;
        Ok(())
    }

    /// Asks whether anybody is believed to vouch for the token, before anything on it is destroyed: a key on it could prove nothing else.
    pub(super) fn show_attester(&mut self) -> Result<(), Halt> {
        if self.desk.kept(DONE)?.is_some() {
            return Ok(());
        }
        let attester = self.at_token(|_, piv| match piv.attester() {
            Err(CardError::Nothing(_)) => Ok(None),
            shown => Ok(shown.map(Some)?),
        })?;
        let Some(attester) = attester else {
            let detail = "nobody vouches for it: the certificate of its attestation key (slot f9) is gone; take another token";
            return Err(Halt::failed(FailureCode::Unable, detail));
        };
        self.ask(Report::AttesterShown(AttesterShown {
            serial: self.serial,
            attester: super::proof::base64(&attester),
        }))?;
        Ok(())
    }

    /// Whether the OpenPGP applet is reset too: where the profile has it, and where everything is to go.
    fn openpgp_to_reset(&mut self) -> Result<bool, Halt> {
        let wanted = self
            .task
            .profile
            .as_ref()
            .is_some_and(|p| p.openpgp.is_some());
        let everything = self.task.kind == TaskKind::Reset;
        if !wanted && !everything {
            return Ok(false);
        }
        let there = self.at_token(|_, piv| match piv.with_openpgp(|_| Ok(())) {
            Ok(()) => Ok(true),
            Err(CardError::Nothing(_)) => Ok(false),
            Err(error) => Err(error.into()),
        })?;
        if there || everything {
            return Ok(there);
        }
        let detail = "the profile needs OpenPGP, which this token has not, or has switched off";
        Err(Halt::failed(FailureCode::Unable, detail))
    }

    /// The task `reset`: what is left is a token as the factory made it, which proves nothing but that.
    pub(super) fn reset_only(&mut self) -> Result<WalkEnd, Halt> {
        // Before its PIN is blocked, which nobody could undo.
        let unable = |unable: Unsuited| Halt::failed(FailureCode::Unable, unable.to_string());
        self.announce(None)?.can_be_reset().map_err(unable)?;
        self.reset_once()?;
        let serial = self.serial;
        let nonce = self.task.nonce.clone();
        let evidence = self.at_token(|_, piv| {
            Ok(Evidence {
                serial,
                firmware: piv.firmware(),
                nonce: nonce.clone(),
                attester: super::proof::base64(&piv.attester()?),
                slots: Vec::new(),
                openpgp: Vec::new(),
                factory_pin_refused: !piv.pin_tries()?.factory,
                factory_puk_refused: piv.puk_tries()?.is_some_and(|puk| !puk.factory),
                factory_management_key_refused: !piv.management_key()?.1,
            })
        })?;
        self.finish(Report::Proved(evidence))
    }
}

/// True if nobody has put anything on the token.
fn is_factory_fresh(piv: &mut Piv) -> Result<bool, Halt> {
    let puk = piv.puk_tries()?;
    let factory =
        piv.pin_tries()?.factory && puk.is_none_or(|puk| puk.factory) && piv.management_key()?.1;
    if !factory {
        return Ok(false);
    }
    for slot in card::all_slots() {
        if piv.key(slot)?.is_some() || piv.certificate(slot)?.is_some() {
            return Ok(false);
        }
    }
    // Some objects are shown only to who gives the PIN, which is the factory's.
    piv.verify_pin(FACTORY_PIN)?;
    Ok(!piv.has_objects()?)
}

/// Blocks PIN and PUK, as a token demands before it forgets everything, and resets it.
fn reset(piv: &mut Piv) -> Result<(), Halt> {
    block("PIN", || piv.verify_pin(&wrong()?))?;
    if piv.puk_tries()?.is_some() {
        block("PUK", || {
            let wrong = wrong()?;
            piv.change_puk(&wrong, &wrong)
        })?;
    }
    Ok(piv.reset()?)
}

fn reset_openpgp(card: &mut Openpgp<'_>) -> Result<(), Halt> {
    block("OpenPGP PIN", || {
        card.verify_pin(&wrong()?, PinPurpose::Using)
    })?;
    block("OpenPGP admin PIN", || card.verify_admin_pin(&wrong()?))?;
    Ok(card.reset()?)
}

/// Tries until it is blocked.
fn block(what: &str, mut wrong_one: impl FnMut() -> Result<(), CardError>) -> Result<(), Halt> {
    for _ in 0..=MOST_TRIES {
        match wrong_one() {
            Err(CardError::Blocked(_)) => return Ok(()),
            // Once in a hundred million, a random one is right.
            Ok(()) | Err(CardError::Wrong { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Halt::misbehaved(format!("its {what} cannot be blocked")))
}

/// Eight digits that are hardly anybody's.
fn wrong() -> Result<[u8; 8], CardError> {
    let mut digits = [0; 8];
    aws_lc_rs::rand::fill(&mut digits).map_err(ProviderFailure::from)?;
    Ok(digits.map(|byte| b'0' + byte % 10))
}
