//! What an authority does not sign.

use rcgen::KeyUsagePurpose;

use crate::x509::{
    AlternativeName, BadSignature, Certificate, CertificateProfile, ExtendedKeyUsage, FinishError,
    IssueError, Issuer, KeyUsage, NewCertificate, NewCrl, PublicKeyKind, ToBeSigned,
    UnsupportedKey,
};

use super::{
    at,
    openssl::Openssl,
    organisation::{Organisation, ca_profile, name, person_profile, serial},
    workshop::{Root, authority, named},
};

#[test]
fn a_wrong_signature_finishes_nothing() {
    let organisation = Organisation::found();
    let spki = organisation.openssl.key("ada", "p256");
    let new = NewCertificate {
        serial_number: &serial(3),
        subject: &name("CN=Ada"),
        spki: &spki,
        alternative_names: &[],
        not_before: at("2026-11-01T00:00:00Z"),
        not_after: at("2027-11-01T00:00:00Z"),
        profile: &person_profile(),
    };
    let to_be_signed = organisation.issuer().certificate(&new).unwrap();
    let stranger = organisation
        .openssl
        .sign("ada", "p256", to_be_signed.bytes());
    let mismatch = Err(FinishError::Signature(BadSignature::Mismatch));
    assert_eq!(to_be_signed.finish(&stranger), mismatch);

    let issuer_spki = to_be_signed.issuer_spki().to_vec();
    let reopened = ToBeSigned::reopen(to_be_signed.bytes().to_vec(), issuer_spki.clone()).unwrap();
    assert_eq!(reopened, to_be_signed);
    let signature = organisation
        .openssl
        .sign("issuing", "p256", to_be_signed.bytes());
    let certificate = Certificate::from_der(&reopened.finish(&signature).unwrap()).unwrap();
    certificate.verify_signed_by(&organisation.issuing).unwrap();
    assert!(ToBeSigned::reopen(b"nonsense".to_vec(), issuer_spki).is_err());
}

#[test]
fn an_authority_issues_within_its_own_reach_only() {
    let organisation = Organisation::found();
    let spki = organisation.openssl.key("ada", "p256");
    let serial_number = serial(3);
    let subject = name("CN=Ada");
    let profile = person_profile();
    let new = NewCertificate {
        serial_number: &serial_number,
        subject: &subject,
        spki: &spki,
        alternative_names: &[],
        not_before: at("2026-11-01T00:00:00Z"),
        not_after: at("2027-11-01T00:00:00Z"),
        profile: &profile,
    };
    let issuer = organisation.issuer();
    assert!(issuer.certificate(&new).is_ok());

    let long = NewCertificate {
        not_after: at("2036-01-01T00:00:01Z"),
        ..new
    };
    assert!(matches!(
        issuer.certificate(&long),
        Err(IssueError::OutlivesIssuer { .. })
    ));
    let backwards = NewCertificate {
        not_after: new.not_before,
        ..new
    };
    assert!(matches!(
        issuer.certificate(&backwards),
        Err(IssueError::Period { .. })
    ));
    let below = ca_profile(Some(0));
    let below = NewCertificate {
        profile: &below,
        ..new
    };
    let most = 0;
    assert_eq!(
        issuer.certificate(&below),
        Err(IssueError::PathLength { most })
    );
    let unlimited = ca_profile(None);
    let unlimited = NewCertificate {
        profile: &unlimited,
        ..new
    };
    let root = Issuer::of(&organisation.root).unwrap();
    assert!(matches!(
        root.certificate(&unlimited),
        Err(IssueError::PathLength { .. })
    ));

    let namesake = name("CN=Example Issuing CA 1,O=Example");
    let namesake = NewCertificate {
        subject: &namesake,
        ..new
    };
    assert_eq!(
        issuer.certificate(&namesake),
        Err(IssueError::NamedAsIssuer)
    );
    let unborn = Issuer::new_root(&name("CN=New Root"), &spki).unwrap();
    assert_eq!(unborn.certificate(&new), Err(IssueError::NotItsOwn));
    let leaf = organisation.person(&serial(4));
    assert!(matches!(
        Issuer::of(&leaf),
        Err(IssueError::NotAnAuthority { .. })
    ));
}

#[test]
fn profiles_that_cannot_be_are_refused() {
    let organisation = Organisation::found();
    let spki = organisation.openssl.key("ada", "p256");
    let issue = |profile: CertificateProfile, names: &[AlternativeName]| {
        organisation.issuer().certificate(&NewCertificate {
            serial_number: &serial(3),
            subject: &name("CN=Ada"),
            spki: &spki,
            alternative_names: names,
            not_before: at("2026-11-01T00:00:00Z"),
            not_after: at("2027-11-01T00:00:00Z"),
            profile: &profile,
        })
    };
    let mut signing = person_profile();
    signing.key_usages.push(KeyUsage::KeyCertSign);
    assert_eq!(issue(signing, &[]), Err(IssueError::AuthorityUsage));
    let mut twice = person_profile();
    twice.extended_key_usages.push(ExtendedKeyUsage::ClientAuth);
    assert!(matches!(
        issue(twice, &[]),
        Err(IssueError::Repeated { .. })
    ));
    let mut wrapping = person_profile();
    wrapping.key_usages.push(KeyUsage::KeyEncipherment);
    let (usage, key) = (KeyUsage::KeyEncipherment, PublicKeyKind::P256);
    assert_eq!(
        issue(wrapping, &[]),
        Err(IssueError::UnfitUsage { usage, key })
    );
    let mut circular = person_profile();
    circular.crl_url = Some("https://pki.example.org/issuing.crl".to_owned());
    assert!(matches!(
        issue(circular, &[]),
        Err(IssueError::CrlUrl { .. })
    ));
    for wrong in [
        AlternativeName::Email("ada".to_owned()),
        AlternativeName::Email("äda@example.org".to_owned()),
        AlternativeName::Dns("-a.example.org".to_owned()),
        AlternativeName::Dns("a..org".to_owned()),
        AlternativeName::Dns("a b".to_owned()),
        AlternativeName::Dns("1.2.3.4".to_owned()),
        AlternativeName::Dns("*.0.0.1".to_owned()),
        AlternativeName::Dns("127.1".to_owned()),
        AlternativeName::Dns("0x7f000001".to_owned()),
        AlternativeName::Uri("no scheme".to_owned()),
        AlternativeName::Upn("ada\0@example.org".to_owned()),
        AlternativeName::Upn(format!("{}@example.org", "a".repeat(255))),
    ] {
        let refusal = issue(person_profile(), std::slice::from_ref(&wrong));
        assert!(
            matches!(refusal, Err(IssueError::AlternativeName { .. })),
            "{wrong:?}"
        );
    }
    let many = vec![AlternativeName::Dns("a.org".to_owned()); 33];
    assert_eq!(
        issue(person_profile(), &many),
        Err(IssueError::TooMany { most: 32 })
    );
}

/// An authority that somebody else made.
fn foreign(name: &str, usage: KeyUsagePurpose) -> Issuer {
    let mut params = authority(named(name), 1);
    params.key_usages = vec![usage];
    Issuer::of(&Certificate::from_pem(&Root::with(params).pem).unwrap()).unwrap()
}

#[test]
fn an_authority_signs_what_its_key_usage_allows() {
    let openssl = Openssl::new();
    let spki = openssl.key("ada", "p256");
    let serial_number = serial(3);
    let subject = name("CN=Ada");
    let profile = person_profile();
    let certificate = NewCertificate {
        serial_number: &serial_number,
        subject: &subject,
        spki: &spki,
        alternative_names: &[],
        not_before: at("2026-11-01T00:00:00Z"),
        not_after: at("2027-11-01T00:00:00Z"),
        profile: &profile,
    };
    let list = NewCrl {
        number: 1,
        this_update: at("2026-11-25T00:00:00Z"),
        next_update: at("2026-12-02T00:00:00Z"),
        entries: &[],
    };
    let signs_lists = foreign("Lists", KeyUsagePurpose::CrlSign);
    assert!(signs_lists.crl(&list).is_ok());
    let refusal = signs_lists.certificate(&certificate);
    assert!(matches!(refusal, Err(IssueError::NotAnAuthority { .. })));
    let signs_certificates = foreign("Certificates", KeyUsagePurpose::KeyCertSign);
    assert!(signs_certificates.certificate(&certificate).is_ok());
    let refusal = signs_certificates.crl(&list);
    assert!(matches!(refusal, Err(IssueError::NotAnAuthority { .. })));

    let endless = foreign(&"long ".repeat(1_500), KeyUsagePurpose::KeyCertSign);
    let names = vec![AlternativeName::Uri(format!("urn:{}", "a".repeat(250))); 32];
    let refusal = endless.certificate(&NewCertificate {
        alternative_names: &names,
        ..certificate
    });
    assert!(matches!(refusal, Err(IssueError::TooLong { .. })));
    let early = NewCertificate {
        not_before: at("1970-01-01T00:00:00Z"),
        ..certificate
    };
    let refusal = signs_certificates.certificate(&early);
    assert!(matches!(refusal, Err(IssueError::OutlivesIssuer { .. })));
}

#[test]
fn a_key_that_is_none_gets_no_certificate() {
    let openssl = Openssl::new();
    let mut spki = openssl.key("ada", "p256");
    *spki.last_mut().unwrap() ^= 1; // off the curve
    let refusal = Issuer::new_root(&name("CN=Root"), &spki);
    assert_eq!(refusal, Err(UnsupportedKey::NoKey));
}
