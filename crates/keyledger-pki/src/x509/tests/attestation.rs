//! Attestations of real YubiKeys, published by their owners.

use crate::x509::{
    Anchors, AnchorsError, AttestationError, Attested, AttestedPin, AttestedTouch, Certificate,
    FirmwareVersion, Generation, Link, verify_attestation, verify_device,
};

use super::now;

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
/// Key 25515137 of the ceremonies of 2024 in github.com/docker/tuf: of the FIPS series, with a P-384 key.
const FIRMWARE_5_4_3: Vector = Vector {
    slot: include_str!("vectors/firmware-5.4.3-9c.pem"),
    device: include_str!("vectors/firmware-5.4.3-f9.pem"),
};
/// Signer C of PKB.rocks' "Android App Signing Attestation" of 2026-09-25. Its F9 certificate names its signature algorithm
/// without the NULL that RFC 4055 asks for.
const FIRMWARE_5_7_4: Vector = Vector {
    slot: include_str!("vectors/firmware-5.7.4-9c.pem"),
    device: include_str!("vectors/firmware-5.7.4-f9.pem"),
};

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

/// Asked before a token is reset: of F9 alone.
#[test]
fn who_vouches_for_a_token_is_known_before_anything_is_attested() {
    let believed = |pem: &str| verify_device(&der(pem), &Anchors::yubico(), now());
    for (device, generation) in [
        (FIRMWARE_5_2_7.device, Generation::PivRoot263751),
        (FIRMWARE_5_4_3.device, Generation::PivRoot263751),
        (FIRMWARE_5_7_4.device, Generation::AttestationRoot1),
    ] {
        assert_eq!(believed(device), Ok(generation));
    }
    // An attestation vouches for nobody.
    let refused = believed(FIRMWARE_5_2_7.slot).unwrap_err();
    let said = refused.to_string();
    assert!(
        matches!(refused, AttestationError::UnknownRoot { .. }),
        "{said}"
    );
    assert!(said.contains("keyledger token trust add FILE"), "{said}");
}

#[test]
fn a_token_of_firmware_5_2_7_attests_up_to_the_piv_root() {
    let attested = verify(&FIRMWARE_5_2_7).unwrap();
    assert_eq!(attested.serial, 15_938_765);
    let firmware = FirmwareVersion {
        major: 5,
        minor: 2,
        patch: 7,
    };
    assert_eq!(attested.firmware, firmware);
    assert_eq!(attested.slot, 0x9c);
    assert_eq!(attested.pin_policy, AttestedPin::Always);
    assert_eq!(attested.touch_policy, AttestedTouch::Always);
    assert_eq!(attested.form_factor, Some(3));
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
fn a_token_of_firmware_5_4_3_attests_as_fips() {
    let attested = verify(&FIRMWARE_5_4_3).unwrap();
    assert_eq!(attested.serial, 25_515_137);
    assert_eq!(attested.firmware.to_string(), "5.4.3");
    assert_eq!(attested.pin_policy, AttestedPin::Always);
    assert_eq!(attested.touch_policy, AttestedTouch::Never);
    assert_eq!(attested.form_factor, Some(3));
    assert!(attested.fips);
}

#[test]
fn a_token_of_firmware_5_7_4_attests_up_to_attestation_root_1() {
    let attested = verify(&FIRMWARE_5_7_4).unwrap();
    assert_eq!(attested.serial, 38_906_331);
    assert_eq!(attested.firmware.to_string(), "5.7.4");
    assert_eq!(attested.touch_policy, AttestedTouch::Always);
    assert_eq!(attested.generation, Generation::AttestationRoot1);
    assert_eq!(
        data_encoding::HEXUPPER.encode(&attested.root_sha256),
        "62760C6A6EF91679F454C8902B80FD009825B3F25DA90F1FBACE2EC6586CD5A8"
    );
}

/// As Yubico publishes them.
const EMBEDDED: [(&str, &str, &str); 6] = [
    (
        include_str!("../yubico/piv-root-263751.pem"),
        "CN=Yubico PIV Root CA Serial 263751",
        "63ECE914E54DD87915F34033C85AF4C0696BA1512F8ADD66CED738331207B546",
    ),
    (
        include_str!("../yubico/attestation-root-1.pem"),
        "CN=Yubico Attestation Root 1",
        "62760C6A6EF91679F454C8902B80FD009825B3F25DA90F1FBACE2EC6586CD5A8",
    ),
    (
        include_str!("../yubico/attestation-intermediate-a-1.pem"),
        "CN=Yubico Attestation Intermediate A 1",
        "4698A1D3389C3EC60016C216250F1D0439922832D65142327436376DC2942B55",
    ),
    (
        include_str!("../yubico/attestation-intermediate-b-1.pem"),
        "CN=Yubico Attestation Intermediate B 1",
        "D4CC3F456FDAF4E7812A21AAB1DFE9D8E27D24E2FD2D6F21C9940109F0DAA754",
    ),
    (
        include_str!("../yubico/piv-attestation-a-1.pem"),
        "CN=Yubico PIV Attestation A 1",
        "6DE693F05376F5D8CA29069261E1C8626C75D503BD2EDBFD75354CAD1F722870",
    ),
    (
        include_str!("../yubico/piv-attestation-b-1.pem"),
        "CN=Yubico PIV Attestation B 1",
        "2D55B7998F4E42569D6D8FA382B6DC77D1DACF07358B19701163892922B17052",
    ),
];

#[test]
fn the_embedded_authorities_are_the_published_ones() {
    for (pem, subject, fingerprint) in EMBEDDED {
        let certificate = Certificate::from_pem(pem).unwrap();
        assert_eq!(certificate.subject(), subject);
        let sha256 = data_encoding::HEXUPPER.encode(&certificate.sha256());
        assert_eq!(sha256, fingerprint, "{subject}");
    }
}

#[test]
fn every_embedded_authority_hangs_from_a_root() {
    let mut seen = 0;
    for authority in Anchors::yubico().authorities() {
        for pair in authority.path.windows(2) {
            assert_eq!(pair[0].issuer(), pair[1].subject());
            pair[0].verify_signed_by(&pair[1]).unwrap();
        }
        let root = authority.path.last().unwrap();
        assert_eq!(root.issuer(), root.subject());
        root.verify_signed_by(root).unwrap();
        seen += authority.path.len();
    }
    assert_eq!(seen, 7);
}

#[test]
fn only_authorities_of_piv_sign_f9_certificates() {
    let anchors = Anchors::yubico();
    let first = anchors.authorities().iter().map(|it| it.path[0].subject());
    assert_eq!(
        first.collect::<Vec<_>>(),
        [
            "CN=Yubico PIV Root CA Serial 263751",
            "CN=Yubico PIV Attestation A 1",
            "CN=Yubico PIV Attestation B 1",
        ]
    );
}

#[test]
fn a_later_authority_is_believed_by_its_pin_only() {
    let (pem, _, fingerprint) = EMBEDDED[4];
    let certificate = Certificate::from_pem(pem).unwrap();
    let refusal = Anchors::yubico()
        .with_pinned_intermediate(certificate.clone())
        .unwrap_err();
    assert!(matches!(refusal, AnchorsError::NotPinned { .. }));
    let pin = fingerprint.to_lowercase();
    let anchors = Anchors::yubico()
        .with_intermediate(certificate, &[&pin])
        .unwrap();
    assert_eq!(anchors.authorities().len(), 4);
    assert_eq!(anchors.authorities()[3].path.len(), 3);
    // A pin alone is not enough: somebody above must have signed it.
    let (pem, _, fingerprint) = EMBEDDED[0];
    let pin = fingerprint.to_lowercase();
    let refusal = Anchors::yubico()
        .with_intermediate(Certificate::from_pem(pem).unwrap(), &[&pin])
        .unwrap_err();
    assert!(matches!(refusal, AnchorsError::Unlinked { .. }));
}

#[test]
fn certificates_of_two_tokens_do_not_go_together() {
    let slot = der(FIRMWARE_5_2_7.slot);
    let device = der(FIRMWARE_4_4_5.device);
    let refusal = verify_attestation(&slot, &device, &Anchors::yubico(), now()).unwrap_err();
    assert!(matches!(
        refusal,
        AttestationError::BadSignature {
            link: Link::Slot,
            ..
        }
    ));
}
