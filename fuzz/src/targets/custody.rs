//! OpenPGP certificates, and what is asked of certify keys.

use keyledger_custody::openpgp::{
    Certificate,
    offline::{Request, Response},
    ssh, wkd,
};
use keyledger_domain::{Timestamp, private_key};
use keyledger_pki::Moment;

/// 2026-12-01: no file of the corpus ends before it.
const NOW: Timestamp = Timestamp::from_seconds(1_796_083_200);

/// Packets, in binary or in armor.
pub(crate) fn openpgp(bytes: &[u8]) -> bool {
    // What a private key looks like is looked for in everything that comes from outside.
    let _ = private_key::find(bytes);
    let Ok(certificates) = Certificate::parse_keyring(bytes) else {
        assert!(
            Certificate::parse(bytes).is_err(),
            "one certificate is a keyring"
        );
        return false;
    };
    for certificate in &certificates {
        let again = Certificate::parse(&certificate.to_bytes());
        assert_eq!(again.as_ref(), Ok(certificate));
        let armored = Certificate::parse(certificate.to_armored().as_bytes());
        assert_eq!(armored.as_ref(), Ok(certificate));
        assert!(certificate.holds(certificate));
        let _ = (
            certificate.standing(NOW),
            ssh::of_certificate(certificate, NOW),
        );
    }
    let _ = wkd::tree(&certificates, &[], NOW);
    true
}

pub(super) fn certify_request(bytes: &[u8]) -> bool {
    let Ok(request) = Request::parse(bytes) else {
        return false;
    };
    super::check_words(&request.describe(Moment::from_seconds(NOW.seconds())));
    let again = Request::parse(&request.to_json()).expect("what is written can be read");
    assert_eq!(again.content(), request.content());
    true
}

pub(super) fn certify_response(bytes: &[u8]) -> bool {
    let Ok(response) = Response::parse(bytes) else {
        return false;
    };
    let again = Response::parse(&response.to_json()).expect("what is written can be read");
    assert_eq!(again, response);
    true
}
