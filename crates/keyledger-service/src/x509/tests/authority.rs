//! Certificates and lists of our own authority, judged by `openssl`.

use crate::x509::{
    AlternativeName, AuthorityReach, BadSignature, Certificate, CertificateProfile,
    CertificateRequest, CertificateRevocationReason, DistinguishedName, ExtendedKeyUsage,
    FinishError, IssueError, Issuer, KeyUsage, NewCertificate, NewCrl, PublicKeyKind, Revoked,
    SerialNumber, ToBeSigned, crl_to_pem,
};

use super::{
    at,
    openssl::{KINDS, Openssl},
};

/// Seconds since 1970 of the moment the tests judge at: 2026-11-25T12:00:00Z.
const JUDGED_AT: u64 = 1_795_608_000;

fn ca_profile(path_length: Option<u8>) -> CertificateProfile {
    CertificateProfile {
        key_usages: vec![KeyUsage::KeyCertSign, KeyUsage::CrlSign],
        authority: Some(AuthorityReach { path_length }),
        ..CertificateProfile::default()
    }
}

fn person_profile() -> CertificateProfile {
    CertificateProfile {
        key_usages: vec![KeyUsage::DigitalSignature],
        extended_key_usages: vec![
            ExtendedKeyUsage::ClientAuth,
            ExtendedKeyUsage::EmailProtection,
            ExtendedKeyUsage::SmartcardLogon,
        ],
        authority: None,
        crl_url: Some("http://pki.example.org/issuing.crl".to_owned()),
        policies: vec!["1.3.6.1.4.1.32473.1".parse().unwrap()],
    }
}

fn person_names() -> [AlternativeName; 4] {
    [
        AlternativeName::Email("ada@example.org".to_owned()),
        AlternativeName::Upn("ada@corp.example.org".to_owned()),
        AlternativeName::Dns("ada.example.org".to_owned()),
        AlternativeName::Uri("urn:keyledger:principal:ada".to_owned()),
    ]
}

fn name(text: &str) -> DistinguishedName {
    text.parse().unwrap()
}

fn serial(octet: u8) -> SerialNumber {
    SerialNumber::from_random([octet; 16])
}

/// An organisation: a root that may stay offline, an authority that issues, both with keys that only `openssl` has.
struct Organisation {
    openssl: Openssl,
    root: Certificate,
    issuing: Certificate,
}

impl Organisation {
    fn found() -> Self {
        let openssl = Openssl::new();
        let spki = openssl.key("root", "p384");
        let root = root(&openssl, "p384", &spki, "9999-12-31T23:59:59Z");
        let spki = openssl.key("issuing", "p256");
        let to_be_signed = Issuer::of(&root)
            .unwrap()
            .certificate(&NewCertificate {
                serial_number: &serial(2),
                subject: &name("CN=Example Issuing CA 1,O=Example"),
                spki: &spki,
                alternative_names: &[],
                not_before: at("2026-01-01T00:00:00Z"),
                not_after: at("2036-01-01T00:00:00Z"),
                profile: &ca_profile(Some(0)),
            })
            .unwrap();
        let issuing = finish(&openssl, "root", "p384", &to_be_signed);
        openssl.write("root.pem", root.to_pem());
        openssl.write("issuing.pem", issuing.to_pem());
        Self {
            openssl,
            root,
            issuing,
        }
    }

    fn issuer(&self) -> Issuer {
        Issuer::of(&self.issuing).unwrap()
    }

    /// A certificate of a person for a key that signed a request.
    fn person(&self, serial_number: &SerialNumber) -> Certificate {
        self.openssl.key("ada", "p256");
        let request = self.openssl.request("ada", "/CN=Whatever");
        let request = CertificateRequest::from_der(&request).unwrap();
        let to_be_signed = self
            .issuer()
            .certificate(&NewCertificate {
                serial_number,
                subject: &name("CN=Ada Lovelace,OU=Keys,O=Example,C=GB"),
                spki: request.spki(),
                alternative_names: &person_names(),
                not_before: at("2026-11-01T00:00:00Z"),
                not_after: at("2027-11-01T00:00:00Z"),
                profile: &person_profile(),
            })
            .unwrap();
        let certificate = finish(&self.openssl, "issuing", "p256", &to_be_signed);
        self.openssl.write("ada.pem", certificate.to_pem());
        certificate
    }

    fn crl(&self, number: u64, entries: &[Revoked]) -> String {
        let to_be_signed = self
            .issuer()
            .crl(&NewCrl {
                number,
                this_update: at("2026-11-25T00:00:00Z"),
                next_update: at("2026-12-02T00:00:00Z"),
                entries,
            })
            .unwrap();
        let signature = self.openssl.sign("issuing", "p256", to_be_signed.bytes());
        let der = to_be_signed.finish(&signature).unwrap();
        self.openssl.write("issuing.crl", crl_to_pem(&der));
        self.openssl.run("crl -in issuing.crl -noout -text")
    }

    fn judge(&self, options: &str) -> (bool, String) {
        self.openssl.try_run(&format!(
            "verify -x509_strict -attime {JUDGED_AT} -CAfile root.pem -untrusted issuing.pem {options} ada.pem"
        ))
    }
}

fn root(openssl: &Openssl, kind: &str, spki: &[u8], until: &str) -> Certificate {
    let subject = name("CN=Example Root,O=Example");
    let to_be_signed = Issuer::new_root(&subject, spki)
        .unwrap()
        .certificate(&NewCertificate {
            serial_number: &serial(1),
            subject: &subject,
            spki,
            alternative_names: &[],
            not_before: at("2026-01-01T00:00:00Z"),
            not_after: at(until),
            profile: &ca_profile(Some(1)),
        })
        .unwrap();
    finish(openssl, "root", kind, &to_be_signed)
}

fn finish(openssl: &Openssl, key: &str, kind: &str, it: &ToBeSigned) -> Certificate {
    let signature = openssl.sign(key, kind, it.bytes());
    Certificate::from_der(&it.finish(&signature).unwrap()).unwrap()
}

#[test]
fn openssl_verifies_the_chain_for_every_purpose_of_the_profile() {
    let organisation = Organisation::found();
    organisation.person(&serial(3));
    for purpose in ["sslclient", "smimesign", "any"] {
        let (good, said) = organisation.judge(&format!("-purpose {purpose}"));
        assert!(good, "{purpose}: {said}");
    }
    let (good, said) = organisation.judge("-purpose sslserver");
    assert!(!good, "{said}");
}

#[test]
fn openssl_reads_what_was_written() {
    let organisation = Organisation::found();
    let certificate = organisation.person(&serial(3));
    let text = organisation.openssl.run("x509 -in ada.pem -noout -text");
    for expected in [
        "ecdsa-with-SHA256",
        "Subject: C = GB, O = Example, OU = Keys, CN = Ada Lovelace",
        "Not After : Nov  1 00:00:00 2027 GMT",
        "email:ada@example.org",
        "othername: UPN::ada@corp.example.org",
        "DNS:ada.example.org",
        "URI:urn:keyledger:principal:ada",
        "TLS Web Client Authentication, E-mail Protection, Microsoft Smartcard Login",
        "CA:FALSE",
        "URI:http://pki.example.org/issuing.crl",
        "Policy: 1.3.6.1.4.1.32473.1",
    ] {
        assert!(text.contains(expected), "no {expected:?} in {text}");
    }
    let said = organisation.openssl.run(
        "x509 -in ada.pem -noout -fingerprint -sha256 -serial -subject -issuer -nameopt RFC2253",
    );
    let fingerprint = data_encoding::HEXUPPER.encode(&certificate.sha256());
    let said = said.replace(':', "");
    for expected in [
        fingerprint,
        format!(
            "serial={}",
            certificate.serial_number().to_string().to_uppercase()
        ),
        format!("subject={}", certificate.subject()),
        format!("issuer={}", certificate.issuer()),
    ] {
        assert!(said.contains(&expected), "no {expected:?} in {said}");
    }
    assert_eq!(certificate.not_after(), at("2027-11-01T00:00:00Z"));
    assert!(!certificate.is_ca());
    assert_eq!(certificate.spki(), organisation.openssl.read("ada.spki"));
}

#[test]
fn the_identifiers_of_keys_link_the_chain() {
    let organisation = Organisation::found();
    organisation.person(&serial(3));
    let issuing = organisation
        .openssl
        .run("x509 -in issuing.pem -noout -ext subjectKeyIdentifier");
    let ada = organisation
        .openssl
        .run("x509 -in ada.pem -noout -ext authorityKeyIdentifier");
    let last = |text: &str| text.lines().last().unwrap().trim().to_owned();
    assert_eq!(last(&issuing), last(&ada));
}

#[test]
fn roots_of_every_kind_of_key_verify() {
    for (kind, _, _) in KINDS {
        let openssl = Openssl::new();
        let spki = openssl.key("root", kind);
        let certificate = root(&openssl, kind, &spki, "2046-01-01T00:00:00Z");
        certificate.verify_signed_by(&certificate).unwrap();
        openssl.write("root.pem", certificate.to_pem());
        openssl.run(&format!(
            "verify -x509_strict -check_ss_sig -attime {JUDGED_AT} -CAfile root.pem root.pem"
        ));
    }
}

#[test]
fn years_from_2050_are_written_as_generalized_time() {
    let organisation = Organisation::found();
    let parsed = organisation.openssl.run("asn1parse -in root.pem");
    assert!(
        parsed.contains("UTCTIME           :260101000000Z"),
        "{parsed}"
    );
    assert!(
        parsed.contains("GENERALIZEDTIME   :99991231235959Z"),
        "{parsed}"
    );
    assert_eq!(organisation.root.not_after(), at("9999-12-31T23:59:59Z"));
}

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
