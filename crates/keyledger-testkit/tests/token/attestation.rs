//! Attestation: what it says, whom it leads up to, and how it is forged on demand.

use std::fs;
use std::path::Path;
use std::process::Command;

use keyledger_testkit::token::{Fault, Firmware, Token, VirtualTokens};
use x509_cert::Certificate;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{Decode as _, Encode as _, EncodePem as _};
use yubikey::piv::{self, AlgorithmId, Origin, SlotId};
use yubikey::{PinPolicy, TouchPolicy, YubiKey};

use crate::client::{generate_with, open_as_administrator};

const SLOT: SlotId = SlotId::Signature;
const NUMBER: u8 = 0x9c;

#[test]
fn every_kind_of_key_is_attested_up_to_the_root() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        for algorithm in [
            AlgorithmId::Rsa2048,
            AlgorithmId::EccP256,
            AlgorithmId::EccP384,
            AlgorithmId::Ed25519,
            AlgorithmId::X25519,
        ] {
            let public = made(&mut client, algorithm);
            let attestation = attested(&mut client);
            assert_eq!(key(&attestation), public, "{algorithm:?}");
            assert!(
                is_believed(tokens, &mut client, &attestation),
                "{algorithm:?}"
            );
        }
        assert_eq!(tokens.attestation_intermediates_pem(), "");
    });
}

#[test]
fn it_says_firmware_serial_policies_and_form_factor_in_yubicos_encoding() {
    VirtualTokens::in_front_of(1, |tokens| {
        let mut client = open_as_administrator(&tokens.token(0));
        made(&mut client, AlgorithmId::EccP256);
        let attestation = attested(&mut client);
        assert_eq!(extension(&attestation, 3), [5, 7, 1]);
        assert_eq!(extension(&attestation, 7), [0x02, 3, 0x0f, 0x42, 0x41]); // INTEGER 1000001
        assert_eq!(
            extension(&attestation, 8),
            [3, 2],
            "PIN always, touch always"
        );
        assert_eq!(extension(&attestation, 9), [1]);
        let subject = attestation.tbs_certificate().subject().to_string();
        assert_eq!(subject, "CN=YubiKey PIV Attestation 9c");
    });
}

#[test]
fn from_5_7_4_two_more_tiers_stand_between_token_and_root() {
    VirtualTokens::in_front_of_firmware(1, Firmware(5, 7, 4), |tokens| {
        let mut client = open_as_administrator(&tokens.token(0));
        made(&mut client, AlgorithmId::EccP256);
        let attestation = attested(&mut client);
        assert!(is_believed(tokens, &mut client, &attestation));
        let between = tokens.attestation_intermediates_pem();
        assert_eq!(between.matches("BEGIN CERTIFICATE").count(), 2);
    });
}

#[test]
fn forgeries_are_made_on_demand() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        let public = made(&mut client, AlgorithmId::EccP256);
        let mut forged = |fault| {
            token.clear_faults();
            token.fault(fault);
            let attestation = attested(&mut client);
            (is_believed(tokens, &mut client, &attestation), attestation)
        };

        let (believed, attestation) = forged(Fault::AttestsOtherSerial { slot: NUMBER });
        assert!(believed);
        assert_eq!(extension(&attestation, 7), [0x02, 3, 0x0f, 0x42, 0x42]);

        let (believed, attestation) = forged(Fault::AttestsOtherKey { slot: NUMBER });
        assert!(believed);
        assert_ne!(key(&attestation), public);

        let (believed, attestation) = forged(Fault::AttestsUnderUnknownRoot);
        assert!(!believed);
        assert_eq!(key(&attestation), public);

        let (believed, attestation) = forged(Fault::AttestsWithoutTouch { slot: NUMBER });
        assert!(believed);
        assert_eq!(extension(&attestation, 8), [3, 1]);

        let (believed, attestation) = forged(Fault::ReportsWithoutTouch { slot: NUMBER });
        assert!(believed);
        assert_eq!(extension(&attestation, 8), [3, 2]);
        let policy = piv::metadata(&mut client, SLOT).unwrap().policy;
        assert_eq!(policy, Some((PinPolicy::Always, TouchPolicy::Never)));
    });
}

#[test]
fn an_imported_key_poses_as_a_made_one_on_demand() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        let (touch, pin) = (TouchPolicy::Never, PinPolicy::Once);
        piv::import_ecc_key(
            &mut client,
            SLOT,
            AlgorithmId::EccP256,
            &[9; 32],
            touch,
            pin,
        )
        .unwrap();
        assert!(piv::attest(&mut client, SLOT).is_err());
        token.fault(Fault::PosesAsGenerated { slot: NUMBER });
        let attestation = attested(&mut client);
        assert!(is_believed(tokens, &mut client, &attestation));
        let origin = piv::metadata(&mut client, SLOT).unwrap().origin;
        assert_eq!(origin, Some(Origin::Generated));
        assert!(!token.state().slots[&NUMBER].generated, "the truth");
    });
}

#[test]
fn each_token_has_an_attestation_key_of_its_own_under_one_root() {
    VirtualTokens::in_front_of(2, |tokens| {
        let certificates = [0, 1].map(|index| {
            let token: Token = tokens.token(index);
            let mut client = open_as_administrator(&token);
            made(&mut client, AlgorithmId::EccP256);
            let attestation = attested(&mut client);
            assert!(is_believed(tokens, &mut client, &attestation));
            issuer(&mut client)
        });
        assert_ne!(key(&certificates[0]), key(&certificates[1]));
    });
}

/// A key with the strictest policies, its public half in DER.
fn made(client: &mut YubiKey, algorithm: AlgorithmId) -> Vec<u8> {
    generate_with(
        client,
        SLOT,
        algorithm,
        PinPolicy::Always,
        TouchPolicy::Always,
    )
}

fn attested(client: &mut YubiKey) -> Certificate {
    Certificate::from_der(&piv::attest(client, SLOT).unwrap()).unwrap()
}

fn key(certificate: &Certificate) -> Vec<u8> {
    let key = certificate.tbs_certificate().subject_public_key_info();
    key.to_der().unwrap()
}

fn extension(certificate: &Certificate, number: u32) -> Vec<u8> {
    let id = ObjectIdentifier::new("1.3.6.1.4.1.41482.3").unwrap();
    let id = id.push_arc(number).unwrap();
    let extensions = certificate.tbs_certificate().extensions().unwrap();
    let found = extensions.iter().find(|extension| extension.extn_id == id);
    found.unwrap().extn_value.as_bytes().to_vec()
}

/// The certificate of the attestation key, as it lies on the token.
fn issuer(client: &mut YubiKey) -> Certificate {
    let object = client.fetch_object(0x005f_ff01).unwrap();
    let (_, rest) = object.split_at(4); // 70 82 and two bytes of length
    Certificate::from_der(&rest[..rest.len() - 5]).unwrap()
}

/// What `openssl verify` says of the chain.
fn is_believed(tokens: &VirtualTokens, client: &mut YubiKey, attestation: &Certificate) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let pem = |certificate: &Certificate| certificate.to_pem(LineEnding::LF).unwrap();
    let between = pem(&issuer(client)) + &tokens.attestation_intermediates_pem();
    verify(
        &file("root.pem", tokens.attestation_root_pem()),
        &file("between.pem", between),
        &file("attestation.pem", pem(attestation)),
    )
}

fn verify(root: &Path, between: &Path, leaf: &Path) -> bool {
    let output = Command::new("openssl")
        .arg("verify")
        .arg("-CAfile")
        .arg(root)
        .arg("-untrusted")
        .arg(between)
        .arg(leaf)
        .output()
        .expect("openssl: apt-get install openssl");
    output.status.success()
}
