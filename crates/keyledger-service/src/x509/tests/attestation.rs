//! Attestations of real YubiKeys, published by their owners.

use keyledger_domain::time::Timestamp;

use crate::x509::{
    Anchors, AttestationError, Attested, Certificate, Firmware, FormFactor, Generation, PinPolicy,
    TouchPolicy, verify_attestation,
};

/// A chain from a token: what it made for the slot, what it has in F9.
struct Vector {
    slot: &'static str,
    device: &'static str,
}

/// Key 15938765 of the ceremony of 2021-10-19 in github.com/sigstore/root-signing.
const FIRMWARE_5_2_7: Vector = Vector {
    slot: include_str!("vectors/firmware-5.2.7-9c.pem"),
    device: include_str!("vectors/firmware-5.2.7-f9.pem"),
};
/// Key 10550341 of the ceremony of 2021-05-03 in github.com/sigstore/root-signing: of the FIPS series.
const FIRMWARE_4_4_5: Vector = Vector {
    slot: include_str!("vectors/firmware-4.4.5-9c.pem"),
    device: include_str!("vectors/firmware-4.4.5-f9.pem"),
};
/// Signer C of PKB.rocks' "Android App Signing Attestation" of 2026-09-25. Its F9 certificate names its signature algorithm
/// without the NULL that RFC 4055 asks for.
const FIRMWARE_5_7_4: Vector = Vector {
    slot: include_str!("vectors/firmware-5.7.4-9c.pem"),
    device: include_str!("vectors/firmware-5.7.4-f9.pem"),
};

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn der(pem: &str) -> Vec<u8> {
    Certificate::from_pem(pem).unwrap().der().to_vec()
}

fn verify(vector: &Vector) -> Result<Attested, AttestationError> {
    verify_attestation(
        &der(vector.slot),
        &der(vector.device),
        &Anchors::yubico(),
        now(),
    )
}

#[test]
fn a_token_of_firmware_5_2_7_attests_up_to_the_piv_root() {
    let attested = verify(&FIRMWARE_5_2_7).unwrap();
    assert_eq!(attested.serial, 15_938_765);
    let firmware = Firmware {
        major: 5,
        minor: 2,
        patch: 7,
    };
    assert_eq!(attested.firmware, firmware);
    assert_eq!(attested.slot.to_string(), "9c");
    assert_eq!(attested.pin_policy, PinPolicy::Always);
    assert_eq!(attested.touch_policy, TouchPolicy::Always);
    assert_eq!(attested.form_factor, Some(FormFactor::UsbCKeychain));
    assert!(!attested.fips);
    assert_eq!(attested.generation, Generation::PivRoot263751);
}

#[test]
fn a_token_of_firmware_4_4_5_attests_without_form_factor_and_as_fips() {
    let attested = verify(&FIRMWARE_4_4_5).unwrap();
    assert_eq!(attested.serial, 10_550_341);
    assert_eq!(attested.firmware.to_string(), "4.4.5");
    assert_eq!(attested.form_factor, None);
    assert!(attested.fips);
    assert_eq!(attested.generation, Generation::PivRoot263751);
}

#[test]
fn a_token_of_firmware_5_7_4_attests_up_to_attestation_root_1() {
    let attested = verify(&FIRMWARE_5_7_4).unwrap();
    assert_eq!(attested.serial, 38_906_331);
    assert_eq!(attested.firmware.to_string(), "5.7.4");
    assert_eq!(attested.touch_policy, TouchPolicy::Always);
    assert_eq!(attested.generation, Generation::AttestationRoot1);
    assert_eq!(
        data_encoding::HEXUPPER.encode(&attested.root_sha256),
        "62760C6A6EF91679F454C8902B80FD009825B3F25DA90F1FBACE2EC6586CD5A8"
    );
}
