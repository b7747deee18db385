//! Everything that is read from a card, of a card that may answer anything.

use keyledger_custody::ManagementKeyAlgorithm;
use keyledger_domain::{
    Algorithm,
    token::{OpenpgpRole, Profile, SlotPlan},
};
use zeroize::Zeroizing;

use super::{
    CardError, FACTORY_ADMIN_PIN, FACTORY_PIN, ManagementKey, Openpgp, PinPurpose,
    announcement::announcement,
    line::CardLine,
    piv::{OpenedCard, Piv},
};

/// Reads all that the agent reads from a token, and makes and uses keys, with a card that gives these answers, one for each command, and is
/// then pulled out. It is for the fuzzer: no smart card service is asked. Returns the commands that the card was sent.
///
/// # Errors
///
/// The first error, with the commands. The reading goes on after an error, as each answer may be wrong by itself.
pub fn read_answers(
    answers: impl IntoIterator<Item = Vec<u8>>,
) -> (Result<(), CardError>, Vec<Zeroizing<Vec<u8>>>) {
    let (line, commands) = CardLine::to_answers(answers);
    let read = match Piv::on(line) {
        Ok(OpenedCard::Piv(mut piv)) => read(&mut piv),
        Ok(OpenedCard::WithoutPiv(..) | OpenedCard::Nothing) => Ok(()),
        Err(error) => Err(error),
    };
    let commands = commands.try_iter().map(|command| command.bytes);
    (read, commands.collect())
}

fn read(piv: &mut Piv) -> Result<(), CardError> {
    let mut steps = vec![
        announcement(piv).map(drop),
        piv.is_still_itself(),
        piv.pin_tries().map(drop),
        piv.puk_tries().map(drop),
    ];
    let algorithm = piv.management_key().map(|(algorithm, _)| algorithm);
    let known = algorithm.as_ref().ok().copied().flatten();
    steps.push(algorithm.map(drop));
    // The proof is over a random challenge, so answers that were kept are never right.
    let key = ManagementKey::factory(known.unwrap_or(ManagementKeyAlgorithm::Aes192));
    drop(piv.authenticate(&key));
    steps.push(piv.verify_pin(FACTORY_PIN));
    steps.push(piv.attester().map(drop));
    for (slot, plan) in plans() {
        steps.push(piv.generate(slot, &plan));
        steps.push(piv.key(slot).map(drop));
        steps.push(piv.attest(slot).map(drop));
        steps.push(piv.certificate(slot).map(drop));
        let signed = piv.sign(slot, plan.algorithm, &[1; 32]);
        steps.push(signed.map(drop));
    }
    steps.push(piv.has_identifier().map(drop));
    steps.push(piv.write_key_history(1));
    steps.push(piv.with_openpgp(openpgp));
    steps.into_iter().collect()
}

fn openpgp(openpgp: &mut Openpgp<'_>) -> Result<(), CardError> {
    let mut steps = vec![
        openpgp.tries().map(drop),
        openpgp.is_empty().map(drop),
        openpgp.verify_admin_pin(FACTORY_ADMIN_PIN),
    ];
    for (role, algorithm) in [
        (OpenpgpRole::Sign, Algorithm::Ed25519),
        (OpenpgpRole::Encrypt, Algorithm::X25519),
        (OpenpgpRole::Authenticate, Algorithm::P256),
    ] {
        steps.push(openpgp.generate(role, algorithm, false, 1));
        steps.push(openpgp.key(role).map(drop));
    }
    for purpose in [PinPurpose::Signing, PinPurpose::Using] {
        steps.push(openpgp.verify_pin(FACTORY_PIN, purpose));
    }
    let signed = openpgp.sign(OpenpgpRole::Authenticate, Algorithm::P256, &[1; 32]);
    steps.push(signed.map(drop));
    steps.push(openpgp.agree(&[9; 32]).map(drop));
    steps.into_iter().collect()
}

/// The slots of a profile whose keys sign.
fn plans() -> impl Iterator<Item = (keyledger_domain::token::Slot, SlotPlan)> {
    let profile = Profile::shipped("person").expect("it is shipped");
    profile.piv.into_iter().take(1)
}
