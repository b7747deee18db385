//! Lists of revoked certificates, judged by `openssl`.

use der::Decode as _;
use x509_cert::{certificate::Rfc5280, crl::TbsCertList};

use crate::x509::{CertificateRevocationReason, IssueError, NewCrl, Revoked, SerialNumber};

use super::{
    at,
    organisation::{Organisation, serial},
};

#[test]
fn openssl_refuses_what_the_list_revokes() {
    let organisation = Organisation::found();
    let certificate = organisation.person(&serial(3));
    let text = organisation.crl(1, &[]);
    assert!(text.contains("No Revoked Certificates"), "{text}");
    assert!(text.contains("Version 2"), "{text}");
    let (good, said) = organisation.judge("-crl_check -CRLfile issuing.crl");
    assert!(good, "{said}");

    let text = organisation.crl(
        2,
        &[
            Revoked {
                serial_number: certificate.serial_number(),
                revoked_at: at("2026-11-24T10:00:00Z"),
                reason: Some(CertificateRevocationReason::KeyCompromise),
                invalid_since: Some(at("2026-11-20T08:00:00Z")),
            },
            Revoked {
                serial_number: serial(9),
                revoked_at: at("2026-11-24T10:00:00Z"),
                reason: None,
                invalid_since: None,
            },
        ],
    );
    let number = certificate.serial_number().to_string().to_uppercase();
    for expected in [
        number.as_str(),
        "Key Compromise",
        "Invalidity Date: \n                Nov 20 08:00:00 2026 GMT",
        "Revocation Date: Nov 24 10:00:00 2026 GMT",
        "X509v3 CRL Number: \n                2",
        "Next Update: Dec  2 00:00:00 2026 GMT",
    ] {
        assert!(text.contains(expected), "no {expected:?} in {text}");
    }
    let (good, said) = organisation.judge("-crl_check -CRLfile issuing.crl");
    assert!(!good && said.contains("certificate revoked"), "{said}");
    let said = organisation
        .openssl
        .run("crl -in issuing.crl -noout -verify -CAfile issuing.pem");
    assert!(said.contains("verify OK"), "{said}");
}

#[test]
fn a_list_names_a_certificate_once_and_has_a_period() {
    let organisation = Organisation::found();
    let entry = Revoked {
        serial_number: serial(9),
        revoked_at: at("2026-11-24T10:00:00Z"),
        reason: None,
        invalid_since: None,
    };
    let new = NewCrl {
        number: 1,
        this_update: at("2026-11-25T00:00:00Z"),
        next_update: at("2026-12-02T00:00:00Z"),
        entries: &[entry.clone(), entry],
    };
    let issuer = organisation.issuer();
    assert!(matches!(
        issuer.crl(&new),
        Err(IssueError::RevokedTwice { .. })
    ));
    let backwards = NewCrl {
        next_update: new.this_update,
        entries: &[],
        ..new
    };
    assert!(matches!(
        issuer.crl(&backwards),
        Err(IssueError::Period { .. })
    ));
}

#[test]
fn a_list_of_ten_thousand_is_read_by_openssl() {
    let organisation = Organisation::found();
    let revoked = |number: u32| Revoked {
        serial_number: SerialNumber::from_octets(&(number + 1).to_be_bytes()).unwrap(),
        revoked_at: at("2026-11-24T10:00:00Z"),
        reason: Some(CertificateRevocationReason::Superseded),
        invalid_since: None,
    };
    let entries: Vec<_> = (0..10_000).map(revoked).collect();
    let text = organisation.crl(3, &entries);
    assert_eq!(text.matches("Serial Number:").count(), 10_000);
}

#[test]
fn an_empty_list_leaves_its_entries_out_and_a_long_one_is_refused() {
    let organisation = Organisation::found();
    let revoked = |number: u32| Revoked {
        serial_number: SerialNumber::from_octets(&(number + 1).to_be_bytes()).unwrap(),
        revoked_at: at("2026-11-24T10:00:00Z"),
        reason: None,
        invalid_since: None,
    };
    let new = NewCrl {
        number: 1,
        this_update: at("2026-11-25T00:00:00Z"),
        next_update: at("2026-12-02T00:00:00Z"),
        entries: &[],
    };
    let empty = organisation.issuer().crl(&new).unwrap();
    let read = TbsCertList::<Rfc5280>::from_der(empty.bytes()).unwrap();
    assert_eq!(read.revoked_certificates, None);
    let entries: Vec<_> = (0..100_001).map(revoked).collect();
    let long = NewCrl {
        entries: &entries,
        ..new
    };
    assert_eq!(
        organisation.issuer().crl(&long),
        Err(IssueError::TooMany { most: 100_000 })
    );
}
