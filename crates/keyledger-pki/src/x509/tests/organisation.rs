//! An organisation of tests: its keys belong to `openssl`, its certificates are made by us.

use crate::x509::{
    AlternativeName, AuthorityReach, Certificate, CertificateProfile, CertificateRequest,
    DistinguishedName, ExtendedKeyUsage, Issuer, KeyUsage, NewCertificate, NewCrl, Revoked,
    SerialNumber, ToBeSigned, pem,
};

use super::{at, openssl::Openssl};

/// Seconds since 1970 of the moment the tests judge at: 2026-11-25T12:00:00Z.
pub(super) const JUDGED_AT: u64 = 1_795_608_000;

pub(super) fn ca_profile(path_length: Option<u8>) -> CertificateProfile {
    CertificateProfile {
        key_usages: vec![KeyUsage::KeyCertSign, KeyUsage::CrlSign],
        authority: Some(AuthorityReach { path_length }),
        ..CertificateProfile::default()
    }
}

pub(super) fn person_profile() -> CertificateProfile {
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

pub(super) fn person_names() -> [AlternativeName; 4] {
    [
        AlternativeName::Email("ada@example.org".to_owned()),
        AlternativeName::Upn("ada@corp.example.org".to_owned()),
        AlternativeName::Dns("ada.example.org".to_owned()),
        AlternativeName::Uri("urn:keyledger:principal:ada".to_owned()),
    ]
}

pub(super) fn name(text: &str) -> DistinguishedName {
    text.parse().unwrap()
}

pub(super) fn serial(octet: u8) -> SerialNumber {
    SerialNumber::from_random([octet; 16])
}

/// An organisation: a root that may stay offline, an authority that issues, both with keys that only `openssl` has.
pub(super) struct Organisation {
    pub(super) openssl: Openssl,
    pub(super) root: Certificate,
    pub(super) issuing: Certificate,
}

impl Organisation {
    pub(super) fn found() -> Self {
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

    pub(super) fn issuer(&self) -> Issuer {
        Issuer::of(&self.issuing).unwrap()
    }

    /// A certificate of a person for a key that signed a request.
    pub(super) fn person(&self, serial_number: &SerialNumber) -> Certificate {
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

    pub(super) fn crl(&self, number: u64, entries: &[Revoked]) -> String {
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
        self.openssl.write("issuing.crl", pem("X509 CRL", &der));
        self.openssl.run("crl -in issuing.crl -noout -text")
    }

    pub(super) fn judge(&self, options: &str) -> (bool, String) {
        self.openssl.try_run(&format!(
            "verify -x509_strict -attime {JUDGED_AT} -CAfile root.pem -untrusted issuing.pem {options} ada.pem"
        ))
    }
}

pub(super) fn root(openssl: &Openssl, kind: &str, spki: &[u8], until: &str) -> Certificate {
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

pub(super) fn finish(openssl: &Openssl, key: &str, kind: &str, it: &ToBeSigned) -> Certificate {
    let signature = openssl.sign(key, kind, it.bytes());
    Certificate::from_der(&it.finish(&signature).unwrap()).unwrap()
}
