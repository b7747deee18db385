//! Resets a token to the factory's state.

use keyledger_custody::{ProviderFailure, Secret};
use keyledger_domain::token::{
    AttesterShown, Evidence, FailureCode, Report, Step, TaskKind, Unsuited,
};

use super::{Halt, Walk, WalkEnd};
use crate::card::{self, CardError, FACTORY_PIN, Openpgp, PinPurpose, Piv};

/// Name in the journal: the person typed the serial number.
const CONFIRMED: &str = "reset.confirmed";
/// Name in the journal: this task has reset the token.
const DONE: &str = "reset";

/// After this many wrong PINs or PUKs a token must be blocked: it cannot count further.
const MOST_TRIES: u16 = 256;

impl Walk<'_> {
    /// Resets the token, unless this task has done so. Asks the person first if there is something to lose.
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
            // Do not ask again after an interruption: a token that was half reset looks as if somebody had used it.
            self.desk.keep(CONFIRMED, &Secret::new(b"yes".to_vec()))?;
        }
        // The step begins only now: until the person has agreed, nothing on the token changes. And the service must have answered: a task
        // that was cancelled while the person was asked must not destroy anything.
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

    /// Asks the service whether it trusts the token's attestation key, before anything on the token is destroyed. Without that trust, no
    /// key on the token could be proved.
    pub(super) fn show_attester(&mut self) -> Result<(), Halt> {
        if self.desk.kept(DONE)?.is_some() {
            return Ok(());
        }
        let attester = self.at_token(|_, piv| match piv.attester() {
            Err(CardError::Nothing(_)) => Ok(None),
            shown => Ok(shown.map(Some)?),
        })?;
        let Some(attester) = attester else {
            let detail = "nobody vouches for the token: the certificate of its attestation key (slot f9) is gone; use another token";
            return Err(Halt::failed(FailureCode::Unable, detail));
        };
        self.ask(Report::AttesterShown(AttesterShown {
            serial: self.serial,
            attester: super::proof::base64(&attester),
        }))?;
        Ok(())
    }

    /// Whether to reset the OpenPGP applet too: if the profile uses it, or if the task is to reset everything.
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
        let detail =
            "the profile needs OpenPGP, but this token has no OpenPGP, or it is switched off";
        Err(Halt::failed(FailureCode::Unable, detail))
    }

    /// The task `reset`: leaves a token as the factory made it. The evidence shows only that.
    pub(super) fn reset_only(&mut self) -> Result<WalkEnd, Halt> {
        // Check this before blocking the PIN, which nobody could undo.
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

/// True if the token is as the factory made it.
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
    // The token shows some objects only after the PIN, which is the factory's here.
    piv.verify_pin(FACTORY_PIN)?;
    Ok(!piv.has_objects()?)
}

/// Blocks PIN and PUK, as a token demands before a reset, and resets it.
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

/// Gives wrong ones until the PIN or PUK is blocked.
fn block(what: &str, mut wrong_one: impl FnMut() -> Result<(), CardError>) -> Result<(), Halt> {
    for _ in 0..=MOST_TRIES {
        match wrong_one() {
            Err(CardError::Blocked(_)) => return Ok(()),
            // A random one is right once in a hundred million times.
            Ok(()) | Err(CardError::Wrong { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Halt::misbehaved(format!(
        "the token's {what} cannot be blocked"
    )))
}

/// Eight random digits, which are almost certainly wrong.
fn wrong() -> Result<[u8; 8], CardError> {
    let mut digits = [0; 8];
    aws_lc_rs::rand::fill(&mut digits).map_err(ProviderFailure::from)?;
    Ok(digits.map(|byte| b'0' + byte % 10))
}
