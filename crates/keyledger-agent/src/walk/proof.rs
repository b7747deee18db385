//! The evidence: has each key sign the nonce, and tries the factory's secrets, which the token must refuse.

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
};
use data_encoding::{BASE64, HEXLOWER};
use keyledger_domain::{
    Algorithm,
    token::{Evidence, OpenpgpProof, Profile, Report, Slot, SlotPlan, SlotProof, Step, statement},
};

use super::{Halt, Walk, WalkEnd};
use crate::card::{CardError, FACTORY_PIN, FACTORY_PUK, ManagementKey, Piv};

/// The proofs of a token's keys.
pub(super) struct Proofs {
    slots: Vec<SlotProof>,
    openpgp: Vec<OpenpgpProof>,
}

impl Walk<'_> {
    /// Collects the evidence, and hands it in.
    pub(super) fn prove(&mut self, profile: &Profile) -> Result<WalkEnd, Halt> {
        self.begin(Step::Proof)?;
        let proofs = self.prove_keys(profile)?;
        self.hand_in(proofs)
    }

    /// Has each key sign the nonce, with the touches that it asks for.
    pub(super) fn prove_keys(&mut self, profile: &Profile) -> Result<Proofs, Halt> {
        let mut slots = Vec::new();
        for (slot, plan) in &profile.piv {
            self.say(Some(&slot.place()))?;
            slots.push(self.at_token(|walk, piv| walk.prove_slot(piv, *slot, plan))?);
        }
        let openpgp = match &profile.openpgp {
            Some(plan) => self.prove_openpgp(plan)?,
            None => Vec::new(),
        };
        Ok(Proofs { slots, openpgp })
    }

    /// Tries the factory's secrets, and reports the whole evidence.
    pub(super) fn hand_in(&mut self, proofs: Proofs) -> Result<WalkEnd, Halt> {
        let nonce = self.task.nonce.clone();
        let evidence = self.at_token(|walk, piv| {
            Ok(Evidence {
                serial: walk.serial,
                firmware: piv.firmware(),
                nonce: nonce.clone(),
                attester: base64(&piv.attester()?),
                slots: proofs.slots.clone(),
                openpgp: proofs.openpgp.clone(),
                factory_pin_refused: walk.refuses_factory_pin(piv)?,
                factory_puk_refused: walk.refuses_factory_puk(piv)?,
                factory_management_key_refused: refuses_factory_management_key(piv)?,
            })
        })?;
        self.finish(Report::Proved(evidence))
    }

    /// Files the last report of a task, and ends the walk with its answer.
    pub(super) fn finish(&mut self, report: Report) -> Result<WalkEnd, Halt> {
        let reply = self.desk.ask(report)?;
        Ok(match reply.fault {
            Some(fault) => WalkEnd::Faulted { fault },
            None => WalkEnd::Proved { state: reply.state },
        })
    }

    fn prove_slot(
        &mut self,
        piv: &mut Piv,
        slot: Slot,
        plan: &SlotPlan,
    ) -> Result<SlotProof, Halt> {
        let attestation = piv.attest(slot)?;
        let task = self.task.task.to_string();
        let statement = statement(&task, &self.task.nonce, self.serial, &slot.place());
        let proof = if plan.algorithm == Algorithm::X25519 {
            let point = self.challenge(Algorithm::X25519)?;
            let agreed = self.use_key(piv, slot, plan, |piv| {
                piv.agree(slot, Algorithm::X25519, &point)
            })?;
            authenticated(agreed.expose(), &statement)
        } else {
            self.sign(piv, slot, plan, &statement)?
        };
        let certificate = piv.certificate(slot)?;
        Ok(SlotProof {
            slot,
            attestation: base64(&attestation),
            proof: base64(&proof),
            certificate_sha256: certificate
                .map(|der| HEXLOWER.encode(digest(&SHA256, &der).as_ref()).into()),
        })
    }

    /// The challenge: the public point with which a key that cannot sign proves itself.
    pub(super) fn challenge(&self, algorithm: Algorithm) -> Result<Vec<u8>, Halt> {
        let (place, bytes) = match algorithm {
            Algorithm::P256 => (0, 65),
            _ => (1, 32),
        };
        let der = self.task.challenges.get(place);
        let der = der.and_then(|text| BASE64.decode(text.as_bytes()).ok());
        // The point stands at the end of either form.
        let point = der.and_then(|der| Some(der.get(der.len().checked_sub(bytes)?..)?.to_vec()));
        point.ok_or_else(|| Halt::misbehaved(format!("the task has no {algorithm} challenge")))
    }

    /// Tries the factory's PIN, if more than one try is left. Gives the right PIN before and after, so that no try is lost.
    fn refuses_factory_pin(&self, piv: &mut Piv) -> Result<bool, Halt> {
        self.give_pin(piv)?;
        let shown = piv.pin_tries()?;
        if shown.left < 2 {
            return Ok(!shown.factory);
        }
        let refused = is_refused(piv.verify_pin(FACTORY_PIN))?;
        self.give_pin(piv)?;
        Ok(refused)
    }

    /// Tries the factory's PUK, as [`Self::refuses_factory_pin`] does with the PIN. A task that does not know the PUK cannot restore the
    /// try, so it trusts what the token shows.
    fn refuses_factory_puk(&self, piv: &mut Piv) -> Result<bool, Halt> {
        let shown = self.puk_tries(piv)?;
        let Some(secrets) = self.secrets.as_ref().filter(|_| self.knows_puk()) else {
            return Ok(!shown.factory);
        };
        let puk = secrets.puk.expose();
        give_puk(piv, puk)?;
        if self.puk_tries(piv)?.left < 2 {
            return Ok(!shown.factory);
        }
        let refused = is_refused(piv.change_puk(FACTORY_PUK, FACTORY_PUK))?;
        give_puk(piv, puk)?;
        Ok(refused)
    }
}

fn refuses_factory_management_key(piv: &mut Piv) -> Result<bool, Halt> {
    let (Some(algorithm), factory) = piv.management_key()? else {
        return Ok(true); // the factory sets no key with an algorithm that this version does not know
    };
    match piv.authenticate(&ManagementKey::factory(algorithm)) {
        Ok(()) => Ok(false),
        Err(CardError::ManagementKey) => Ok(!factory),
        Err(error) => Err(error.into()),
    }
}

/// Gives the right PUK, by changing it to itself: that restores all tries. If the token finds it too simple as a new PUK, it was right as
/// the old one.
fn give_puk(piv: &mut Piv, puk: &[u8]) -> Result<(), CardError> {
    match piv.change_puk(puk, puk) {
        Err(CardError::TooSimple(_)) => Ok(()),
        given => given,
    }
}

fn is_refused(tried: Result<(), CardError>) -> Result<bool, Halt> {
    match tried {
        // If the token finds it too simple as a new PIN or PUK, it was right as the old one.
        Ok(()) | Err(CardError::TooSimple(_)) => Ok(false),
        Err(CardError::Wrong { .. } | CardError::Blocked(_)) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// HMAC-SHA-256 of a statement under an agreed secret.
pub(super) fn authenticated(secret: &[u8], statement: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::sign(&key, statement).as_ref().to_vec()
}

pub(super) fn base64(bytes: &[u8]) -> Box<str> {
    BASE64.encode(bytes).into()
}
