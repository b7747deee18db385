//! What cryptography finds in an agent's report.

use aws_lc_rs::digest;
use data_encoding::BASE64;
use keyledger_custody::TaskKeys;
use keyledger_domain::{
    Timestamp,
    text::in_full,
    token::{
        Attested, AttesterShown, EscrowWanted, Evidence, Findings, Firmware, KeysMade, PinPolicy,
        Serial, Slot, SlotFinding, TaskFiled, TouchPolicy, statement, vouched_place,
    },
};
use keyledger_pki::x509::{
    Anchors, AttestedPin, AttestedTouch, CertificateRequest, MAX_CERTIFICATE_BYTES,
    verify_attestation, verify_device, verify_signature,
};

use crate::pki::moment;

/// What is found about who vouches for a token, of which nothing else is known yet.
pub(super) fn of_attester(shown: &AttesterShown, anchors: &Anchors, now: Timestamp) -> Findings {
    let believed = der(&shown.attester).and_then(|device| {
        verify_device(&device, anchors, moment(now)).map_err(|e| in_full(&e).into())
    });
    Findings {
        attester: believed.err(),
        ..Findings::default()
    }
}

/// What is found about keys that were made.
pub(super) fn of_made(made: &KeysMade, anchors: &Anchors, now: Timestamp) -> Findings {
    let mut findings = Findings::default();
    for key in &made.keys {
        let finding = SlotFinding {
            attested: attested(&key.attestation, &made.attester, anchors, now),
            requested: key.request.as_deref().map(requested),
            proved: None,
        };
        add(&mut findings, key.slot, finding);
    }
    findings
}

/// What is found about the evidence of a task's end.
pub(super) fn of_evidence(
    evidence: &Evidence,
    task: &TaskFiled,
    keys: &TaskKeys,
    anchors: &Anchors,
    now: Timestamp,
) -> Findings {
    let mut findings = Findings::default();
    let id = task.task.to_string();
    for proof in &evidence.slots {
        let attested = attested(&proof.attestation, &evidence.attester, anchors, now);
        let said = statement(&id, &task.nonce, evidence.serial, &proof.slot.place());
        let proved = attested
            .as_ref()
            .is_ok_and(|a| proves(&a.public_key, &said, &proof.proof, keys));
        let finding = SlotFinding {
            attested,
            requested: None,
            proved: Some(proved),
        };
        add(&mut findings, proof.slot, finding);
    }
    for proof in &evidence.openpgp {
        let said = statement(&id, &task.nonce, evidence.serial, &proof.role.place());
        // Of Ed25519 a card signs the hash as its message, as OpenPGP has it.
        let said = if is_ed25519(&proof.public_key) {
            digest::digest(&digest::SHA256, &said).as_ref().to_vec()
        } else {
            said
        };
        let proved = proves(&proof.public_key, &said, &proof.proof, keys);
        findings.openpgp.insert(proof.role, proved);
    }
    findings
}

/// What is found about the key that vouches for who asks for a key of custody.
pub(super) fn of_wanted(
    wanted: &EscrowWanted,
    task: &TaskFiled,
    anchors: &Anchors,
    now: Timestamp,
) -> Findings {
    let attested = attested(&wanted.attestation, &wanted.attester, anchors, now);
    let (id, place) = (task.task.to_string(), vouched_place(&wanted.seal_to));
    let said = statement(&id, &task.nonce, wanted.serial, &place);
    let signed = attested
        .as_ref()
        .is_ok_and(|a| signs(&a.public_key, &said, &wanted.proof));
    let finding = SlotFinding {
        attested,
        requested: None,
        proved: Some(signed),
    };
    let mut findings = Findings::default();
    add(&mut findings, wanted.slot, finding);
    findings
}

fn add(findings: &mut Findings, slot: Slot, finding: SlotFinding) {
    if findings.slots.insert(slot, finding).is_some() {
        findings.doubled = Some(slot);
    }
}

fn attested(
    attestation: &str,
    attester: &str,
    anchors: &Anchors,
    now: Timestamp,
) -> Result<Attested, Box<str>> {
    let (leaf, device) = (der(attestation)?, der(attester)?);
    let found = verify_attestation(&leaf, &device, anchors, moment(now)).map_err(|e| said(&e))?;
    let firmware = found.firmware;
    Ok(Attested {
        slot: Slot::new(found.slot).ok_or("it names no slot of PIV")?,
        serial: Serial::new(found.serial).ok_or("it names no serial number")?,
        firmware: Firmware::new(firmware.major, firmware.minor, firmware.patch),
        pin: match found.pin_policy {
            AttestedPin::Never => PinPolicy::Never,
            AttestedPin::Once => PinPolicy::Once,
            AttestedPin::Always => PinPolicy::Always,
        },
        touch: match found.touch_policy {
            AttestedTouch::Never => TouchPolicy::Never,
            AttestedTouch::Cached => TouchPolicy::Cached,
            AttestedTouch::Always => TouchPolicy::Always,
        },
        public_key: BASE64.encode(&found.spki).into(),
        root: found.generation.as_str().into(),
    })
}

/// The key that signed a request.
fn requested(request: &str) -> Result<Box<str>, Box<str>> {
    let request = CertificateRequest::from_der(&der(request)?).map_err(|e| said(&e))?;
    Ok(BASE64.encode(request.spki()).into())
}

/// RFC 8410's prefix of Ed25519, in base64 as far as whole characters go.
fn is_ed25519(public_key: &str) -> bool {
    public_key.starts_with("MCowBQYDK2Vw")
}

/// True if the key made the proof: a signature, or what only who agreed on a secret with the challenge can know.
fn proves(public_key: &str, statement: &[u8], proof: &str, keys: &TaskKeys) -> bool {
    let (Ok(spki), Ok(proof)) = (
        BASE64.decode(public_key.as_bytes()),
        BASE64.decode(proof.as_bytes()),
    ) else {
        return false;
    };
    let signed = verify_signature(&spki, statement, &proof).is_ok();
    // The point stands at the end: 32 bytes of X25519, 65 of P-256.
    signed
        || match spki.len() {
            44 => keys.agrees(&spki[12..], statement, &proof),
            91 => keys.agrees(&spki[26..], statement, &proof),
            _ => false,
        }
}

/// True if the proof is the key's signature, and nothing else.
fn signs(public_key: &str, statement: &[u8], proof: &str) -> bool {
    let spki = BASE64.decode(public_key.as_bytes());
    let proof = BASE64.decode(proof.as_bytes());
    matches!((spki, proof), (Ok(spki), Ok(proof)) if verify_signature(&spki, statement, &proof).is_ok())
}

fn der(text: &str) -> Result<Vec<u8>, Box<str>> {
    if text.len() > MAX_CERTIFICATE_BYTES * 4 / 3 + 4 {
        return Err("it is too large".into());
    }
    BASE64
        .decode(text.as_bytes())
        .map_err(|_| "it is not base64".into())
}

/// An error with its causes, in a sentence.
pub(super) fn said(error: &dyn std::error::Error) -> Box<str> {
    in_full(error).into()
}
