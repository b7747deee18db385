//! The walks with a real YubiKey. **Everything on it is destroyed.**
//!
//! What you need: a YubiKey of firmware 5.3 or later (5.7 for the test of its algorithms) that holds nothing you want, with PIV and
//! OpenPGP switched on, and a running pcscd (`apt-get install pcscd`).
//!
//! 1. Plug it in, and no other. `keyledger-agent tokens`, or the token itself, says its serial number.
//! 2. Close what may hold it: `gpgconf --kill scdaemon`, ssh agents with PKCS#11, browsers.
//! 3. Name the token that is to be wiped, and stay beside it:
//!
//!    ```text
//!    KEYLEDGER_HARDWARE_SERIAL=12345678 cargo test -p keyledger-agent --features hardware --test hardware -- --nocapture
//!    ```
//!
//! 4. Touch it whenever the test says so; the token blinks for 15 seconds, and each touch is asked for four times.
//!
//! It takes about five minutes, most of them for keys of RSA, and ends with the token in the factory's state. If it was cut off, the PIN is
//! 27182818, and PUK and management key are lost: run it again, it begins with a reset.
//!
//! The desk, the service and what they check of each proof are those of the tests with virtual tokens.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[allow(dead_code, reason = "the tests with virtual tokens use the rest")]
#[path = "../agent/desk.rs"]
mod desk;
#[allow(dead_code, reason = "the tests with virtual tokens use the rest")]
#[path = "../agent/service.rs"]
mod service;

use keyledger_agent::{card::readers, walk::WalkEnd};
use keyledger_domain::token::{Announcement, FIRMWARE_5_7, Profile, Serial, TaskKind};

use crate::desk::TestDesk;

#[test]
fn a_real_token_goes_through_its_whole_life() {
    let serial = serial();
    let person = Profile::shipped("person").unwrap();
    let mut desk = begin(TaskKind::Provision, Some(person.clone()));
    proved(&mut desk, serial, "provisioned");

    let shown = shown(serial);
    assert_eq!(shown.factory_pin, Some(false));
    assert_eq!(shown.pin_tries, Some(person.pin.retries));
    assert_eq!(shown.puk_tries, Some(person.pin.puk_retries));
    assert_eq!(shown.slots.len(), person.piv.len());

    for (kind, what) in [
        (TaskKind::Verify, "verified"),
        (TaskKind::RotateSecrets, "given new secrets"),
        (TaskKind::Unblock, "unblocked"),
    ] {
        desk.file(kind);
        proved(&mut desk, serial, what);
    }

    if shown.firmware >= FIRMWARE_5_7 {
        let profile = Profile::read(ALL).unwrap();
        let mut desk = begin(TaskKind::Provision, Some(profile));
        proved(&mut desk, serial, "provisioned with every algorithm");
    }

    let mut desk = begin(TaskKind::Reset, Some(person));
    proved(&mut desk, serial, "reset");
    let shown = self::shown(serial);
    assert_eq!(shown.factory_pin, Some(true));
    assert!(shown.slots.is_empty());
}

/// A key of each algorithm of firmware 5.7.
const ALL: &str = r#"
name = "all"
about = "A key of each algorithm"
[piv]
9a = { algorithm = "ed25519", pin = "once", touch = "never", certificate = { usages = ["client_auth"], days = 10 } }
9c = { algorithm = "rsa-3072", pin = "always", touch = "never", certificate = { usages = ["client_auth"], days = 10 } }
9d = { algorithm = "x25519", pin = "once", touch = "always" }
82 = { algorithm = "p-384", pin = "always", touch = "cached", certificate = { usages = ["client_auth"], days = 10 } }
"#;

fn serial() -> Serial {
    let named = std::env::var("KEYLEDGER_HARDWARE_SERIAL").ok();
    let number = named.and_then(|text| text.parse().ok());
    number.and_then(Serial::new).expect(
        "KEYLEDGER_HARDWARE_SERIAL names no token: write the serial number of a YubiKey whose content may be destroyed",
    )
}

fn begin(kind: TaskKind, profile: Option<Profile>) -> TestDesk {
    let mut desk = TestDesk::with_task(kind, profile);
    desk.when_shown = Some(Box::new(|prompt| eprintln!("now: {}", prompt.sentence())));
    desk
}

fn proved(desk: &mut TestDesk, serial: Serial, what: &str) {
    let begun = std::time::Instant::now();
    let end = desk.walk_with(serial);
    assert!(matches!(end, Ok(WalkEnd::Proved { .. })), "{what}: {end:?}");
    eprintln!("{what} in {:.1} s", begun.elapsed().as_secs_f32());
}

fn shown(serial: Serial) -> Announcement {
    let found = readers().unwrap();
    let tokens = found.into_iter().filter_map(|found| found.shows.ok());
    let mut tokens = tokens.filter(|shown| shown.serial == serial);
    tokens.next().expect("the token is plugged in")
}
