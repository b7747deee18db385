//! What is plugged in is seen, and so are changes.

use std::time::Duration;

use keyledger_agent::card::{CardError, Watch, readers};
use keyledger_domain::token::{Applet, FormFactor};
use keyledger_testkit::token::{Token, VirtualTokens};

use crate::desk::{TestDesk, serial};

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
        let mut watch = Watch::begin().unwrap();
        assert!(watch.changed(Duration::from_secs(5)).unwrap());
        assert!(!watch.changed(Duration::from_millis(300)).unwrap());
        token.remove();
        assert!(watch.changed(Duration::from_secs(5)).unwrap());
        assert!(readers().unwrap().is_empty());
        token.insert();
        assert!(watch.changed(Duration::from_secs(5)).unwrap());
        assert_eq!(readers().unwrap().len(), 1);
    });
}
