//! Requests and signatures that `openssl` makes.

use crate::x509::{
    BadSignature, CertificateRequest, PublicKeyKind, RequestError, SignatureAlgorithm,
    UnsupportedKey, verify::verify_signature_by, verify_signature,
};

use super::openssl::{KINDS, Openssl};

const fn expected(kind: &str) -> PublicKeyKind {
    match kind.as_bytes() {
        b"p256" => PublicKeyKind::P256,
        b"p384" => PublicKeyKind::P384,
        b"rsa" => PublicKeyKind::Rsa { bits: 2048 },
        _ => PublicKeyKind::Ed25519,
    }
}

#[test]
fn requests_of_every_kind_of_key_are_read() {
    let openssl = Openssl::new();
    for (kind, _, _) in KINDS {
        let spki = openssl.key("key", kind);
        let der = openssl.request("key", "/O=Example/OU=Keys/CN=Ada");
        let request = CertificateRequest::from_der(&der).unwrap();
        assert_eq!(request.subject(), "CN=Ada,OU=Keys,O=Example");
        assert_eq!(request.spki(), spki, "{kind}");
        assert_eq!(request.key(), expected(kind));
    }
}

#[test]
fn a_request_that_asks_for_extensions_is_read() {
    let openssl = Openssl::new();
    openssl.key("key", "p256");
    openssl.run("req -new -key key.key -subj /CN=Ada -addext subjectAltName=email:ada@example.org -outform DER -out csr");
    let request = CertificateRequest::from_der(&openssl.read("csr")).unwrap();
    assert_eq!(request.subject(), "CN=Ada");
}

#[test]
fn a_request_by_another_key_is_refused() {
    let openssl = Openssl::new();
    let spki = openssl.key("key", "p256");
    let other = openssl.key("other", "p256");
    let der = openssl.request("key", "/CN=Ada");
    let place = der.windows(spki.len()).position(|it| it == spki).unwrap();
    let mut forged = der;
    forged[place..place + spki.len()].copy_from_slice(&other);
    assert_eq!(
        CertificateRequest::from_der(&forged),
        Err(RequestError::Signature(BadSignature::Mismatch))
    );
}

#[test]
fn short_rsa_keys_and_other_curves_are_refused() {
    let openssl = Openssl::new();
    openssl.run("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out key.key");
    assert_eq!(
        CertificateRequest::from_der(&openssl.request("key", "/CN=Ada")),
        Err(RequestError::Key(UnsupportedKey::RsaBits(1024)))
    );
    openssl.run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out key.key");
    assert!(matches!(
        CertificateRequest::from_der(&openssl.request("key", "/CN=Ada")),
        Err(RequestError::Key(UnsupportedKey::Algorithm(_)))
    ));
}

#[test]
fn a_request_hashed_with_sha1_is_refused() {
    let openssl = Openssl::new();
    openssl.key("key", "rsa");
    openssl.run("req -new -sha1 -key key.key -subj /CN=Ada -outform DER -out csr");
    assert!(matches!(
        CertificateRequest::from_der(&openssl.read("csr")),
        Err(RequestError::Signature(BadSignature::UnknownAlgorithm(_)))
    ));
}

#[test]
fn requests_hashed_otherwise_are_read() {
    let openssl = Openssl::new();
    for kind in ["p256", "p384", "rsa"] {
        openssl.key("key", kind);
        for hash in ["sha256", "sha384", "sha512"] {
            openssl.run(&format!(
                "req -new -{hash} -key key.key -subj /CN=Ada -outform DER -out csr"
            ));
            let request = CertificateRequest::from_der(&openssl.read("csr"));
            assert_eq!(request.unwrap().key(), expected(kind), "{kind} {hash}");
        }
    }
}

#[test]
fn what_is_too_long_is_not_looked_at() {
    let long = vec![0x30; 16 * 1024 + 1];
    assert_eq!(
        CertificateRequest::from_der(&long),
        Err(RequestError::TooLong(16 * 1024 + 1))
    );
}

#[test]
fn signatures_prove_possession_for_their_message_and_key_only() {
    let openssl = Openssl::new();
    let nonce = b"a nonce of a task";
    for (kind, _, _) in KINDS {
        let spki = openssl.key("key", kind);
        let signature = openssl.sign("key", kind, nonce);
        assert_eq!(verify_signature(&spki, nonce, &signature), Ok(()), "{kind}");
        let mismatch = Err(BadSignature::Mismatch);
        assert_eq!(verify_signature(&spki, b"another", &signature), mismatch);
        assert_eq!(verify_signature(&spki, nonce, &signature[1..]), mismatch);
        assert_eq!(verify_signature(&spki, nonce, &[]), mismatch);
        let other = openssl.key("other", kind);
        assert_eq!(verify_signature(&other, nonce, &signature), mismatch);
    }
}

#[test]
fn a_key_signs_in_its_own_algorithms_only() {
    let openssl = Openssl::new();
    let spki = openssl.key("key", "ed25519");
    let refusal = verify_signature_by(&spki, SignatureAlgorithm::EcdsaSha256, b"", b"");
    assert_eq!(
        refusal,
        Err(BadSignature::OtherAlgorithm {
            key: PublicKeyKind::Ed25519,
            algorithm: SignatureAlgorithm::EcdsaSha256,
        })
    );
}
