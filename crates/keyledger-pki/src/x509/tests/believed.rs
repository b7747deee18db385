//! Certificates that were signed elsewhere: honest ones, and what is not believed.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, IsCa, KeyPair, KeyUsagePurpose,
    PublicKeyData as _,
};

use crate::x509::{Certificate, IssueError, Issuer, NotBelieved, check_root};

use super::{
    organisation::{Organisation, serial},
    workshop::named,
};

/// A root of tests, and the parameters that made it.
struct Root {
    certificate: Certificate,
    issuer: rcgen::Issuer<'static, KeyPair>,
}

fn ca(subject: &str, path_length: u8) -> CertificateParams {
    let mut params = named(subject);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2036, 1, 1);
    params
}

fn leaf(subject: &str) -> CertificateParams {
    let mut params = named(subject);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.not_before = rcgen::date_time_ymd(2026, 6, 1);
    params.not_after = rcgen::date_time_ymd(2027, 6, 1);
    params
}

impl Root {
    fn new(subject: &str) -> Self {
        let (params, key) = (ca(subject, 1), KeyPair::generate().unwrap());
        let der = params.self_signed(&key).unwrap();
        Self {
            certificate: Certificate::from_der(der.der()).unwrap(),
            issuer: rcgen::Issuer::new(params, key),
        }
    }

    /// What is said of a certificate of these parameters that it signed.
    fn judge(&self, params: &CertificateParams) -> Result<(), NotBelieved> {
        let key = KeyPair::generate().unwrap();
        let der = params.signed_by(&key, &self.issuer).unwrap();
        let certificate = Certificate::from_der(der.der()).unwrap();
        let spki = key.subject_public_key_info();
        Issuer::of(&self.certificate)
            .unwrap()
            .check_signed(&certificate, &spki)
    }
}

/// What is said of a certificate that signs itself.
fn judge_root(params: &CertificateParams) -> Result<(), NotBelieved> {
    let key = KeyPair::generate().unwrap();
    let der = params.self_signed(&key).unwrap();
    let certificate = Certificate::from_der(der.der()).unwrap();
    check_root(&certificate, &key.subject_public_key_info())
}

#[test]
fn what_an_authority_signed_is_believed() {
    let organisation = Organisation::found();
    let (root, issuing) = (&organisation.root, &organisation.issuing);
    check_root(root, root.spki()).unwrap();
    let issuer = Issuer::of(root).unwrap();
    issuer.check_signed(issuing, issuing.spki()).unwrap();
    let person = organisation.person(&serial(3));
    let issuer = Issuer::of(issuing).unwrap();
    issuer.check_signed(&person, person.spki()).unwrap();
    let root = Root::new("Root");
    root.judge(&ca("Issuing", 0)).unwrap();
    root.judge(&leaf("Ada")).unwrap();
    judge_root(&ca("Another", 3)).unwrap();
}

#[test]
fn a_certificate_over_another_key_is_not_believed() {
    let organisation = Organisation::found();
    let (root, issuing) = (&organisation.root, &organisation.issuing);
    let issuer = Issuer::of(root).unwrap();
    let other = issuer.check_signed(issuing, root.spki());
    assert_eq!(other, Err(NotBelieved::OtherKey));
    let other = check_root(root, issuing.spki());
    assert_eq!(other, Err(NotBelieved::OtherKey));
}

#[test]
fn a_namesake_of_the_issuer_is_found_out() {
    let (root, namesake) = (Root::new("Root"), Root::new("Root"));
    let key = KeyPair::generate().unwrap();
    let judge = |params: CertificateParams| {
        let der = params.signed_by(&key, &namesake.issuer).unwrap();
        let certificate = Certificate::from_der(der.der()).unwrap();
        let issuer = Issuer::of(&root.certificate).unwrap();
        issuer.check_signed(&certificate, &key.subject_public_key_info())
    };
    let forged = judge(ca("Issuing", 0));
    assert!(
        matches!(forged, Err(NotBelieved::Signature(_))),
        "{forged:?}"
    );
    let mut names_its_key = ca("Issuing", 0);
    names_its_key.use_authority_key_identifier_extension = true;
    assert_eq!(judge(names_its_key), Err(NotBelieved::OtherIssuerKey));
}

#[test]
fn a_changed_bit_is_found_out() {
    let organisation = Organisation::found();
    let (root, issuing) = (&organisation.root, &organisation.issuing);
    let issuer = Issuer::of(root).unwrap();
    let mut believed = 0;
    for at in 0..issuing.der().len() {
        let mut der = issuing.der().to_vec();
        der[at] ^= 1;
        let Ok(changed) = Certificate::from_der(&der) else {
            continue;
        };
        believed += u32::from(issuer.check_signed(&changed, issuing.spki()).is_ok());
    }
    assert_eq!(believed, 0);
}

#[test]
fn another_issuer_than_the_one_that_is_said_is_found_out() {
    let organisation = Organisation::found();
    let issuer = Issuer::of(&organisation.issuing).unwrap();
    let root = &organisation.root;
    let other = issuer.check_signed(root, root.spki());
    assert!(
        matches!(other, Err(NotBelieved::OtherIssuer { .. })),
        "{other:?}"
    );
    let below = &organisation.issuing;
    let root = check_root(below, below.spki());
    assert!(
        matches!(root, Err(NotBelieved::OtherIssuer { .. })),
        "{root:?}"
    );
}

#[test]
fn nothing_is_believed_outside_of_what_its_issuer_may_sign() {
    let root = Root::new("Root");
    let changed = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = ca("Issuing", 0);
        change(&mut params);
        root.judge(&params)
    };
    for change in [
        (&|p: &mut CertificateParams| p.not_after = rcgen::date_time_ymd(2036, 1, 2))
            as &dyn Fn(&mut CertificateParams),
        &|p| p.not_before = rcgen::date_time_ymd(2025, 12, 31),
    ] {
        let outlives = changed(change);
        let expected = matches!(
            outlives,
            Err(NotBelieved::Reach(IssueError::OutlivesIssuer { .. }))
        );
        assert!(expected, "{outlives:?}");
    }
    let backwards = changed(&|p| {
        p.not_before = rcgen::date_time_ymd(2030, 1, 1);
        p.not_after = rcgen::date_time_ymd(2029, 1, 1);
    });
    let expected = matches!(
        backwards,
        Err(NotBelieved::Reach(IssueError::Period { .. }))
    );
    assert!(expected, "{backwards:?}");
    for reach in [
        IsCa::Ca(BasicConstraints::Constrained(1)),
        IsCa::Ca(BasicConstraints::Unconstrained),
    ] {
        let long = changed(&|p| p.is_ca = reach);
        let most = IssueError::PathLength { most: 1 };
        assert_eq!(long, Err(NotBelieved::Reach(most)));
    }
    assert_eq!(
        root.judge(&ca("Root", 0)),
        Err(NotBelieved::Reach(IssueError::NamedAsIssuer))
    );
}

#[test]
fn what_it_says_of_being_an_authority_fits_together() {
    let root = Root::new("Root");
    let usages = |mut params: CertificateParams, usages: &[KeyUsagePurpose]| {
        params.key_usages = usages.to_vec();
        params
    };
    let sign = KeyUsagePurpose::KeyCertSign;
    for wrong in [
        usages(ca("Issuing", 0), &[]),
        usages(ca("Issuing", 0), &[sign]),
        usages(ca("Issuing", 0), &[KeyUsagePurpose::CrlSign]),
        usages(leaf("Ada"), &[sign]),
        usages(leaf("Ada"), &[KeyUsagePurpose::CrlSign]),
        usages(leaf("Ada"), &[KeyUsagePurpose::EncipherOnly]),
    ] {
        let refused = root.judge(&wrong);
        assert!(
            matches!(refused, Err(NotBelieved::Authority(_))),
            "{refused:?}"
        );
    }
    assert_eq!(judge_root(&leaf("Root")), Err(NotBelieved::NoRoot));
}

#[test]
fn what_a_reader_would_have_to_understand_is_not_believed() {
    let root = Root::new("Root");
    let mut params = leaf("Ada");
    let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 1], vec![5, 0]);
    params.custom_extensions = vec![extension.clone()];
    root.judge(&params).unwrap();
    extension.set_criticality(true);
    params.custom_extensions = vec![extension];
    let refused = root.judge(&params);
    assert_eq!(
        refused,
        Err(NotBelieved::Critical("1.3.6.1.4.1.1".parse().unwrap()))
    );
    let mut nobody = leaf("Ada");
    nobody.distinguished_name = rcgen::DistinguishedName::new();
    assert_eq!(root.judge(&nobody), Err(NotBelieved::NoSubject));
}

#[test]
fn a_negative_serial_number_is_not_believed() {
    let organisation = Organisation::found();
    let issuing = &organisation.issuing;
    let octets = serial(2);
    let mut der = issuing.der().to_vec();
    let at = der
        .windows(16)
        .position(|window| window == octets.octets())
        .unwrap();
    der[at] |= 0x80;
    let issuer = Issuer::of(&organisation.root).unwrap();
    let judged = Certificate::from_der(&der)
        .map(|certificate| issuer.check_signed(&certificate, issuing.spki()));
    let believed = judged.is_ok_and(|judged| !matches!(judged, Err(NotBelieved::SerialNumber(_))));
    assert!(!believed);
}
