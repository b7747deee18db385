//! What is true of a token after any walk that ended well.

use data_encoding::BASE64;
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
    // Every key that the service ever heard of is on the token: none was made again after it was reported.
    for made in desk.service.keys_made.iter().flat_map(|made| &made.keys) {
        let on_token = &state.slots[&made.slot.number()];
        assert_eq!(on_token.public_key, attested_key(&made.attestation));
    }
    assert_no_secret_in_reports(desk);
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
