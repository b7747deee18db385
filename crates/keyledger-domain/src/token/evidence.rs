//! The rules of evidence: what a task's end must be proved by.

use std::collections::BTreeMap;

use super::{
    Evidence, Firmware, PinPolicy, Profile, Serial, Slot, SlotPlan, TaskFiled, TouchPolicy,
};
use crate::{algorithm::Algorithm, key::spki};

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
    /// About each slot it names; a slot named twice is in `doubled`.
    pub slots: BTreeMap<Slot, SlotFinding>,
    /// A slot that the report names twice.
    pub doubled: Option<Slot>,
    /// SHA-256 in hex of the certificate that each slot should hold.
    pub certificates: BTreeMap<Slot, Box<str>>,
}

/// What does not fit. `Display` says it to an administrator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceFault {
    /// The attestation does not lead to a trusted root, or cannot be read.
    #[error("slot {slot}: the attestation does not hold: {why}")]
    Attestation {
        /// Where.
        slot: Slot,
        /// What is wrong.
        why: Box<str>,
    },
    /// It attests a key of another token.
    #[error("slot {slot}: the attestation is of token {found}, not of {expected}")]
    Serial {
        /// Where.
        slot: Slot,
        /// The token of the task.
        expected: Serial,
        /// The token that made it.
        found: Serial,
    },
    /// It attests another slot.
    #[error("slot {slot}: the attestation is of slot {found}")]
    Slot {
        /// Where.
        slot: Slot,
        /// Which it attests.
        found: Slot,
    },
    /// The key asks for the PIN less often than it should.
    #[error("slot {slot}: the key's PIN policy is {}, not {}", found.as_str(), expected.as_str())]
    PinPolicy {
        /// Where.
        slot: Slot,
        /// The profile's.
        expected: PinPolicy,
        /// The attested one.
        found: PinPolicy,
    },
    /// The key asks to be touched less often than it should.
    #[error("slot {slot}: the key's touch policy is {}, not {}", found.as_str(), expected.as_str())]
    TouchPolicy {
        /// Where.
        slot: Slot,
        /// The profile's.
        expected: TouchPolicy,
        /// The attested one.
        found: TouchPolicy,
    },
    /// The key is of another algorithm.
    #[error("slot {slot}: the key is not {expected}")]
    Algorithm {
        /// Where.
        slot: Slot,
        /// The profile's.
        expected: Algorithm,
    },
    /// The request for a certificate is signed by another key than the attested one.
    #[error("slot {slot}: the request for a certificate does not hold: {why}")]
    Request {
        /// Where.
        slot: Slot,
        /// What is wrong.
        why: Box<str>,
    },
    /// A slot of the profile is missing, one too many is there, or one is there twice.
    #[error("slot {slot}: {why}")]
    Slots {
        /// Which.
        slot: Slot,
        /// What is wrong.
        why: &'static str,
    },
    /// Another key was attested than the one that was made for the task.
    #[error("slot {slot}: the key is not the one that was made for this task")]
    OtherKey {
        /// Where.
        slot: Slot,
    },
    /// The key did not sign the statement.
    #[error("slot {slot}: the key did not prove itself")]
    Proof {
        /// Where.
        slot: Slot,
    },
    /// The certificate in the slot is not the one that was issued.
    #[error("slot {slot}: the certificate in it is not the one that was issued")]
    Certificate {
        /// Where.
        slot: Slot,
    },
    /// The nonce is another task's.
    #[error("the nonce is not this task's: old evidence, or another's")]
    Nonce,
    /// The firmware is not the one that the attestations name.
    #[error("the token says firmware {said}, and its attestations {attested}")]
    Firmware {
        /// What was reported.
        said: Firmware,
        /// What is attested.
        attested: Firmware,
    },
    /// A factory secret still opens the token.
    #[error("the factory's {0} was not refused")]
    Factory(&'static str),
    /// The OpenPGP keys are not what the profile asks for.
    #[error("{place}: {why}")]
    Openpgp {
        /// Which key.
        place: Box<str>,
        /// What is wrong.
        why: &'static str,
    },
    /// A token that was to be reset is not in the factory's state.
    #[error("the token is not in the factory's state")]
    NotReset,
}

impl EvidenceFault {
    /// Its stable name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Attestation { .. } => "attestation",
            Self::Serial { .. } => "serial",
            Self::Slot { .. } => "slot",
            Self::PinPolicy { .. } => "pin_policy",
            Self::TouchPolicy { .. } => "touch_policy",
            Self::Algorithm { .. } => "algorithm",
            Self::Request { .. } => "request",
            Self::Slots { .. } => "slots",
            Self::OtherKey { .. } => "other_key",
            Self::Proof { .. } => "proof",
            Self::Certificate { .. } => "certificate",
            Self::Nonce => "nonce",
            Self::Firmware { .. } => "firmware",
            Self::Factory(_) => "factory",
            Self::Openpgp { .. } => "openpgp",
            Self::NotReset => "not_reset",
        }
    }
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

/// Checks what was found about the evidence of a provisioned token; `key_in` says which key each slot must hold. Gives the
/// common name of the root that all attestations lead to.
///
/// # Errors
///
/// The first [`EvidenceFault`].
pub fn check_proved<'a>(
    task: &TaskFiled,
    profile: &Profile,
    evidence: &Evidence,
    findings: &'a Findings,
    key_in: impl Fn(Slot) -> Option<&'a str>,
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
        if key_in(*slot) != Some(&*attested.public_key) {
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
    Ok(root)
}

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

fn check_slot<'a>(
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
