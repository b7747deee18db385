//! The OpenPGP decryption key, if custody made it: asks for the key, imports it, and keeps it nowhere else.

use data_encoding::BASE64;
use keyledger_custody::{CurveKey, Delivery, openpgp::EscrowedKey};
use keyledger_domain::token::{
    EscrowWanted, FailureCode, OpenpgpRole, Report, SubkeyPlan, statement, vouched_place,
};

use super::{Halt, Walk, openpgp::existing, proof::base64};
use crate::card::{OpenpgpImport, OpenpgpKey};

impl Walk<'_> {
    /// Puts the holder's key onto the card, unless the card has it already.
    pub(super) fn import_openpgp_key(&mut self, plan: &SubkeyPlan) -> Result<(), Halt> {
        let key = self.ask_for_escrowed()?;
        self.at_token(|walk, piv| {
            piv.with_openpgp(|card| {
                let role = OpenpgpRole::Encrypt;
                if card
                    .key(role)?
                    .is_some_and(|found| is_it(&found, &key, plan))
                {
                    return Ok(());
                }
                let (admin, _) = walk.openpgp_secrets()?;
                card.verify_admin_pin(admin.expose())?;
                card.import(&import(&key, plan)?)?;
                if is_it(&existing(card, role)?, &key, plan) {
                    return Ok(());
                }
                let detail =
                    "the key that the token shows for openpgp.encrypt is not the one that was imported";
                Err(Halt::misbehaved(detail))
            })
        })
    }

    /// Asks for the key, sealed to a curve key that exists only until this returns: so nobody can open what is left in the journal. A key
    /// that was made on the token before signs the request.
    fn ask_for_escrowed(&mut self) -> Result<EscrowedKey, Halt> {
        let curve = CurveKey::generate()?;
        let wanted = self.escrow_wanted(curve.public_nkey())?;
        let reply = self.ask(Report::EscrowWanted(wanted))?;
        let sealed = reply
            .escrowed
            .ok_or_else(|| unreadable("the service gave none"))?;
        let ciphertext = BASE64.decode(sealed.sealed.as_bytes());
        let opened = curve.open(&Delivery {
            sender: sealed.sender,
            ciphertext: ciphertext.map_err(unreadable)?,
        });
        let opened = opened.map_err(unreadable)?;
        EscrowedKey::from_delivered(&opened).ok_or_else(|| unreadable("it is no such key"))
    }

    fn escrow_wanted(&mut self, seal_to: &str) -> Result<EscrowWanted, Halt> {
        let profile = self.profile()?;
        let vouching = profile.vouches().map(|(slot, plan)| (slot, plan.clone()));
        let (slot, plan) = vouching.ok_or_else(|| {
            let detail =
                "no PIV key of the profile signs, so none can ask for the key that custody has";
            Halt::failed(FailureCode::Unable, detail)
        })?;
        let (task, place) = (self.task.task.to_string(), vouched_place(seal_to));
        let statement = statement(&task, &self.task.nonce, self.serial, &place);
        self.say(Some(&slot.place()))?;
        self.at_token(|walk, piv| {
            Ok(EscrowWanted {
                serial: walk.serial,
                seal_to: seal_to.into(),
                slot,
                attester: base64(&piv.attester()?),
                attestation: base64(&piv.attest(slot)?),
                proof: base64(&walk.sign(piv, slot, &plan, &statement)?),
            })
        })
    }
}

fn unreadable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Halt {
    Halt::misbehaved_by("the key that custody has cannot be read", why)
}

fn import(key: &EscrowedKey, plan: &SubkeyPlan) -> Result<OpenpgpImport, Halt> {
    let created_at = u32::try_from(key.created().seconds());
    Ok(OpenpgpImport {
        scalar: key.scalar(),
        point: key.public().point(),
        touch: plan.touch,
        created_at: created_at.map_err(|error| {
            Halt::misbehaved_by("OpenPGP has no time for the key that custody has", error)
        })?,
    })
}

fn is_it(found: &OpenpgpKey, key: &EscrowedKey, plan: &SubkeyPlan) -> bool {
    !found.generated
        && found.algorithm == plan.algorithm
        && found.touch == plan.touch
        && found.public_key == key.public().to_spki()
        && i64::from(found.created_at) == key.created().seconds()
        && found.fingerprint == *key.fingerprint().as_bytes()
}
