//! Provisioning profiles: those that are shipped, and what no profile may say.

use keyledger_domain::{
    Algorithm,
    token::{Applet, Firmware, Profile, ProfileError, Slot, TouchPolicy},
};

const BEGINNING: &str = "name = \"odd\"\nabout = \"odd\"\n";

fn read(rest: &str) -> Result<Profile, ProfileError> {
    Profile::read(&format!("{BEGINNING}{rest}"))
}

#[test]
fn the_shipped_profiles_read_and_are_named_as_they_are_shipped() {
    let names: Vec<_> = Profile::shipped_names().collect();
    assert_eq!(
        names,
        ["person", "administrator", "service", "offline-root"]
    );
    for shipped in names {
        let toml = Profile::shipped_toml(shipped).unwrap();
        let profile = Profile::read(toml).unwrap_or_else(|e| panic!("{shipped}: {e}"));
        assert_eq!(profile.name.as_str(), shipped);
        assert!(
            profile.pin.digits == 8,
            "{shipped}: PINs that a person is given have eight digits"
        );
        assert_eq!(Profile::shipped(shipped), Some(profile));
    }
    assert!(Profile::shipped("nobody").is_none());
}

#[test]
fn the_shipped_profiles_put_on_a_token_what_they_say() {
    let slots = |name| {
        Profile::shipped(name)
            .unwrap()
            .piv
            .into_keys()
            .map(|s| s.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(slots("person"), ["9a", "9c", "9d", "9e"]);
    assert_eq!(slots("administrator"), ["82", "9a", "9c", "9d", "9e"]);
    assert_eq!(slots("service"), ["9a", "9c", "9d"]);
    assert_eq!(slots("offline-root"), ["9c"]);
    for (name, openpgp) in [
        ("person", true),
        ("administrator", true),
        ("service", false),
        ("offline-root", false),
    ] {
        let profile = Profile::shipped(name).unwrap();
        let applets: Vec<_> = profile.applets().collect();
        assert_eq!(applets.contains(&Applet::Openpgp), openpgp, "{name}");
        if let Some(plan) = &profile.openpgp {
            let escrowed: Vec<_> = plan
                .subkeys()
                .into_iter()
                .filter(|(_, p)| p.escrow)
                .collect();
            assert_eq!(
                escrowed[0].0, "openpgp.encrypt",
                "only what decrypts is kept in custody"
            );
            assert_eq!(escrowed.len(), 1);
        }
    }
    // A signature needs a person, except on a server.
    for name in ["person", "administrator", "offline-root"] {
        let profile = Profile::shipped(name).unwrap();
        let plan = &profile.piv[&Slot::SIGNATURE];
        assert_eq!(
            (plan.pin.as_str(), plan.touch.as_str()),
            ("always", "always"),
            "{name}"
        );
    }
}

#[test]
fn each_number_has_its_range() {
    let slot = "[piv.9a]\nalgorithm = \"p-256\"\npin = \"once\"\ntouch = \"never\"\n";
    let subkey = |days, retries: u8| {
        format!(
            "[openpgp]\nretries = {retries}\nsign = {{ algorithm = \"ed25519\", days = {days}, touch = true }}\n\
             encrypt = {{ algorithm = \"x25519\", days = 1, touch = true }}\n\
             authenticate = {{ algorithm = \"p-256\", days = 1, touch = true }}\n"
        )
    };
    let certificate = |usages: &str, days| {
        format!("{slot}certificate = {{ usages = [{usages}], days = {days} }}\n")
    };
    for (toml, field) in [
        (format!("[pin]\ndigits = 5\n{slot}"), "pin.digits"),
        (format!("[pin]\ndigits = 9\n{slot}"), "pin.digits"),
        (format!("[pin]\nretries = 0\n{slot}"), "pin.retries"),
        (format!("[pin]\nretries = 16\n{slot}"), "pin.retries"),
        (format!("[pin]\npuk_retries = 0\n{slot}"), "pin.puk_retries"),
        (
            format!("[pin]\npuk_retries = 16\n{slot}"),
            "pin.puk_retries",
        ),
        (certificate("\"client_auth\"", 0), "certificate.days"),
        (certificate("\"client_auth\"", 3_651), "certificate.days"),
        (certificate("", 1), "certificate.usages"),
        (subkey(0, 5), "openpgp days"),
        (subkey(3_651, 5), "openpgp days"),
        (subkey(1, 0), "openpgp.retries"),
        (subkey(1, 16), "openpgp.retries"),
    ] {
        match read(&toml) {
            Err(ProfileError::OutOfRange { field: found, .. }) => {
                assert_eq!(found, field, "{toml}")
            }
            other => panic!("{toml}: {other:?}"),
        }
    }
    assert!(read(&subkey(3_650, 15)).is_ok());
    assert!(read(&certificate("\"client_auth\", \"server_auth\"", 3_650)).is_ok());
    let twice = read(&certificate("\"client_auth\", \"client_auth\"", 1));
    assert_eq!(
        twice,
        Err(ProfileError::UsageTwice {
            slot: Slot::AUTHENTICATION
        })
    );
}

#[test]
fn a_key_is_of_an_algorithm_that_can_do_it() {
    let openpgp = |sign: &str, encrypt: &str, escrow: &str| {
        format!(
            "[openpgp]\nsign = {{ algorithm = \"{sign}\", days = 1, touch = true{escrow} }}\n\
             encrypt = {{ algorithm = \"{encrypt}\", days = 1, touch = true, escrow = true }}\n\
             authenticate = {{ algorithm = \"ed25519\", days = 1, touch = true }}\n"
        )
    };
    let slot = |algorithm: &str, rest: &str| {
        format!("[piv.9a]\nalgorithm = \"{algorithm}\"\npin = \"once\"\ntouch = \"never\"\n{rest}")
    };
    let certificate = "certificate = { usages = [\"client_auth\"], days = 1 }\n";
    for (toml, place) in [
        (slot("aes-256", ""), "slot 9a"),
        (slot("x25519", certificate), "slot 9a with a certificate"),
        (openpgp("x25519", "x25519", ""), "openpgp.sign"),
        (openpgp("ed25519", "ed25519", ""), "openpgp.encrypt"),
        (openpgp("rsa-3072", "x25519", ""), "openpgp.sign"),
        (openpgp("rsa-2048", "x25519", ""), "openpgp.sign"),
        (
            openpgp("ed25519", "x25519", ", escrow = true"),
            "openpgp.sign with escrow",
        ),
        (openpgp("p-256", "p-256", ""), "openpgp.encrypt with escrow"),
    ] {
        match read(&toml) {
            Err(ProfileError::Algorithm { place: found, .. }) => assert_eq!(found, place),
            other => panic!("{toml}: {other:?}"),
        }
    }
    let on_card = openpgp("p-256", "p-256", "").replace(", escrow = true", "");
    for toml in [slot("x25519", ""), on_card] {
        assert!(read(&toml).is_ok(), "{toml}");
    }
}

#[test]
fn what_is_no_profile_is_named_with_its_place() {
    assert_eq!(read(""), Err(ProfileError::Empty));
    for (toml, words) in [
        ("[piv.9b]\n", "not a PIV slot"),
        ("[piv.9a]\nalgorithm = \"rot13\"\n", "rot13"),
        ("[pin]\ndigts = 8\n", "digts"),
        ("color = \"blue\"\n", "color"),
        ("[piv.9a]\nalgorithm = \"p-256\"\n", "missing field"),
        ("[piv", "TOML parse error"),
        ("[pin]\nretries = 300\n", "expected a number from 1 to 15"),
        ("[pin]\ndigits = \"6\"\n", "expected a number from 6 to 8"),
        (
            "[piv.9a]\nalgorithm = \"p-256\"\npin = \"once\"\ntouch = \"never\"\n\
             certificate = { usages = [\"client_auth\"], days = 70000 }\n",
            "expected a number from 1 to 3650",
        ),
    ] {
        match read(toml) {
            Err(ProfileError::Unreadable(said)) => assert!(said.contains(words), "{toml}: {said}"),
            other => panic!("{toml}: {other:?}"),
        }
    }
    let long = format!("# {}\n", "x".repeat(65_536));
    assert!(matches!(read(&long), Err(ProfileError::Unreadable(said)) if said.contains("65,536")));
}

#[test]
fn each_profile_fits_the_firmware_that_can_do_it() {
    let fits = |name: &str, firmware: &str| {
        let firmware: Firmware = firmware.parse().unwrap();
        Profile::shipped(name).unwrap().fits(firmware)
    };
    for (name, since) in [
        ("person", "5.2.3"),
        ("administrator", "5.2.3"),
        ("service", "4.3.0"),
        ("offline-root", "4.3.0"),
    ] {
        assert_eq!(fits(name, since), Ok(()), "{name}");
        let before = match since {
            "5.2.3" => "5.2.2",
            _ => "4.2.9",
        };
        let unable = fits(name, before).unwrap_err();
        assert!(unable.to_string().contains(since), "{unable}");
    }
    for (algorithm, since, before, remedy) in [
        (
            "ed25519",
            "5.7.0",
            "5.6.9",
            ", or a profile with p-256 or p-384 there",
        ),
        (
            "x25519",
            "5.7.0",
            "5.6.9",
            ", or a profile with p-256 or p-384 there",
        ),
        (
            "rsa-3072",
            "5.7.0",
            "5.6.9",
            ", or a profile with rsa-2048, p-256 or p-384 there",
        ),
        (
            "rsa-4096",
            "5.7.0",
            "5.6.9",
            ", or a profile with rsa-2048, p-256 or p-384 there",
        ),
        // CVE-2017-15361
        (
            "rsa-2048",
            "4.3.5",
            "4.3.4",
            ", or a profile with p-256 or p-384 there",
        ),
        ("rsa-2048", "4.3.5", "4.2.9", "take another token"),
        ("p-384", "4.3.0", "4.2.9", "take another token"),
    ] {
        let toml =
            format!("[piv.82]\nalgorithm = \"{algorithm}\"\npin = \"once\"\ntouch = \"never\"\n");
        let profile = read(&toml).unwrap();
        assert!(profile.fits(since.parse().unwrap()).is_ok());
        let unable = profile.fits(before.parse().unwrap()).unwrap_err();
        assert_eq!(
            (&*unable.place, unable.algorithm.as_str()),
            ("slot 82", algorithm)
        );
        let said = unable.to_string();
        assert!(
            said.contains(&format!("({since} and later can)")) && said.ends_with(remedy),
            "{said}"
        );
    }
}

fn with_subject(parts: &str) -> Result<Profile, ProfileError> {
    read(&format!(
        "[piv.9a]\nalgorithm = \"p-256\"\npin = \"once\"\ntouch = \"never\"\n\
         [piv.9a.certificate]\nsubject = [{parts}]\nusages = [\"client_auth\"]\ndays = 90\n"
    ))
}

#[test]
fn a_subject_is_of_parts_that_a_certificate_can_have() {
    let sound = r#""CN={title}", "ou=Keys, and more", "O=Acme", "C=DE", "UID=a-{principal}-{serial}", "emailAddress={email}""#;
    let profile = with_subject(sound).unwrap();
    let plan = profile.piv[&Slot::AUTHENTICATION].certificate.as_ref();
    let written: Vec<_> = plan
        .unwrap()
        .subject
        .iter()
        .map(ToString::to_string)
        .collect();
    let parts = [
        "CN={title}",
        "OU=Keys, and more",
        "O=Acme",
        "C=DE",
        "UID=a-{principal}-{serial}",
        "EMAIL={email}",
    ];
    assert_eq!(written, parts);
    // As a snapshot has it.
    let bytes = postcard::to_stdvec(&profile).unwrap();
    assert_eq!(postcard::from_bytes::<Profile>(&bytes).unwrap(), profile);
    let many = vec!["\"OU=Keys\""; 13].join(",");
    for (unsound, said) in [
        ("\"Ada\"", "ATTRIBUTE=value"),
        ("\"XX=Ada\"", "ATTRIBUTE=value"),
        ("\"CN=\"", "1 to 64"),
        ("\"CN=Ada \"", "none of them a space"),
        ("\"CN=a\\nb\"", "printable"),
        ("\"CN={titel}\"", "in braces stand"),
        ("\"CN={title\"", "in braces stand"),
        ("\"CN=title}\"", "in braces stand"),
        ("\"C=DEU\"", "1 to 2"),
        (&*format!("\"OU={}\"", "x".repeat(65)), "1 to 64"),
        (&*format!("\"UID={}\"", "x".repeat(300)), "ATTRIBUTE=value"),
        (&*many, "certificate.subject is 13"),
    ] {
        let refused = with_subject(unsound).unwrap_err().to_string();
        assert!(refused.contains(said), "{unsound}: {refused}");
    }
}

#[test]
fn a_profile_with_a_key_of_custody_has_a_slot_that_vouches() {
    let mut profile = Profile::shipped("person").unwrap();
    let (slot, plan) = profile.vouches().unwrap();
    assert_eq!(
        (slot, plan.touch),
        (Slot::AUTHENTICATION, TouchPolicy::Never)
    );
    profile.piv.retain(|slot, _| *slot == Slot::KEY_MANAGEMENT);
    profile.check().unwrap();
    let plan = profile.piv.get_mut(&Slot::KEY_MANAGEMENT).unwrap();
    (plan.algorithm, plan.certificate) = (Algorithm::X25519, None);
    let said = profile.check().unwrap_err().to_string();
    assert!(said.contains("no key under [piv] signs"), "{said}");
    profile.openpgp.as_mut().unwrap().encrypt.escrow = false;
    profile.check().unwrap();
    let administrators = Profile::shipped("administrator").unwrap();
    assert_eq!(
        administrators.vouches().unwrap().1.touch,
        TouchPolicy::Cached
    );
}

/// What can be known of a token is known before everything on it is destroyed for nothing.
#[test]
fn a_profile_suits_no_token_that_will_refuse_it() {
    use keyledger_domain::token::{Applet, FormFactor, Restriction};
    let person = Profile::shipped("person").unwrap();
    let sound = crate::support::announcement(crate::support::SERIAL);
    assert_eq!(person.suits(&sound), Ok(()));
    let refused = |profile: &Profile, change: fn(&mut keyledger_domain::token::Announcement)| {
        let mut shown = sound.clone();
        change(&mut shown);
        profile.suits(&shown).unwrap_err().to_string()
    };
    let said = refused(&person, |shown| shown.applets = vec![Applet::Openpgp]);
    assert!(said.contains("applet PIV"), "{said}");
    let said = refused(&person, |shown| shown.form_factor = FormFactor::UsbCBio);
    assert!(said.contains("no PUK"), "{said}");
    let said = refused(&person, |shown| {
        shown.restrictions = vec![Restriction::ResetBlocked];
    });
    assert!(said.contains("ykman config reset"), "{said}");
    let fips = |shown: &mut keyledger_domain::token::Announcement| {
        shown.restrictions = vec![Restriction::Fips];
    };
    for (toml, what) in [
        (
            "[piv.9e]\nalgorithm = \"p-256\"\npin = \"never\"\ntouch = \"never\"\n",
            "slot 9e asks for no PIN",
        ),
        (
            "[piv.9d]\nalgorithm = \"x25519\"\npin = \"once\"\ntouch = \"never\"\n",
            "slot 9d is x25519",
        ),
        (
            "[piv.9a]\nalgorithm = \"p-256\"\npin = \"once\"\ntouch = \"never\"\n[pin]\ndigits = 6\n",
            "pin.digits is less than 8",
        ),
    ] {
        let profile = read(toml).unwrap();
        assert_eq!(profile.suits(&sound), Ok(()), "{what}");
        let said = refused(&profile, fips);
        assert!(said.contains(what), "{said}");
    }
}

#[test]
fn no_profile_asks_for_fingerprints() {
    let toml = "[piv.9a]\nalgorithm = \"p-256\"\npin = \"match_once\"\ntouch = \"never\"\n";
    let refused = read(toml).unwrap_err().to_string();
    assert!(
        refused.contains("slot 9a: no profile asks for fingerprints"),
        "{refused}"
    );
}
