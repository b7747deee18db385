//! Tokens that are plugged in are seen, and so are changes.

use std::time::Duration;

use keyledger_agent::{
    card::{CardError, ReaderWatch, readers},
    walk::WalkEnd,
};
use keyledger_domain::token::{
    Announcement, Applet, FailureCode, FormFactor, PinPolicy, Restriction, TaskKind,
};
use keyledger_testkit::PATIENCE;
use keyledger_testkit::token::{Fault, Firmware, Token, VirtualTokens};

use crate::desk::{TestDesk, serial};

/// What the only token shows.
fn shown() -> Result<Announcement, CardError> {
    let mut found = readers().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0).shows
}

/// Checks that a walk with this token fails, and changes nothing on it. Returns the reason.
fn is_left_alone(token: &Token, kind: TaskKind) -> String {
    let before = token.state();
    let mut desk = TestDesk::provision("service");
    desk.service.task.kind = kind;
    let end = desk.walk(token).unwrap();
    let WalkEnd::Failed { code, detail } = end else {
        panic!("{end:?}");
    };
    assert_eq!(code, FailureCode::Unable, "{detail}");
    let after = token.state();
    assert_eq!((after.slots, after.objects), (before.slots, before.objects));
    assert_eq!(after.pin_tries_left, before.pin_tries_left);
    assert!(after.pin_is_factory);
    detail
}

#[test]
fn tokens_are_announced_with_what_is_on_them() {
    VirtualTokens::in_front_of(2, |tokens| {
        let (used, fresh) = (tokens.token(0), tokens.token(1));
        let mut desk = TestDesk::provision("person");
        desk.walk_to_proof(&used);
        let found = readers().unwrap();
        assert_eq!(found.len(), 2);
        let of = |token: &Token| {
            let here = found.iter().find(|found| found.reader == token.reader());
            here.unwrap().shows.as_ref().unwrap()
        };
        assert_eq!(of(&used).serial, serial(&used));
        let (used, fresh) = (of(&used), of(&fresh));
        assert_eq!(fresh.firmware.to_string(), "5.7.1");
        assert_eq!(fresh.form_factor, FormFactor::UsbAKeychain);
        assert_eq!(fresh.applets, [Applet::Piv, Applet::Openpgp]);
        assert!(fresh.slots.is_empty());
        assert_eq!(fresh.factory_pin, Some(true));
        assert_eq!(fresh.pin_tries, Some(3));

        let profile = desk.service.task.profile.unwrap();
        let shown = &used.slots;
        assert_eq!(shown.len(), profile.piv.len());
        for shown in shown {
            let plan = &profile.piv[&shown.slot];
            assert!(shown.generated);
            assert_eq!(shown.algorithm, Some(plan.algorithm));
            assert_eq!((shown.pin, shown.touch), (plan.pin, plan.touch));
        }
        assert_eq!(used.factory_pin, Some(false));
        assert_eq!(used.puk_tries, Some(5));
    });
}

#[test]
fn a_token_that_another_program_holds_is_shown_with_who_may_hold_it() {
    VirtualTokens::in_front_of(1, |tokens| {
        let reader = std::ffi::CString::new(tokens.token(0).reader()).unwrap();
        let context = pcsc::Context::establish(pcsc::Scope::User).unwrap();
        let exclusive = pcsc::ShareMode::Exclusive;
        let card = context.connect(&reader, exclusive, pcsc::Protocols::ANY);
        let found = readers().unwrap();
        assert_eq!(found.len(), 1);
        let held = found[0].shows.as_ref().unwrap_err();
        assert!(matches!(held, CardError::Held { .. }), "{held:?}");
        drop(card);
        assert!(readers().unwrap()[0].shows.is_ok());
    });
}

#[test]
fn a_watch_wakes_when_a_token_comes_or_goes() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut watch = ReaderWatch::begin().unwrap();
        assert!(watch.changed(PATIENCE).unwrap());
        assert!(!watch.changed(Duration::from_millis(300)).unwrap());
        token.remove();
        assert!(watch.changed(PATIENCE).unwrap());
        assert!(readers().unwrap().is_empty());
        token.insert();
        assert!(watch.changed(PATIENCE).unwrap());
        assert_eq!(readers().unwrap().len(), 1);
    });
}

/// Selecting an applet ends the sessions of other programs, which then have to ask for the PIN again.
#[test]
fn a_token_that_comes_ends_no_session_with_another() {
    VirtualTokens::in_front_of(2, |tokens| {
        let (here, comes) = (tokens.token(0), tokens.token(1));
        assert_eq!(readers().unwrap().len(), 2);
        let context = pcsc::Context::establish(pcsc::Scope::User).unwrap();
        let reader = std::ffi::CString::new(here.reader()).unwrap();
        let theirs = context
            .connect(&reader, pcsc::ShareMode::Shared, pcsc::Protocols::ANY)
            .unwrap();
        let say = |bytes: &[u8]| {
            let mut buffer = [0; 258];
            theirs.transmit(bytes, &mut buffer).unwrap().to_vec()
        };
        let selected = say(&[0, 0xa4, 4, 0, 5, 0xa0, 0, 0, 3, 8]);
        assert!(selected.ends_with(&[0x90, 0]));
        assert_eq!(say(b"\x00\x20\x00\x80\x08123456\xff\xff"), [0x90, 0]);

        let mut watch = ReaderWatch::begin().unwrap();
        assert!(watch.changed(PATIENCE).unwrap());
        for _ in 0..2 {
            comes.remove();
            assert!(watch.changed(PATIENCE).unwrap());
            assert_eq!(readers().unwrap().len(), 1);
            comes.insert();
            assert!(watch.changed(PATIENCE).unwrap());
            assert_eq!(readers().unwrap().len(), 2);
        }
        // A walk that waits for a token does not read the other tokens again.
        comes.remove();
        let mut desk = TestDesk::provision("service");
        let (hand, mut looks) = (comes.clone(), 0);
        desk.while_waiting = Some(Box::new(move || {
            looks += 1;
            if looks == 40 {
                hand.insert();
            }
        }));
        desk.walk_to_proof(&comes);
        assert_eq!(readers().unwrap().len(), 2);
        assert_eq!(say(&[0, 0x20, 0, 0x80]), [0x90, 0], "the PIN is still good");
    });
}

#[test]
fn a_look_that_failed_in_passing_is_repeated() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        token.fault(Fault::Answer {
            instruction: 0xf8,
            nth: 1,
            status: 0x6f00,
        });
        let mut watch = ReaderWatch::begin().unwrap();
        assert!(watch.changed(PATIENCE).unwrap());
        assert!(readers().unwrap().is_empty());
        // Nothing happens to the token, and yet it is seen.
        while readers().unwrap().is_empty() {
            let _ = watch.changed(Duration::from_millis(100)).unwrap();
        }
        assert_eq!(shown().unwrap().serial, serial(&token));
    });
}

#[test]
fn firmware_that_says_its_serial_number_elsewhere_is_seen_and_too_old() {
    VirtualTokens::in_front_of_firmware(1, Firmware(4, 3, 5), |tokens| {
        let token = tokens.token(0);
        let shows = shown().unwrap();
        assert_eq!(shows.serial, serial(&token));
        assert_eq!(shows.firmware.to_string(), "4.3.5");
        let why = is_left_alone(&token, TaskKind::Provision);
        assert!(why.contains("4.3.5"), "{why}");
    });
}

#[test]
fn a_token_that_cannot_be_worked_with_is_shown_with_the_reason() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let anew = |fault| {
            token.remove();
            token.clear_faults();
            token.fault(fault);
            token.insert();
        };
        anew(Fault::PivOff);
        let shows = shown().unwrap();
        assert_eq!(shows.serial, serial(&token));
        assert_eq!(shows.applets, [Applet::Openpgp]);
        let why = is_left_alone(&token, TaskKind::Provision);
        assert!(why.contains("ykman config usb --enable PIV"), "{why}");

        anew(Fault::HidesSerial);
        assert_eq!(shown(), Err(CardError::Unnumbered));
        anew(Fault::NfcRestricted);
        assert_eq!(shown(), Err(CardError::Restricted));
        anew(Fault::WithoutGetSerial);
        assert_eq!(shown().unwrap().serial, serial(&token));
    });
}

#[test]
fn a_token_that_reads_fingerprints_is_seen_and_is_not_begun_with() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        token.fault(Fault::Fingerprints { fido: true });
        let shows = shown().unwrap();
        assert_eq!(shows.form_factor, FormFactor::UsbABio);
        assert_eq!((shows.pin_tries, shows.puk_tries), (Some(3), None));
        assert_eq!(shows.restrictions, [Restriction::ResetBlocked]);
        let why = is_left_alone(&token, TaskKind::Provision);
        assert!(why.contains("no PUK"), "{why}");
        let why = is_left_alone(&token, TaskKind::Reset);
        assert!(why.contains("ykman config reset"), "{why}");
    });
}

#[test]
fn a_token_of_the_fips_series_is_not_begun_with_for_what_it_refuses() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        token.fault(Fault::Fips);
        assert_eq!(shown().unwrap().restrictions, [Restriction::Fips]);
        let mut desk = TestDesk::provision("service");
        let profile = desk.service.task.profile.as_mut().unwrap();
        let slot = "9e".parse().unwrap();
        let mut plan = profile.piv.values().next().unwrap().clone();
        plan.pin = PinPolicy::Never;
        profile.piv.insert(slot, plan);
        let end = desk.walk(&token).unwrap();
        let WalkEnd::Failed { code, detail } = end else {
            panic!("{end:?}");
        };
        assert_eq!(code, FailureCode::Unable);
        assert!(detail.contains("slot 9e asks for no PIN"), "{detail}");
        assert!(token.state().pin_is_factory && token.state().slots.is_empty());
    });
}

#[test]
fn a_key_that_takes_fingerprints_is_seen_and_holds_no_reset_up() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        for (number, policy) in [(4, Some(PinPolicy::MatchOnce)), (7, None)] {
            token.remove();
            token.clear_faults();
            token.fault(Fault::ReportsPinPolicy { slot: 0x9d, number });
            token.insert();
            let shows = shown().unwrap();
            let slot = shows.slots.iter().find(|s| s.slot.number() == 0x9d);
            assert_eq!(slot.map(|slot| slot.pin), policy);
        }
        desk.file(TaskKind::Reset);
        desk.walk_to_proof(&token);
        assert_eq!(desk.resets_confirmed, 1);
        assert!(token.state().slots.is_empty());
    });
}
