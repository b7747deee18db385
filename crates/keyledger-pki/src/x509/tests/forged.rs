//! Attestations that are not what they seem.

use rcgen::{BasicConstraints, CustomExtension, IsCa, KeyUsagePurpose, PublicKeyData as _};

use crate::x509::{
    Anchors, AnchorsError, AttestationError, AttestedPin, AttestedTouch, BadSignature, Certificate,
    Generation, Link, MalformedCertificate, verify_attestation,
};

use super::{
    at, now,
    workshop::{Claim, FIRMWARE, FORM_FACTOR, POLICIES, Root, SERIAL, Token, authority, named},
};

/// The name of Yubico's old root.
const YUBICO: &str = "Yubico PIV Root CA Serial 263751";

/// A root, a token under it, and what the token says.
fn bench() -> (Root, Token) {
    let root = Root::new("Keyledger Test Root");
    let token = root.token();
    (root, token)
}

fn refusal(claim: &Claim) -> AttestationError {
    let (root, token) = bench();
    let slot = token.attest(claim);
    token.verify(&slot, &root.anchors()).unwrap_err()
}

#[test]
fn a_test_root_vouches_when_it_is_named() {
    let (root, token) = bench();
    let claim = Claim::honest();
    let attested = token
        .verify(&token.attest(&claim), &root.anchors())
        .unwrap();
    assert_eq!(attested.serial, 12_345_678);
    assert_eq!(attested.slot, 0x9a);
    assert_eq!(attested.pin_policy, AttestedPin::Once);
    assert_eq!(attested.touch_policy, AttestedTouch::Cached);
    assert_eq!(attested.form_factor, Some(3));
    assert_eq!(attested.spki, claim.key.subject_public_key_info());
    assert_eq!(attested.generation, Generation::Test);
}

#[test]
fn a_test_root_vouches_for_nothing_unless_named() {
    let (_, token) = bench();
    let slot = token.attest(&Claim::honest());
    let refusal = token.verify(&slot, &Anchors::yubico()).unwrap_err();
    let issuer = "CN=Keyledger Test Root".to_owned();
    assert_eq!(refusal, AttestationError::UnknownRoot { issuer });
}

#[test]
fn a_root_of_ones_own_under_yubicos_name_is_not_yubicos() {
    let token = Root::new(YUBICO).token();
    let slot = token.attest(&Claim::honest());
    let refusal = token.verify(&slot, &Anchors::yubico()).unwrap_err();
    assert!(
        matches!(
            refusal,
            AttestationError::BadSignature {
                link: Link::Device,
                ..
            }
        ),
        "{refusal:?}"
    );
}

#[test]
fn a_broken_signature_is_told_by_its_link() {
    let (root, mut token) = bench();
    let mut slot = token.attest(&Claim::honest());
    *slot.last_mut().unwrap() ^= 1;
    let source = BadSignature::Mismatch;
    assert_eq!(
        token.verify(&slot, &root.anchors()),
        Err(AttestationError::BadSignature {
            link: Link::Slot,
            source: source.clone()
        })
    );
    *token.der.last_mut().unwrap() ^= 1;
    assert_eq!(
        token.verify(&slot, &root.anchors()),
        Err(AttestationError::BadSignature {
            link: Link::Device,
            source
        })
    );
}

#[test]
fn another_tokens_key_under_the_same_name_signs_nothing() {
    let (root, token) = bench();
    let slot = root.token().attest(&Claim::honest());
    let refusal = token.verify(&slot, &root.anchors()).unwrap_err();
    assert!(matches!(
        refusal,
        AttestationError::BadSignature {
            link: Link::Slot,
            ..
        }
    ));
}

#[test]
fn a_slot_certificate_of_another_issuer_is_told() {
    let (root, token) = bench();
    let other = root.token_with(authority(named("Somebody"), 0));
    let slot = other.attest(&Claim::honest());
    let refusal = token.verify(&slot, &root.anchors()).unwrap_err();
    assert!(matches!(refusal, AttestationError::OtherIssuer { .. }));
    // F9 itself says nothing about a slot.
    let refusal = token.verify(&token.der, &root.anchors()).unwrap_err();
    assert!(matches!(refusal, AttestationError::OtherIssuer { .. }));
}

#[test]
fn an_extension_twice_is_refused() {
    let mut claim = Claim::honest();
    claim.extensions.push((SERIAL, vec![2, 1, 1]));
    let id = "1.3.6.1.4.1.41482.3.7".parse().unwrap();
    assert_eq!(
        refusal(&claim),
        AttestationError::Malformed {
            link: Link::Slot,
            source: MalformedCertificate::ExtensionTwice(id),
        }
    );
}

#[test]
fn trailing_bytes_are_refused() {
    let (root, token) = bench();
    let mut slot = token.attest(&Claim::honest());
    slot.push(0);
    let refusal = token.verify(&slot, &root.anchors()).unwrap_err();
    assert!(matches!(
        refusal,
        AttestationError::Malformed {
            link: Link::Slot,
            source: MalformedCertificate::NotDer(_)
        }
    ));
}

#[test]
fn an_extension_that_is_not_as_documented_is_told() {
    let cases: [(&'static [u64], &[u8]); 9] = [
        (SERIAL, &[2, 1, 1, 0]),          // something follows
        (SERIAL, &[2, 1, 0x80]),          // negative
        (SERIAL, &[2, 5, 1, 0, 0, 0, 0]), // more than 32 bits
        (SERIAL, &[]),
        (FIRMWARE, &[5, 7]),
        (POLICIES, &[2, 3, 0]),
        (POLICIES, &[0, 3]),
        (POLICIES, &[2, 4]),
        (FORM_FACTOR, &[3, 3]),
    ];
    for (id, content) in cases {
        let refusal = refusal(&Claim::honest().saying(id, Some(content)));
        assert!(
            matches!(refusal, AttestationError::MalformedExtension { .. }),
            "{content:?}: {refusal:?}"
        );
    }
}

#[test]
fn a_key_that_takes_a_fingerprint_is_none_of_ours() {
    for pin in [4, 5] {
        let refusal = refusal(&Claim::honest().saying(POLICIES, Some(&[pin, 3])));
        assert_eq!(refusal, AttestationError::AsksForFingerprint);
    }
}

#[test]
fn a_missing_extension_is_told() {
    for id in [SERIAL, FIRMWARE, POLICIES] {
        let refusal = refusal(&Claim::honest().saying(id, None));
        assert!(
            matches!(refusal, AttestationError::MissingExtension { .. }),
            "{refusal:?}"
        );
    }
}

#[test]
fn a_subject_without_a_slot_is_told() {
    for subject in [
        "YubiKey PIV Attestation f9",
        "YubiKey PIV Attestation",
        "Ada",
        "YubiKey PIV Attestation +9",
    ] {
        let mut claim = Claim::honest();
        subject.clone_into(&mut claim.subject);
        assert!(
            matches!(refusal(&claim), AttestationError::NoSlot { .. }),
            "{subject}"
        );
    }
}

#[test]
fn a_name_of_an_enemy_fills_no_log() {
    let mut claim = Claim::honest();
    claim.subject = "\u{85}\u{9b}2J".repeat(1_000);
    let said = refusal(&claim).to_string();
    assert!(said.len() < 300, "{said}");
    assert!(!said.contains(char::is_control), "{said:?}");
}

#[test]
fn the_fips_series_is_known_by_its_form_factor() {
    let (root, token) = bench();
    let claim = Claim::honest().saying(FORM_FACTOR, Some(&[0x81]));
    let attested = token
        .verify(&token.attest(&claim), &root.anchors())
        .unwrap();
    assert!(attested.fips);
    assert_eq!(attested.form_factor, Some(1));
}

#[test]
fn a_slot_certificate_is_no_authority_and_has_no_critical_secrets() {
    let mut claim = Claim::honest();
    claim.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert_eq!(refusal(&claim), AttestationError::SlotIsCa);
    let mut claim = Claim::honest();
    claim.critical = true;
    assert!(matches!(
        refusal(&claim),
        AttestationError::UnknownCriticalExtension {
            link: Link::Slot,
            ..
        }
    ));
}

#[test]
fn an_f9_certificate_of_no_authority_proves_nothing() {
    let root = Root::new("Keyledger Test Root");
    let token = root.token_with(named("Yubico PIV Attestation"));
    let slot = token.attest(&Claim::honest());
    let refusal = token.verify(&slot, &root.anchors()).unwrap_err();
    assert_eq!(refusal, AttestationError::NotACa { link: Link::Device });
    let slot = token.attest(&Claim::honest().saying(FIRMWARE, Some(&[4, 3, 1])));
    let refusal = token.verify(&slot, &root.anchors()).unwrap_err();
    assert!(matches!(
        refusal,
        AttestationError::MalformedFirmware { .. }
    ));
    assert!(refusal.to_string().contains("4.3"), "{refusal}");

    let mut params = authority(named("Yubico PIV Attestation"), 0);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let token = root.token_with(params);
    let slot = token.attest(&Claim::honest());
    let refusal = token.verify(&slot, &root.anchors()).unwrap_err();
    assert_eq!(refusal, AttestationError::NotACa { link: Link::Device });
}

#[test]
fn dates_of_authorities_and_f9_count_and_those_of_the_slot_do_not() {
    let mut params = authority(named("Short"), 1);
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    let root = Root::with(params);
    let token = root.token();
    let slot = token.attest(&Claim::honest());
    let verify = |now| verify_attestation(&slot, &token.der, &root.anchors(), now);
    assert!(verify(now()).is_ok());
    for moment in ["2025-12-31T23:59:59Z", "2027-01-01T00:00:01Z"] {
        let refusal = verify(at(moment)).unwrap_err();
        assert!(matches!(
            refusal,
            AttestationError::NotValidNow {
                link: Link::Authority,
                ..
            }
        ));
    }

    let root = Root::new("Long");
    let mut params = authority(named("Yubico PIV Attestation"), 0);
    params.not_after = rcgen::date_time_ymd(2026, 1, 1);
    let token = root.token_with(params);
    let slot = token.attest(&Claim::honest());
    let refusal = token.verify(&slot, &root.anchors()).unwrap_err();
    assert!(matches!(
        refusal,
        AttestationError::NotValidNow {
            link: Link::Device,
            ..
        }
    ));
}

#[test]
fn a_test_root_must_be_a_root() {
    let leaf = Root::with(named("Leaf"));
    let no_room = Root::with(authority(named("No room"), 0));
    let mut params = authority(named("Odd"), 1);
    let mut odd = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 32473, 1], vec![5, 0]);
    odd.set_criticality(true);
    params.custom_extensions.push(odd);
    for root in [leaf, no_room, Root::with(params)] {
        let refusal = Anchors::yubico().with_test_root(&root.pem).unwrap_err();
        assert!(matches!(refusal, AnchorsError::NotARoot { .. }));
    }
    assert!(Anchors::yubico().with_test_root("nonsense").is_err());

    // Issued under its own name, but not by itself.
    let root = Root::new("Same");
    let below = root.token_with(authority(named("Same"), 1));
    let below = Certificate::from_der(&below.der).unwrap().to_pem();
    let refusal = Anchors::yubico().with_test_root(&below).unwrap_err();
    assert!(matches!(refusal, AnchorsError::NotARoot { .. }));
}
