//! Certificates of our own authority, judged by `openssl`.

use crate::x509::{CertificateProfile, ExtendedKeyUsage, KeyUsage, NewCertificate};

use super::{
    at,
    openssl::{KINDS, Openssl},
    organisation::{JUDGED_AT, Organisation, finish, name, root, serial},
};

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
fn openssl_verifies_certificates_for_every_kind_of_key() {
    let organisation = Organisation::found();
    for (kind, _, _) in KINDS {
        let spki = organisation.openssl.key("ada", kind);
        let (usages, purpose) = match kind {
            "rsa" => (vec![KeyUsage::KeyEncipherment], "smimeencrypt"),
            "p256" => (vec![KeyUsage::KeyAgreement], "any"),
            _ => (
                vec![KeyUsage::DigitalSignature, KeyUsage::ContentCommitment],
                "smimesign",
            ),
        };
        let profile = CertificateProfile {
            key_usages: usages,
            extended_key_usages: vec![ExtendedKeyUsage::EmailProtection],
            ..CertificateProfile::default()
        };
        let to_be_signed = organisation
            .issuer()
            .certificate(&NewCertificate {
                serial_number: &serial(7),
                subject: &name("CN=Ada"),
                spki: &spki,
                alternative_names: &[],
                not_before: at("2026-11-01T00:00:00Z"),
                not_after: at("2027-11-01T00:00:00Z"),
                profile: &profile,
            })
            .unwrap();
        let certificate = finish(&organisation.openssl, "issuing", "p256", &to_be_signed);
        organisation.openssl.write("ada.pem", certificate.to_pem());
        let (good, said) = organisation.judge(&format!("-purpose {purpose}"));
        assert!(good, "{kind}: {said}");
    }
}
