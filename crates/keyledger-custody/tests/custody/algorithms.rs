//! Every algorithm: a key is made, its public half is what the domain expects, and it signs.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PSS_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use data_encoding::BASE64;
use keyledger_custody::{Custody, Generated, OpenError, SignError, check_public};
use keyledger_domain::{Algorithm, key::spki};

use crate::{custody, orders};

fn spki_of(made: &Generated) -> Vec<u8> {
    let text = made.public.public_key.as_deref().unwrap();
    BASE64.decode(text.as_bytes()).unwrap()
}

fn made(custody: &Custody, algorithm: Algorithm) -> Generated {
    custody.generate(algorithm, &orders()).unwrap()
}

#[test]
fn the_public_half_is_the_form_that_the_domain_holds_keys_to() {
    let custody = custody();
    for algorithm in Algorithm::ALL.into_iter().filter(|a| !a.is_symmetric()) {
        let public = made(&custody, algorithm).public;
        let text = public.public_key.as_deref().unwrap();
        assert_eq!(
            spki::normalised(algorithm, text).unwrap(),
            text,
            "{algorithm}"
        );
        assert_eq!(
            (public.nkey, public.check_value),
            (None, None),
            "{algorithm}"
        );
    }
}

#[test]
fn our_own_public_keys_pass_our_own_check_and_no_other_algorithm_s() {
    let custody = custody();
    for algorithm in Algorithm::ALL.into_iter().filter(|a| !a.is_symmetric()) {
        let spki = spki_of(&made(&custody, algorithm));
        for other in Algorithm::ALL {
            assert_eq!(
                check_public(other, &spki).is_ok(),
                other == algorithm,
                "{algorithm}, {other}"
            );
        }
    }
}

#[test]
fn an_aes_key_has_a_check_value_and_no_public_half() {
    let custody = custody();
    let (one, two) = (
        made(&custody, Algorithm::Aes256),
        made(&custody, Algorithm::Aes256),
    );
    let value = one.public.check_value.unwrap();
    assert!(value.len() == 16 && value.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!((one.public.public_key, one.public.nkey), (None, None));
    assert_ne!(Some(value), two.public.check_value);
}

#[test]
fn no_key_is_made_twice() {
    let custody = custody();
    for algorithm in [
        Algorithm::Ed25519,
        Algorithm::X25519,
        Algorithm::P256,
        Algorithm::P384,
    ] {
        assert_ne!(
            made(&custody, algorithm).public,
            made(&custody, algorithm).public
        );
    }
}

fn signs_and_verifies(algorithm: Algorithm, verification: &'static dyn VerificationAlgorithm) {
    let custody = custody();
    let key = made(&custody, algorithm);
    let signature = custody
        .sign(&key.sealed, &orders(), algorithm, b"message")
        .unwrap();
    let public = UnparsedPublicKey::new(verification, spki_of(&key));
    assert!(public.verify(b"message", &signature).is_ok());
    assert!(public.verify(b"massage", &signature).is_err());
    let stranger = UnparsedPublicKey::new(verification, spki_of(&made(&custody, algorithm)));
    assert!(stranger.verify(b"message", &signature).is_err());
}

#[test]
fn ed25519_signs() {
    signs_and_verifies(Algorithm::Ed25519, &ED25519);
}

#[test]
fn p_256_signs_with_sha_256() {
    signs_and_verifies(Algorithm::P256, &ECDSA_P256_SHA256_ASN1);
}

#[test]
fn p_384_signs_with_sha_384() {
    signs_and_verifies(Algorithm::P384, &ECDSA_P384_SHA384_ASN1);
}

#[test]
fn rsa_2048_signs_with_pss_and_sha_256() {
    signs_and_verifies(Algorithm::Rsa2048, &RSA_PSS_2048_8192_SHA256);
}

#[test]
fn rsa_3072_signs_with_pss_and_sha_256() {
    signs_and_verifies(Algorithm::Rsa3072, &RSA_PSS_2048_8192_SHA256);
}

#[test]
fn rsa_4096_signs_with_pss_and_sha_256() {
    signs_and_verifies(Algorithm::Rsa4096, &RSA_PSS_2048_8192_SHA256);
}

#[test]
fn ed25519_signatures_verify_under_dalek_strictly() {
    let custody = custody();
    let key = made(&custody, Algorithm::Ed25519);
    let signer = custody.open_ed25519(&key.sealed, &orders()).unwrap();
    assert_eq!(spki_of(&key)[12..], signer.public_key());
    let public = ed25519_dalek::VerifyingKey::from_bytes(&signer.public_key()).unwrap();
    let signature = ed25519_dalek::Signature::from_bytes(&signer.sign(b"cid"));
    public.verify_strict(b"cid", &signature).unwrap();
    // RFC 8032 signatures are deterministic: the one-shot way gives the same.
    let once = custody
        .sign(&key.sealed, &orders(), Algorithm::Ed25519, b"cid")
        .unwrap();
    assert_eq!(once, signature.to_bytes());
}

#[test]
fn keys_for_agreement_and_encryption_do_not_sign() {
    let custody = custody();
    for algorithm in [Algorithm::X25519, Algorithm::Aes256] {
        let key = made(&custody, algorithm);
        assert_eq!(
            custody.sign(&key.sealed, &orders(), algorithm, b""),
            Err(SignError::DoesNotSign { algorithm })
        );
        assert!(custody.open_ed25519(&key.sealed, &orders()).is_err());
    }
}

#[test]
fn a_key_does_not_sign_as_another_algorithm() {
    let custody = custody();
    let key = made(&custody, Algorithm::P256);
    for algorithm in [Algorithm::Ed25519, Algorithm::P384, Algorithm::Rsa2048] {
        assert_eq!(
            custody.sign(&key.sealed, &orders(), algorithm, b""),
            Err(SignError::Open(OpenError::OtherKind {
                expected: algorithm.as_str(),
                found: "p-256",
            }))
        );
    }
}
