//! Views that others take: keyrings, `authorized_keys`, Web Key Directories.

use std::process::Command;

use aws_lc_rs::{
    encoding::AsDer as _,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair as _,
    },
};
use keyledger_custody::openpgp::{
    Certificate, NotASubkey, PublicSubkey, RevocationReason, SubkeyRole, ssh, wkd,
};
use keyledger_domain::token::OpenpgpKeyMade;
use keyledger_pki::ssh::NoSshKey;

use crate::{
    openpgp_gpg::Gpg,
    openpgp_world::{SoftKey, alice, day, first, person, user_id},
};

#[test]
fn a_keyring_is_read_by_gpg_and_back() {
    let (one, two) = (person().certificate, person().certificate);
    let armored = Certificate::armored(&[one.clone(), two.clone()]);
    let gpg = Gpg::new();
    gpg.import(day(2).seconds(), armored.as_bytes());
    let rows = gpg.rows(day(2).seconds());
    assert_eq!(rows.iter().filter(|row| row.kind == "pub").count(), 2);
    let back = Certificate::parse_keyring(armored.as_bytes()).unwrap();
    assert_eq!(back, [one.clone(), two]);
    // What gpg exports, we read: its armor and its packets differ in form, not in what they say.
    let fingerprint = one.fingerprint().to_string();
    for arguments in [
        &["--armor", "--export", &fingerprint][..],
        &["--export", &fingerprint],
    ] {
        let output = gpg.try_run(day(2).seconds(), arguments);
        let back = Certificate::parse(&output.stdout).unwrap();
        assert_eq!(back.subkeys(), one.subkeys());
        assert_eq!(back.user_ids(), one.user_ids());
        assert!(back.holds(&one) && one.holds(&back));
    }
}

#[test]
fn what_gpg_exports_is_renewed() {
    let person = person();
    let gpg = Gpg::new();
    gpg.import(day(2).seconds(), &person.certificate.to_bytes());
    let exported = gpg
        .try_run(day(2).seconds(), &["--armor", "--export"])
        .stdout;
    let exported = Certificate::parse(&exported).unwrap();
    let what = [keyledger_custody::openpgp::Renewal::Primary];
    let renewed = person
        .made
        .key
        .renew(&exported, &what, day(4000), day(3))
        .unwrap();
    assert_eq!(renewed.expires(), Some(day(4000)));
}

#[test]
fn a_subkey_that_decrypts_has_no_line() {
    let encrypt = person().certificate;
    let encrypt = encrypt
        .subkey(first(&encrypt, SubkeyRole::Encrypt))
        .unwrap();
    assert_eq!(ssh::of_subkey(&encrypt.public), Err(NoSshKey::Algorithm));
}

#[test]
fn the_directory_s_hash_is_gpg_wks_client_s() {
    for address in [
        "alice@example.org",
        "Joe.Doe@Example.ORG",
        "a+b_c@sub.example.com",
    ] {
        let output = ["/usr/lib/gnupg/gpg-wks-client", "gpg-wks-client"]
            .iter()
            .find_map(|program| {
                let mut command = Command::new(program);
                command.args(["--print-wkd-hash", address]).output().ok()
            })
            .expect("gpg-wks-client is missing: `apt-get install gpg-wks-client`");
        let theirs = String::from_utf8(output.stdout).unwrap();
        let hash = theirs.split_whitespace().next().unwrap();
        let place = wkd::place(&user_id(address)).unwrap();
        assert_eq!(place.hash(), hash, "{address}");
    }
}

#[test]
fn a_directory_gives_each_address_its_own_certificate() {
    let person = person();
    let two = person
        .made
        .key
        .add_user_id(
            &person.certificate,
            &user_id("Alice Archer <archer@example.com>"),
            day(20),
        )
        .unwrap();
    let revoked = alice();
    let revoked = revoked
        .key
        .revoke(
            &revoked.certificate,
            RevocationReason::Superseded,
            None,
            day(1),
        )
        .unwrap();
    let tree = wkd::tree(&[revoked, two.clone()], &[], day(21));
    let paths: Vec<_> = tree.keys().map(String::as_str).collect();
    let place = |text: &str| wkd::place(&user_id(text)).unwrap();
    let (org, com) = (place("alice@example.org"), place("archer@example.com"));
    assert_eq!(
        paths,
        [&com.path()[..], &com.policy(), &org.path(), &org.policy()]
    );
    assert!(tree[&com.policy()].is_empty());
    let slim = Certificate::parse(&tree[&com.path()]).unwrap();
    assert_eq!(slim.user_ids().len(), 1);
    assert_eq!(slim.subkeys(), two.subkeys());
    let both = Certificate::parse_keyring(&tree[&org.path()]).unwrap();
    assert_eq!(both[0].fingerprint(), two.fingerprint());
    assert!(both[1].revoked().is_some());
    // gpg takes the file as it would take it from a web server.
    let gpg = Gpg::new();
    gpg.import(day(22).seconds(), &tree[&com.path()]);
    let rows = gpg.rows(day(22).seconds());
    assert_eq!(rows[1].text, "Alice Archer <archer@example.com>");

    let only = wkd::tree(&[two], &["EXAMPLE.com".to_owned()], day(21));
    assert_eq!(only.len(), 2);
}

#[test]
fn what_a_token_reports_is_the_same_subkey() {
    use SubkeyRole::{Authenticate, Encrypt, Sign};
    let keys = [
        SoftKey::ed25519(1).public(Sign, day(1)),
        SoftKey::x25519(2).public(Encrypt, day(1)),
        SoftKey::p256(3).public(Encrypt, day(1)),
        SoftKey::p256(4).public(Authenticate, day(1)),
    ];
    for key in &keys {
        let made = OpenpgpKeyMade::from(key);
        assert_eq!(PublicSubkey::try_from(&made).unwrap(), *key);
        let later = OpenpgpKeyMade {
            created_at: made.created_at + 1,
            ..made.clone()
        };
        let other = PublicSubkey::try_from(&later).unwrap_err();
        assert!(matches!(other, NotASubkey::OtherFingerprint { .. }));
        let torn = OpenpgpKeyMade {
            public_key: made.public_key[4..].into(),
            ..made
        };
        assert_eq!(PublicSubkey::try_from(&torn), Err(NotASubkey::Spki));
    }
    // As aws-lc writes it.
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let ed25519 = Ed25519KeyPair::generate().unwrap();
    let p256 = p256.public_key().as_der().unwrap();
    let ed25519 = ed25519.public_key().as_der().unwrap();
    for der in [p256.as_ref(), ed25519.as_ref()] {
        let subkey = PublicSubkey::from_spki(Sign, day(1), der).unwrap();
        assert_eq!(subkey.to_spki(), der);
    }
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
    let p384 = p384.public_key().as_der().unwrap();
    let other = PublicSubkey::from_spki(Sign, day(1), p384.as_ref());
    assert_eq!(other, Err(NotASubkey::Spki));
}
