//! The rules of evidence: what a task's end must be proved by.

use std::collections::BTreeMap;

use super::{
    Evidence, EvidenceFault, Firmware, OpenpgpKeyMade, OpenpgpProof, OpenpgpRole, PinPolicy,
    Profile, Serial, Slot, SlotPlan, SubkeyPlan, TaskFiled, TouchPolicy,
};
use crate::key::{Escrowed, spki};

/// What an attestation says, once its chain was found to lead to a trusted root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    /// The slot.
    pub slot: Slot,
    /// The token.
    pub serial: Serial,
    /// Its firmware.
    pub firmware: Firmware,
    /// When the key asks for the PIN.
    pub pin: PinPolicy,
    /// When it asks to be touched.
    pub touch: TouchPolicy,
    /// Base64 of the DER `SubjectPublicKeyInfo`.
    pub public_key: Box<str>,
    /// The common name of the root.
    pub root: Box<str>,
}

/// What cryptography found out about a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotFinding {
    /// What the attestation says, or why it is none.
    pub attested: Result<Attested, Box<str>>,
    /// Of a request for a certificate: the key that signed it, as base64 of DER, or what is wrong with it.
    pub requested: Option<Result<Box<str>, Box<str>>>,
    /// Of a proof: whether the attested key made it.
    pub proved: Option<bool>,
}

/// What cryptography found out about a report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// Why nobody is believed to vouch for the token, where only that was asked.
    pub attester: Option<Box<str>>,
    /// About each slot it names; a slot named twice is in `doubled`.
    pub slots: BTreeMap<Slot, SlotFinding>,
    /// A slot that the report names twice.
    pub doubled: Option<Slot>,
    /// SHA-256 in hex of the certificate that each slot should hold.
    pub certificates: BTreeMap<Slot, Box<str>>,
    /// Of each OpenPGP key that is proved: whether the key that was read back made the proof.
    pub openpgp: BTreeMap<OpenpgpRole, bool>,
}

/// Checks what was found about the keys that were made for a task. Gives what each slot's attestation says.
///
/// # Errors
///
/// The first [`EvidenceFault`].
pub fn check_made<'a>(
    serial: Serial,
    profile: &Profile,
    findings: &'a Findings,
) -> Result<Vec<(Slot, &'a Attested)>, EvidenceFault> {
    same_slots(profile, findings)?;
    let mut attested = Vec::with_capacity(profile.piv.len());
    for (slot, plan) in &profile.piv {
        let found = check_slot(serial, *slot, plan, findings)?;
        let finding = &findings.slots[slot];
        if plan.certificate.is_some() {
            let why = |why: &str| EvidenceFault::Request {
                slot: *slot,
                why: why.into(),
            };
            match &finding.requested {
                None => return Err(why("there is none")),
                Some(Err(said)) => return Err(why(said)),
                Some(Ok(key)) if *key != found.public_key => {
                    return Err(why("another key signed it than the attested one"));
                }
                Some(Ok(_)) => {}
            }
        }
        attested.push((*slot, found));
    }
    Ok(attested)
}

/// Checks the OpenPGP keys that were made for a task: some or all of those of the profile, each once; the one that the
/// profile has in custody is `given`.
///
/// # Errors
///
/// The first [`EvidenceFault`].
pub fn check_made_openpgp(
    profile: &Profile,
    made: &[OpenpgpKeyMade],
    given: Option<&Escrowed>,
) -> Result<(), EvidenceFault> {
    for (at, key) in made.iter().enumerate() {
        let fault = |why| Err(openpgp_fault(key.role, why));
        let Some(plan) = profile.openpgp.as_ref().map(|plan| plan.subkey(key.role)) else {
            return fault("the profile has no such key");
        };
        if made[..at].iter().any(|before| before.role == key.role) {
            return fault("it is there twice");
        }
        let is_it = spki::normalised(plan.algorithm, &key.public_key).is_ok();
        if key.algorithm != plan.algorithm || !is_it {
            return fault("it is of another algorithm");
        }
        if !is_fingerprint(&key.fingerprint) {
            return fault("its fingerprint is not 40 digits of hex");
        }
        let is_given = |given: &Escrowed| {
            given.public_key == key.public_key
                && given.created_at == key.created_at
                && given.fingerprint.eq_ignore_ascii_case(&key.fingerprint)
        };
        if plan.escrow && !given.is_some_and(is_given) {
            return fault(NOT_OF_CUSTODY);
        }
    }
    Ok(())
}

/// Checks what was found about the evidence of a provisioned token; `key_at` says which key each place must hold, `imported`
/// which one of custody it was given. Gives the common name of the root that all attestations lead to.
///
/// # Errors
///
/// The first [`EvidenceFault`].
pub fn check_proved<'a>(
    task: &TaskFiled,
    profile: &Profile,
    evidence: &Evidence,
    findings: &'a Findings,
    imported: Option<&Escrowed>,
    key_at: impl Fn(&str) -> Option<&'a str>,
) -> Result<Box<str>, EvidenceFault> {
    if evidence.nonce != task.nonce {
        return Err(EvidenceFault::Nonce);
    }
    for (refused, what) in [
        (evidence.factory_pin_refused, "PIN"),
        (evidence.factory_puk_refused, "PUK"),
        (evidence.factory_management_key_refused, "management key"),
    ] {
        if !refused {
            return Err(EvidenceFault::Factory(what));
        }
    }
    same_slots(profile, findings)?;
    let mut root = Box::<str>::default();
    for (slot, plan) in &profile.piv {
        let attested = check_slot(evidence.serial, *slot, plan, findings)?;
        if key_at(&slot.place()) != Some(&*attested.public_key) {
            return Err(EvidenceFault::OtherKey { slot: *slot });
        }
        if attested.firmware != evidence.firmware {
            return Err(EvidenceFault::Firmware {
                said: evidence.firmware,
                attested: attested.firmware,
            });
        }
        if findings.slots[slot].proved != Some(true) {
            return Err(EvidenceFault::Proof { slot: *slot });
        }
        let shown = evidence.slots.iter().find(|proof| proof.slot == *slot);
        let shown = shown.and_then(|proof| proof.certificate_sha256.as_ref());
        if plan.certificate.is_some()
            && (shown.is_none() || shown != findings.certificates.get(slot))
        {
            return Err(EvidenceFault::Certificate { slot: *slot });
        }
        root.clone_from(&attested.root);
    }
    for role in OpenpgpRole::ALL {
        let plan = profile.openpgp.as_ref().map(|plan| plan.subkey(role));
        let key = key_at(&role.place());
        check_openpgp(role, plan, key, evidence, findings)?;
        let proof = evidence.openpgp.iter().find(|proof| proof.role == role);
        let is_it = |proof: &OpenpgpProof, imported: &Escrowed| {
            let fingerprint = &imported.fingerprint;
            fingerprint.eq_ignore_ascii_case(&proof.fingerprint)
        };
        // Tokens of before this was kept have one that they made themselves.
        if let (Some(proof), Some(imported), Some(true)) = (proof, imported, plan.map(|p| p.escrow))
            && !is_it(proof, imported)
        {
            return Err(openpgp_fault(role, NOT_OF_CUSTODY));
        }
    }
    Ok(root)
}

const NOT_OF_CUSTODY: &str = "it is not the key that custody made for its holder";

/// Checks that a token shows nothing but the factory's state.
///
/// # Errors
///
/// [`EvidenceFault::NotReset`] or [`EvidenceFault::Nonce`].
pub fn check_reset(task: &TaskFiled, evidence: &Evidence) -> Result<(), EvidenceFault> {
    if evidence.nonce != task.nonce {
        return Err(EvidenceFault::Nonce);
    }
    let factory = !evidence.factory_pin_refused
        && !evidence.factory_puk_refused
        && !evidence.factory_management_key_refused;
    if factory && evidence.slots.is_empty() && evidence.openpgp.is_empty() {
        Ok(())
    } else {
        Err(EvidenceFault::NotReset)
    }
}

/// Checks that the OpenPGP key of a role is the one of the plan, once, as it was read back.
fn check_openpgp(
    role: OpenpgpRole,
    plan: Option<&SubkeyPlan>,
    key: Option<&str>,
    evidence: &Evidence,
    findings: &Findings,
) -> Result<(), EvidenceFault> {
    let fault = |why| Err(openpgp_fault(role, why));
    let mut proofs = evidence.openpgp.iter().filter(|p| p.role == role);
    let (plan, proof) = match (plan, proofs.next()) {
        (None, None) => return Ok(()),
        (None, Some(_)) => return fault("the profile has no such key"),
        (Some(_), None) => return fault("there is no evidence of it"),
        (Some(plan), Some(proof)) => (plan, proof),
    };
    if proofs.next().is_some() {
        fault("it is there twice")
    } else if key != Some(&*proof.public_key) {
        fault("the key is not the one that was made for this task")
    } else if spki::normalised(plan.algorithm, &proof.public_key).is_err() {
        fault("it is of another algorithm")
    } else if proof.touch != plan.touch {
        fault("it asks to be touched otherwise than the profile says")
    } else if !is_fingerprint(&proof.fingerprint) {
        fault("its fingerprint is not 40 digits of hex")
    } else if findings.openpgp.get(&role) != Some(&true) {
        fault("the key did not prove itself")
    } else {
        Ok(())
    }
}

fn openpgp_fault(role: OpenpgpRole, why: &'static str) -> EvidenceFault {
    EvidenceFault::Openpgp {
        place: role.place().into(),
        why,
    }
}

fn is_fingerprint(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn same_slots(profile: &Profile, findings: &Findings) -> Result<(), EvidenceFault> {
    let fault = |slot: Slot, why| Err(EvidenceFault::Slots { slot, why });
    if let Some(slot) = findings.doubled {
        return fault(slot, "it is there twice");
    }
    if let Some(slot) = profile.piv.keys().find(|s| !findings.slots.contains_key(s)) {
        return fault(*slot, "there is no evidence of it");
    }
    match findings.slots.keys().find(|s| !profile.piv.contains_key(s)) {
        Some(slot) => fault(*slot, "the profile has no such slot"),
        None => Ok(()),
    }
}

pub(super) fn check_slot<'a>(
    serial: Serial,
    slot: Slot,
    plan: &SlotPlan,
    findings: &'a Findings,
) -> Result<&'a Attested, EvidenceFault> {
    let attested = match &findings.slots[&slot].attested {
        Ok(attested) => attested,
        Err(why) => {
            return Err(EvidenceFault::Attestation {
                slot,
                why: why.clone(),
            });
        }
    };
    if attested.serial != serial {
        return Err(EvidenceFault::Serial {
            slot,
            expected: serial,
            found: attested.serial,
        });
    }
    if attested.slot != slot {
        return Err(EvidenceFault::Slot {
            slot,
            found: attested.slot,
        });
    }
    if attested.pin != plan.pin {
        return Err(EvidenceFault::PinPolicy {
            slot,
            expected: plan.pin,
            found: attested.pin,
        });
    }
    if attested.touch != plan.touch {
        return Err(EvidenceFault::TouchPolicy {
            slot,
            expected: plan.touch,
            found: attested.touch,
        });
    }
    if spki::normalised(plan.algorithm, &attested.public_key).is_err() {
        return Err(EvidenceFault::Algorithm {
            slot,
            expected: plan.algorithm,
        });
    }
    Ok(attested)
}
