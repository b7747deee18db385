//! Makes and attests PIV keys, asks for their certificates and writes them.

use aws_lc_rs::digest::{SHA256, digest};
use keyledger_custody::Secret;
use keyledger_domain::token::{
    FailureCode, KeyMade, KeysMade, OpenpgpKeyMade, PinPolicy, Profile, Prompt, Report, Slot,
    SlotPlan, TouchPolicy,
};
use keyledger_wire::SlotCertificate;
use uuid::Uuid;
use x509_cert::{
    Certificate,
    der::{Decode, Encode},
};

use super::{Halt, Walk, proof::base64, request::CertificateRequest};
use crate::card::{CardError, Piv};

/// Name in the journal: the report of the keys. It is delivered again unchanged while the token shows the same keys.
const MADE: &str = "keys.made";
/// Name in the journal: the hash of the report whose certificates are in their slots.
const CERTIFIED: &str = "certificates";

impl Walk<'_> {
    /// Makes the keys that the profile asks for and the token does not have.
    pub(super) fn make_keys(&mut self, profile: &Profile) -> Result<(), Halt> {
        for (slot, plan) in &profile.piv {
            self.say(Some(&slot.place()))?;
            self.at_token(|walk, piv| walk.make_key(piv, *slot, plan))?;
        }
        Ok(())
    }

    /// Makes a key, unless the slot has one that fits: after the reset of this task, such a key was made by this task.
    fn make_key(&self, piv: &mut Piv, slot: Slot, plan: &SlotPlan) -> Result<(), Halt> {
        if piv.key(slot)?.is_some_and(|key| key.fits(plan)) {
            return Ok(());
        }
        piv.authenticate(&self.management_key()?)?;
        piv.generate(slot, plan)?;
        if piv.key(slot)?.is_some_and(|key| key.fits(plan)) {
            return Ok(());
        }
        Err(Halt::misbehaved(format!(
            "the key that the token made in slot {slot} is not what was asked for"
        )))
    }

    /// Reports the keys, and writes the certificates that come back.
    pub(super) fn write_certificates(&mut self, profile: &Profile) -> Result<(), Halt> {
        let made = self.keys_made(profile)?;
        let this = digest(&SHA256, &json(&made));
        let certified = self.desk.kept(CERTIFIED)?;
        if certified.is_some_and(|report| report.expose() == this.as_ref()) {
            return Ok(());
        }
        let reply = self.ask(Report::KeysMade(made))?;
        if !reply.certificates.is_empty() {
            self.at_token(|walk, piv| walk.write_identifier(piv))?;
        }
        for SlotCertificate { slot, certificate } in reply.certificates {
            let der = data_encoding::BASE64
                .decode(certificate.as_bytes())
                .map_err(|error| {
                    let detail = format!("the certificate for slot {slot} is not base64");
                    Halt::misbehaved_by(detail, error)
                })?;
            self.say(Some(&slot.place()))?;
            self.at_token(|walk, piv| walk.write_certificate(piv, slot, &der))?;
        }
        if let Some(slots) = retired_slots(profile) {
            self.at_token(|walk, piv| {
                piv.authenticate(&walk.management_key()?)?;
                Ok(piv.write_key_history(slots)?)
            })?;
        }
        self.desk
            .keep(CERTIFIED, &Secret::new(this.as_ref().to_vec()))?;
        Ok(())
    }

    /// Writes the card's identifier. A reset removes it, so one that is there was written by this task before an interruption.
    fn write_identifier(&self, piv: &mut Piv) -> Result<(), Halt> {
        if piv.has_identifier()? {
            return Ok(());
        }
        piv.authenticate(&self.management_key()?)?;
        Ok(piv.write_identifier(Uuid::now_v7().as_bytes())?)
    }

    fn write_certificate(&self, piv: &mut Piv, slot: Slot, der: &[u8]) -> Result<(), Halt> {
        if piv.certificate(slot)?.as_deref() == Some(der) {
            return Ok(());
        }
        let key = piv.key(slot)?.map(|key| key.public_key);
        if key.is_none() || key != public_key_of(der) {
            return Err(Halt::misbehaved(format!(
                "the certificate for slot {slot} is not for the key in that slot"
            )));
        }
        piv.authenticate(&self.management_key()?)?;
        piv.write_certificate(slot, der)?;
        if piv.certificate(slot)?.as_deref() == Some(der) {
            return Ok(());
        }
        Err(Halt::misbehaved(format!(
            "slot {slot} shows another certificate than the one that was written"
        )))
    }

    /// The report of the keys: the kept one, if the token still shows the keys in it.
    fn keys_made(&mut self, profile: &Profile) -> Result<KeysMade, Halt> {
        let kept = self.desk.kept(MADE)?;
        let kept: Option<KeysMade> =
            kept.and_then(|json| serde_json::from_slice(json.expose()).ok());
        if let Some(kept) = kept
            && self.at_token(|_, piv| shows(piv, &kept))?
            && (kept.openpgp.is_empty() || self.openpgp_keys_made()? == unbound(&kept.openpgp))
        {
            return Ok(kept);
        }
        // Keys that were not reported have no certificates either.
        let attester = self.at_token(|_, piv| Ok(piv.attester()?))?;
        let mut keys = Vec::new();
        for (slot, plan) in &profile.piv {
            self.say(Some(&slot.place()))?;
            keys.push(self.at_token(|walk, piv| walk.report_key(piv, *slot, plan))?);
        }
        let made = KeysMade {
            serial: self.serial,
            attester: base64(&attester),
            keys,
            openpgp: match &profile.openpgp {
                Some(_) => {
                    let mut made = self.openpgp_keys_made()?;
                    self.agree_to_be_bound(&mut made)?;
                    made
                }
                None => Vec::new(),
            },
        };
        self.keep_json(MADE, &made)?;
        Ok(made)
    }

    fn report_key(&mut self, piv: &mut Piv, slot: Slot, plan: &SlotPlan) -> Result<KeyMade, Halt> {
        let attestation = piv.attest(slot)?;
        let request = match (&plan.certificate, &self.task.holder) {
            (None, _) => None,
            (Some(_), None) => {
                return Err(Halt::misbehaved("the task names no holder to certify"));
            }
            (Some(_), Some(holder)) => {
                let key = piv.key(slot)?.ok_or(CardError::Nothing("a slot"))?;
                let request = CertificateRequest::new(holder, plan.algorithm, &key.public_key)?;
                let signature = self.sign(piv, slot, plan, request.to_be_signed())?;
                Some(base64(&request.signed(&signature)?))
            }
        };
        Ok(KeyMade {
            slot,
            attestation: base64(&attestation),
            request,
        })
    }

    /// Signs a message with the key in a slot, with the PIN and the touch that the key asks for.
    pub(super) fn sign(
        &mut self,
        piv: &mut Piv,
        slot: Slot,
        plan: &SlotPlan,
        message: &[u8],
    ) -> Result<Vec<u8>, Halt> {
        let input = super::request::to_sign(plan.algorithm, message);
        self.use_key(piv, slot, plan, |piv| {
            piv.sign(slot, plan.algorithm, &input)
        })
    }

    /// Uses the key in a slot, with the PIN and the touch that the key asks for.
    pub(super) fn use_key<T>(
        &mut self,
        piv: &mut Piv,
        slot: Slot,
        plan: &SlotPlan,
        mut work: impl FnMut(&mut Piv) -> Result<T, CardError>,
    ) -> Result<T, Halt> {
        for _ in 0..self.patience.touches {
            if plan.pin != PinPolicy::Never {
                self.give_pin(piv)?;
            }
            if plan.touch != TouchPolicy::Never {
                self.desk.show(self.serial, Prompt::Touch, &slot.place())?;
            }
            match work(piv) {
                Err(CardError::Denied(_)) if plan.touch != TouchPolicy::Never => {}
                done => return Ok(done?),
            }
        }
        Err(Halt::failed(
            FailureCode::NotTouched,
            format!(
                "nobody touched the token for slot {slot}, {} times",
                self.patience.touches
            ),
        ))
    }
}

/// How many of the retired slots, from the first, a program must look into to find every certificate; nothing if they hold none.
fn retired_slots(profile: &Profile) -> Option<u8> {
    let certified = profile.piv.iter().filter(|(_, p)| p.certificate.is_some());
    let retired = certified.filter_map(|(slot, _)| slot.number().checked_sub(0x81));
    retired.filter(|place| (1..=20).contains(place)).max()
}

fn json(made: &KeysMade) -> Vec<u8> {
    serde_json::to_vec(made).expect("a report is always JSON")
}

/// The keys without their binding signatures.
fn unbound(made: &[OpenpgpKeyMade]) -> Vec<OpenpgpKeyMade> {
    let bare = |key: &OpenpgpKeyMade| OpenpgpKeyMade {
        bind: None,
        ..key.clone()
    };
    made.iter().map(bare).collect()
}

/// True if the token shows the same keys that were reported.
fn shows(piv: &mut Piv, reported: &KeysMade) -> Result<bool, Halt> {
    for made in &reported.keys {
        let attested = data_encoding::BASE64.decode(made.attestation.as_bytes());
        let attested = attested.ok().and_then(|der| public_key_of(&der));
        let shown = piv.key(made.slot)?.map(|key| key.public_key);
        if attested.is_none() || attested != shown {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The DER `SubjectPublicKeyInfo` of a certificate; nothing if the bytes are no certificate.
fn public_key_of(der: &[u8]) -> Option<Vec<u8>> {
    let certificate = Certificate::from_der(der).ok()?;
    let key = certificate.tbs_certificate().subject_public_key_info();
    key.to_der().ok()
}
