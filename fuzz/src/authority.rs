//! An authority whose key is the same in every run, so that what the fuzzer finds can be signed by it.

use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use keyledger_pki::{
    Moment,
    x509::{Certificate, SerialNumber, new_root},
};

/// Seven, thirty-two times: nobody may take it for a secret.
static KEY: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("32 bytes are a seed"));

static CERTIFICATE: LazyLock<Certificate> = LazyLock::new(|| {
    let mut spki = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".to_vec();
    spki.extend(KEY.public_key().as_ref());
    let subject = "CN=Fuzz Root".parse().expect("it is a name");
    let serial_number = SerialNumber::from_random([1; 16]);
    // From 2026-12-01 on for ten years.
    let now = Moment::from_seconds(1_796_083_200);
    let until = Moment::from_seconds(now.seconds() + 3_650 * 86_400);
    let root = new_root(&subject, &spki, &serial_number, until, now).expect("it is a root");
    let der = root
        .finish(&sign(root.bytes()))
        .expect("its own key signed");
    Certificate::from_der(&der).expect("it was just made")
});

/// Its certificate, a root's.
#[must_use]
pub fn certificate() -> &'static Certificate {
    &CERTIFICATE
}

/// Its signature over a message.
#[must_use]
pub fn sign(message: &[u8]) -> Vec<u8> {
    KEY.sign(message).as_ref().to_vec()
}
