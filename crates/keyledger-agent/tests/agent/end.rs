//! Checks what must be true of a token after every walk that went well.

use data_encoding::BASE64;
use keyledger_domain::token::OpenpgpRole;
use keyledger_testkit::token::Token;

use crate::{
    desk::{PIN, TestDesk},
    service::attested_key,
};

/// The token is what the task asked for, custody can open it, and the service knows the keys that are on it.
pub(crate) fn assert_provisioned(desk: &TestDesk, token: &Token) {
    let state = token.state();
    let secrets = desk.service.secrets.as_ref().expect("custody has secrets");
    let puk = std::str::from_utf8(secrets.puk.expose()).unwrap();
    assert!(!state.pin_is_factory && !state.puk_is_factory && !state.management_key_is_factory);
    assert!(token.pin_is(PIN));
    assert!(token.puk_is(puk), "custody has another PUK than the token");
    assert!(token.management_key_is(secrets.management_key.expose()));
    let profile = desk.service.task.profile.as_ref().unwrap();
    assert_eq!(state.pin_tries, profile.pin.retries);
    assert_eq!(state.puk_tries, profile.pin.puk_retries);
    assert_eq!(state.pin_tries_left, state.pin_tries, "a try was lost");
    assert_eq!(state.puk_tries_left, state.puk_tries, "a try was lost");

    let evidence = desk.service.evidence.as_ref().expect("it was proved");
    let slots: Vec<u8> = profile.piv.keys().map(|slot| slot.number()).collect();
    assert_eq!(state.slots.keys().copied().collect::<Vec<_>>(), slots);
    for proof in &evidence.slots {
        let on_token = &state.slots[&proof.slot.number()];
        assert!(on_token.generated);
        assert_eq!(on_token.public_key, attested_key(&proof.attestation));
    }
    // Every key that was ever reported is on the token: no key was made again after it was reported.
    for made in desk.service.keys_made.iter().flat_map(|made| &made.keys) {
        let on_token = &state.slots[&made.slot.number()];
        assert_eq!(on_token.public_key, attested_key(&made.attestation));
    }
    assert_openpgp(desk, token);
    assert_no_secret_in_reports(desk);
}

fn assert_openpgp(desk: &TestDesk, token: &Token) {
    let state = token.state().openpgp;
    let evidence = desk.service.evidence.as_ref().unwrap();
    let keys = [&state.sign, &state.decrypt, &state.authenticate];
    let profile = desk.service.task.profile.as_ref().unwrap();
    let Some(plan) = &profile.openpgp else {
        return;
    };
    let secrets = desk.service.secrets.as_ref().unwrap();
    let text = |secret: &Option<keyledger_custody::Secret>| {
        String::from_utf8(secret.as_ref().unwrap().expose().to_vec()).unwrap()
    };
    assert!(token.openpgp_pin_is(PIN));
    assert!(token.openpgp_admin_pin_is(&text(&secrets.openpgp_admin_pin)));
    assert!(token.openpgp_reset_code_is(&text(&secrets.openpgp_reset_code)));
    assert_eq!(state.pin_tries_left, plan.retries);
    assert_eq!(state.admin_pin_tries_left, plan.retries);
    assert_eq!(evidence.openpgp.len(), 3);
    for (proof, key) in evidence.openpgp.iter().zip(keys) {
        let key = key.as_ref().expect("the key is on the token");
        let escrow = plan.encrypt.escrow && proof.role == OpenpgpRole::Encrypt;
        assert_eq!(key.generated, !escrow);
        if escrow {
            let custody = &desk.service.escrowed;
            assert_eq!(key.public_key, custody.public().to_spki());
            assert_eq!(key.fingerprint, *custody.fingerprint().as_bytes());
        }
        let fingerprint = data_encoding::HEXLOWER.encode(&key.fingerprint);
        assert_eq!(fingerprint, *proof.fingerprint);
        assert_eq!(BASE64.encode(&key.public_key), *proof.public_key);
    }
    for made in desk.service.keys_made.iter().flat_map(|made| &made.openpgp) {
        let same = |proof: &&keyledger_domain::token::OpenpgpProof| proof.role == made.role;
        let proof = evidence.openpgp.iter().find(same).unwrap();
        assert_eq!(made.fingerprint, proof.fingerprint);
    }
}

/// No report holds a PIN, a PUK or a management key, in digits, hex or base64.
pub(crate) fn assert_no_secret_in_reports(desk: &TestDesk) {
    let reports = serde_json::to_string(&desk.reports).unwrap();
    assert!(!reports.contains(PIN));
    let Some(secrets) = &desk.service.secrets else {
        return;
    };
    let key = secrets.management_key.expose();
    for secret in [
        std::str::from_utf8(secrets.puk.expose())
            .unwrap()
            .to_owned(),
        data_encoding::HEXLOWER.encode(key),
        BASE64.encode(key),
    ] {
        assert!(!reports.contains(&secret), "a secret is in a report");
    }
}
