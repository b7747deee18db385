//! Certificates, requests, lists of revoked certificates, attestations.

use std::sync::LazyLock;

use keyledger_pki::{
    Moment,
    exchange::{KeyName, Nonce, Octets},
    x509::{
        Anchors, Certificate, CertificateRequest, Issuer, check_list, check_root,
        exchange::{Asked, FromAuthority, MAX_EXCHANGE_BYTES, Request, Response, ToAuthority},
        verify_attestation, verify_device,
    },
};

use super::{check_words, text};
use crate::authority;

/// 2026-12-01: Yubico's authorities are valid then.
static NOW: LazyLock<Moment> = LazyLock::new(|| Moment::from_seconds(1_796_083_200));

/// A certificate, in DER or PEM; or the bytes of one that an authority is to sign.
pub(crate) fn certificate(bytes: &[u8]) -> bool {
    let key = "leaf".parse().expect("it is a key's name");
    let signed = sign(Asked::Certificate { key }, bytes);
    if let Some(der) = &signed {
        let made = Certificate::from_der(der).expect("what is signed is a certificate");
        assert_eq!(made.verify_signed_by(authority::certificate()), Ok(()));
    }
    let read = Certificate::from_der(bytes).ok();
    let read = read.or_else(|| Certificate::from_pem(text(bytes)?).ok());
    let Some(certificate) = read else {
        return signed.is_some();
    };
    let again = Certificate::from_der(certificate.der());
    assert_eq!(again.as_ref(), Ok(&certificate));
    let again = Certificate::from_pem(&certificate.to_pem());
    assert_eq!(again.as_ref(), Ok(&certificate));
    assert!(certificate.is_named(&certificate.distinguished_name()));
    let _ = (certificate.names(), certificate.fingerprint());
    let _ = (Issuer::of(&certificate), Issuer::renewing(&certificate));
    let _ = check_root(&certificate, certificate.spki());
    let _ = certificate.verify_signed_by(authority::certificate());
    true
}

/// A certificate request (PKCS#10) in DER.
pub(crate) fn csr(bytes: &[u8]) -> bool {
    let Ok(request) = CertificateRequest::from_der(bytes) else {
        return false;
    };
    let _ = (request.subject(), request.spki(), request.key());
    true
}

/// A list of revoked certificates in DER; or the bytes of one that an authority is to sign.
pub(crate) fn crl(bytes: &[u8]) -> bool {
    let signed = sign(Asked::Crl, bytes);
    if let Some(der) = &signed {
        assert_eq!(check_list(der, authority::certificate()), Ok(()));
    }
    let is_list = check_list(bytes, authority::certificate()).is_ok();
    signed.is_some() || is_list
}

/// The length of a slot's certificate in two bytes, that certificate, and the device's.
pub(crate) fn attestation(bytes: &[u8]) -> bool {
    static ANCHORS: LazyLock<Anchors> = LazyLock::new(Anchors::yubico);
    let Some((length, rest)) = bytes.split_first_chunk() else {
        return false;
    };
    let length = usize::from(u16::from_be_bytes(*length));
    let (slot, device) = rest.split_at(length.min(rest.len()));
    let attested = verify_attestation(slot, device, &ANCHORS, *NOW).is_ok();
    let known = verify_device(device, &ANCHORS, *NOW).is_ok();
    assert!(known || !attested, "a slot was believed without its device");
    attested
}

pub(super) fn authority_request(bytes: &[u8]) -> bool {
    let Ok(request) = Request::parse(bytes) else {
        return false;
    };
    check_words(&request.describe(*NOW));
    let again = Request::parse(&request.to_json()).expect("what is written can be read");
    assert_eq!(again.content(), request.content());
    true
}

pub(super) fn authority_response(bytes: &[u8]) -> bool {
    let Ok(response) = Response::parse(bytes) else {
        return false;
    };
    let again = Response::parse(&response.to_json()).expect("what is written can be read");
    assert_eq!(again, response);
    true
}

/// What comes of asking the authority to sign these bytes.
fn sign(asked: Asked, bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() > MAX_EXCHANGE_BYTES / 2 {
        return None;
    }
    let asked = ToAuthority {
        issuer: "fuzz-root".parse::<KeyName>().expect("it is a key's name"),
        asked,
        issuer_certificate: Octets(authority::certificate().der().to_vec()),
        to_be_signed: Octets(bytes.to_vec()),
    };
    let request = Request::new(asked, Nonce([1; 32]), *NOW).ok()?;
    check_words(&request.describe(*NOW));
    let signature = authority::sign(request.content().to_be_signed().bytes());
    let answer = FromAuthority {
        signature: Octets(signature),
    };
    let response = Response::new(&request, answer, *NOW).ok()?;
    let der = response.accept(&request);
    Some(der.expect("the authority signed just that"))
}
