//! Views that others take: keyrings, `authorized_keys`, Web Key Directories.

use std::{fs, path::Path, process::Command};

use aws_lc_rs::{
    encoding::AsDer as _,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair as _,
    },
};
use keyledger_custody::openpgp::{
    Certificate, NotASubkey, PublicSubkey, RevocationReason, SubkeyRole,
    ssh::{self, NoSshKey},
    wkd,
};
use keyledger_domain::{text::Title, token::OpenpgpKeyMade};

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

/// What `ssh-keygen` makes of a public key in PEM.
fn ssh_keygen(directory: &Path, der: &[u8]) -> String {
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        data_encoding::BASE64.encode(der)
    );
    let path = directory.join("key.pem");
    fs::write(&path, pem).unwrap();
    let output = Command::new("ssh-keygen")
        .args(["-i", "-m", "PKCS8", "-f"])
        .arg(&path)
        .output()
        .expect("ssh-keygen is missing: `apt-get install openssh-client`");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn bare_public_keys_are_written_as_ssh_keygen_writes_them() {
    let directory = tempfile::tempdir().unwrap();
    let der = |key: &dyn Fn() -> Vec<u8>| key();
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let ed25519 = Ed25519KeyPair::generate().unwrap();
    let comment = Title::new("alice 9a").unwrap();
    let keys = [
        der(&|| p256.public_key().as_der().unwrap().as_ref().to_vec()),
        der(&|| p384.public_key().as_der().unwrap().as_ref().to_vec()),
        der(&|| rsa.public_key().as_der().unwrap().as_ref().to_vec()),
    ];
    for der in keys {
        let ours = ssh::of_spki(&der, &comment).unwrap();
        let theirs = ssh_keygen(directory.path(), &der);
        assert_eq!(ours, format!("{theirs} alice 9a"));
    }
    // ssh-keygen of Debian 12 does not import Ed25519: its form is RFC 8709's.
    let der = ed25519.public_key().as_der().unwrap();
    let ours = ssh::of_spki(der.as_ref(), &comment).unwrap();
    let blob = [
        &b"\0\0\0\x0bssh-ed25519\0\0\0\x20"[..],
        ed25519.public_key().as_ref(),
    ]
    .concat();
    let blob = data_encoding::BASE64.encode(&blob);
    assert_eq!(ours, format!("ssh-ed25519 {blob} alice 9a"));
}

#[test]
fn what_ssh_does_not_take_is_refused() {
    let comment = Title::new("alice").unwrap();
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let der = p256.public_key().as_der().unwrap().as_ref().to_vec();
    let of = |der: &[u8]| ssh::of_spki(der, &comment);
    assert_eq!(of(&der[..der.len() - 1]), Err(NoSshKey::NotAKey));
    assert_eq!(of(&[der.clone(), vec![0]].concat()), Err(NoSshKey::NotAKey));
    assert_eq!(of(b""), Err(NoSshKey::NotAKey));
    // The curve's name and the point have to agree: secp256k1 has points of the same length.
    let mut other = der.clone();
    let p256_oid = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let at = other.windows(8).position(|w| w == p256_oid).unwrap();
    other[at + 7] = 6;
    assert_eq!(of(&other), Err(NoSshKey::Algorithm));
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
