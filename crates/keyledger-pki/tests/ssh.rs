//! Lines for `authorized_keys`, with `ssh-keygen` as the judge.

#![allow(clippy::unwrap_used)] // a test that cannot go on ends there

use std::{fs, path::Path, process::Command};

use aws_lc_rs::{
    encoding::AsDer as _,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair as _,
    },
};
use keyledger_pki::ssh::{self, NoSshKey};

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
    let keys = [
        der(&|| p256.public_key().as_der().unwrap().as_ref().to_vec()),
        der(&|| p384.public_key().as_der().unwrap().as_ref().to_vec()),
        der(&|| rsa.public_key().as_der().unwrap().as_ref().to_vec()),
    ];
    for der in keys {
        let ours = ssh::line(&der, "alice 9a").unwrap();
        let theirs = ssh_keygen(directory.path(), &der);
        assert_eq!(ours, format!("{theirs} alice 9a"));
    }
    // ssh-keygen of Debian 12 does not import Ed25519: its form is RFC 8709's.
    let der = ed25519.public_key().as_der().unwrap();
    let ours = ssh::line(der.as_ref(), "alice 9a").unwrap();
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
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let der = p256.public_key().as_der().unwrap().as_ref().to_vec();
    let of = |der: &[u8]| ssh::line(der, "alice");
    assert_eq!(of(&der[..der.len() - 1]), Err(NoSshKey::NotAKey));
    assert_eq!(of(&[der.clone(), vec![0]].concat()), Err(NoSshKey::NotAKey));
    assert_eq!(of(b""), Err(NoSshKey::NotAKey));
    // The curve's name and the point have to agree: secp256k1 has points of the same length.
    let mut other = der.clone();
    let p256_oid = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let at = other.windows(8).position(|w| w == p256_oid).unwrap();
    other[at + 7] = 6;
    assert_eq!(of(&other), Err(NoSshKey::Algorithm));
    // A comment cannot begin a line of its own.
    let lines = "alice\nssh-ed25519 AAAA";
    assert_eq!(ssh::line(&der, lines), Err(NoSshKey::Comment));
}
