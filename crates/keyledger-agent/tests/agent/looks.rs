//! What is plugged in is seen, and so are changes.

use std::time::Duration;

use keyledger_agent::card::{Watch, readers};
use keyledger_domain::token::{Applet, FormFactor};
use keyledger_testkit::token::VirtualTokens;

use crate::desk::{TestDesk, serial};

#[test]
fn tokens_are_announced_with_what_is_on_them() {
    VirtualTokens::in_front_of(2, |tokens| {
        let (used, fresh) = (tokens.token(0), tokens.token(1));
        let mut desk = TestDesk::provision("person");
        desk.walk_to_proof(&used);
        let found = readers().unwrap();
        assert_eq!(found.len(), 2);
        let of = |token| {
            found
                .iter()
                .find(|f| f.announcement.serial == serial(token))
        };
        let (used, fresh) = (of(&used).unwrap(), of(&fresh).unwrap());
        assert_eq!(fresh.reader, tokens.token(1).reader());
        assert_eq!(fresh.announcement.firmware.to_string(), "5.7.1");
        assert_eq!(fresh.announcement.form_factor, FormFactor::UsbAKeychain);
        assert!(fresh.announcement.applets.contains(&Applet::Piv));
        assert!(fresh.announcement.slots.is_empty());
        assert_eq!(fresh.announcement.factory_pin, Some(true));
        assert_eq!(fresh.announcement.pin_tries, Some(3));

        let profile = desk.service.task.profile.unwrap();
        let shown = &used.announcement.slots;
        assert_eq!(shown.len(), profile.piv.len());
        for shown in shown {
            let plan = &profile.piv[&shown.slot];
            assert!(shown.generated);
            assert_eq!(shown.algorithm, Some(plan.algorithm));
            assert_eq!((shown.pin, shown.touch), (plan.pin, plan.touch));
        }
        assert_eq!(used.announcement.factory_pin, Some(false));
        assert_eq!(used.announcement.puk_tries, Some(5));
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
