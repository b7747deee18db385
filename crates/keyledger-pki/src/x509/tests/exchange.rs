//! Requests to an authority elsewhere and its responses: what is shown, what is signed, and what is refused.

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::exchange::{FileError, KeyName, Nonce, Octets};
use crate::x509::{
    AlternativeName, Certificate, CertificateProfile, CertificateRevocationReason,
    DistinguishedName, FinishError, Issuer, KeyUsage, NewCertificate, NewCrl, NotAList, Revoked,
    ToBeSigned,
    exchange::{
        AskAuthorityError, Asked, Content, FromAuthority, MAX_EXCHANGE_BYTES, Request,
        RequestError, Response, ResponseError, ToAuthority,
    },
};

use super::{
    at, now,
    organisation::{Organisation, ca_profile, name, serial},
};

fn id(text: &str) -> KeyName {
    text.parse().unwrap()
}

/// A certificate for the root to sign, of this profile.
fn draft(organisation: &Organisation, profile: &CertificateProfile) -> ToBeSigned {
    let names: &[AlternativeName] = match profile.authority {
        Some(_) => &[],
        None => &[AlternativeName::Dns("www.example.org".to_owned())],
    };
    let new = NewCertificate {
        serial_number: &serial(9),
        subject: &name("CN=Example Issuing CA 2,O=Example"),
        spki: organisation.issuing.spki(),
        alternative_names: names,
        not_before: at("2026-11-25T00:00:00Z"),
        not_after: at("2029-11-25T00:00:00Z"),
        profile,
    };
    let issuer = Issuer::of(&organisation.root).unwrap();
    issuer.certificate(&new).unwrap()
}

fn list(organisation: &Organisation, entries: &[Revoked]) -> ToBeSigned {
    let new = NewCrl {
        number: 258,
        this_update: at("2026-11-25T00:00:00Z"),
        next_update: at("2027-05-24T00:00:00Z"),
        entries,
    };
    Issuer::of(&organisation.root).unwrap().crl(&new).unwrap()
}

fn request(
    organisation: &Organisation,
    asked: Asked,
    bytes: &[u8],
) -> Result<Request, RequestError> {
    let asked = ToAuthority {
        issuer: id("root-ca"),
        asked,
        issuer_certificate: Octets(organisation.root.der().to_vec()),
        to_be_signed: Octets(bytes.to_vec()),
    };
    Request::new(asked, Nonce([7; 32]), now())
}

fn answered(request: &Request, signature: &[u8]) -> Result<Response, FinishError> {
    let signature = Octets(signature.to_vec());
    Response::new(request, FromAuthority { signature }, now())
}

fn certificate_request(organisation: &Organisation) -> Request {
    let bytes = draft(organisation, &ca_profile(Some(0)));
    let key = id("issuing-ca");
    request(organisation, Asked::Certificate { key }, bytes.bytes()).unwrap()
}

/// A request of the root to itself, for a certificate of this subject over this key.
fn renewal(
    organisation: &Organisation,
    subject: &DistinguishedName,
    spki: &[u8],
) -> Result<Request, RequestError> {
    let profile = ca_profile(Some(1));
    let new = NewCertificate {
        serial_number: &serial(11),
        subject,
        spki,
        alternative_names: &[],
        not_before: at("2026-11-25T00:00:00Z"),
        not_after: at("2046-11-25T00:00:00Z"),
        profile: &profile,
    };
    let root = Issuer::renewing(&organisation.root).unwrap();
    // What no issuer of ours makes is made under another name first.
    let bytes = match root.certificate(&new) {
        Ok(draft) => draft,
        Err(_) => {
            let other = Issuer::new_root(new.subject, new.spki).unwrap();
            other.certificate(&new).unwrap()
        }
    };
    let key = id("root-ca");
    request(organisation, Asked::Certificate { key }, bytes.bytes())
}

#[test]
fn a_root_signs_its_own_next_certificate_and_nothing_else_in_its_place() {
    let organisation = Organisation::found();
    let (own, spki) = (
        organisation.root.distinguished_name(),
        organisation.root.spki(),
    );
    let request = renewal(&organisation, &own, spki).unwrap();
    assert!(request.content().is_renewal());
    let words = request.describe(now());
    assert!(words.contains("ITSELF, key root-ca"), "{words}");
    assert!(words.contains("2046-11-25"), "{words}");
    let response = answered(&request, &sign(&organisation, &request)).unwrap();
    let renewed = Certificate::from_der(&response.accept(&request).unwrap()).unwrap();
    crate::x509::check_root(&renewed, organisation.root.spki()).unwrap();
    assert_eq!(renewed.subject_key_id(), organisation.root.subject_key_id());
    // What it issued before names the new one too.
    let named = organisation.issuing.authority_key_id().unwrap();
    assert_eq!(named.as_deref(), renewed.subject_key_id());
    organisation.issuing.verify(renewed.spki()).unwrap();

    let mallory = name("CN=Mallory");
    let other = renewal(&organisation, &mallory, spki);
    let said = format!("{:?}", other.unwrap_err());
    assert!(said.contains("OtherName"), "{said}");
    let other = renewal(&organisation, &own, organisation.issuing.spki());
    assert!(other.is_err());
    // Under another key's name it is no renewal, and an authority of the root's name is none that it signs.
    let asked = Asked::Certificate { key: id("other") };
    let other = self::request(
        &organisation,
        asked,
        request.content().to_be_signed().bytes(),
    );
    let said = format!("{:?}", other.unwrap_err());
    assert!(said.contains("NamedAsIssuer"), "{said}");
}

fn sign(organisation: &Organisation, request: &Request) -> Vec<u8> {
    let bytes = request.content().to_be_signed().bytes();
    organisation.openssl.sign("root", "p384", bytes)
}

/// The file with one field changed.
fn changed(file: &[u8], field: &str, value: Value) -> Vec<u8> {
    let mut json: Value = serde_json::from_slice(file).unwrap();
    json[field] = value;
    serde_json::to_vec(&json).unwrap()
}

/// The file with one field changed of what one of its fields holds.
fn within(file: &[u8], outer: &str, field: &str, value: Value) -> Vec<u8> {
    let mut json: Value = serde_json::from_slice(file).unwrap();
    json[outer][field] = value;
    serde_json::to_vec(&json).unwrap()
}

/// A request in words, but for the digest of its file.
fn said(request: &Request) -> String {
    request.describe(now()).replace(request.digest(), "")
}

#[test]
fn a_certificate_goes_out_in_words_and_comes_back_signed() {
    let organisation = Organisation::found();
    let request = certificate_request(&organisation);
    let there = Request::parse(&request.to_json()).unwrap();
    assert_eq!(there, request);
    let words = there.describe(now());
    for line in [
        "Authority    CN=Example Root,O=Example (root-ca)\n",
        "CERTIFY      key issuing-ca\n",
        "subject      CN=Example Issuing CA 2,O=Example\n",
        "authority    YES, with no authority below it\n",
        "until        2029-11-25 00:00:00Z (in 1096 days)\n",
        "key usage    key_cert_sign\n",
        &format!("serial       {}\n", serial(9)),
        &format!("SHA-256      {}\n", request.digest()),
    ] {
        assert!(words.contains(line), "no {line:?} in\n{words}");
    }
    let response = answered(&there, &sign(&organisation, &there)).unwrap();
    let response = Response::parse(&response.to_json()).unwrap();
    let certificate = Certificate::from_der(&response.accept(&request).unwrap()).unwrap();
    let issuer = Issuer::of(&organisation.root).unwrap();
    issuer
        .check_signed(&certificate, organisation.issuing.spki())
        .unwrap();
}

#[test]
fn a_leaf_is_shown_with_its_names_and_uses() {
    let organisation = Organisation::found();
    let profile = CertificateProfile {
        key_usages: vec![KeyUsage::DigitalSignature],
        extended_key_usages: vec![crate::x509::ExtendedKeyUsage::ServerAuth],
        crl_url: Some("http://pki.example.org/root.crl".to_owned()),
        ..CertificateProfile::default()
    };
    let bytes = draft(&organisation, &profile);
    let key = id("web-1");
    let request = request(&organisation, Asked::Certificate { key }, bytes.bytes()).unwrap();
    let words = request.describe(now());
    for line in [
        "authority    no\n",
        "key usage    digital_signature\n",
        "for          server_auth\n",
        "DNS          www.example.org\n",
        "its list at  http://pki.example.org/root.crl\n",
        "extensions   basic_constraints (critical), key_usage (critical), extended_key_usage, alternative_names, ",
        "crl_distribution_points, subject_key_id, authority_key_id\n",
    ] {
        assert!(words.contains(line), "no {line:?} in\n{words}");
    }
}

#[test]
fn a_list_goes_out_in_words_and_comes_back_signed() {
    let organisation = Organisation::found();
    let bytes = list(&organisation, &revoked());
    let request = request(&organisation, Asked::Crl, bytes.bytes()).unwrap();
    let Content::Crl(content) = request.content().content() else {
        panic!("it is a list");
    };
    assert_eq!(content.entries, revoked());
    assert_eq!(content.number, 258);
    let words = request.describe(now());
    for line in [
        "REVOKED      2 certificates\n",
        &format!(
            "revoked      {} at 2026-11-24 00:00:00Z, no reason given, not to be trusted since 2026-11-20 00:00:00Z\n",
            serial(2)
        ),
        &format!(
            "revoked      {} at 2026-11-23 00:00:00Z, superseded\n",
            serial(3)
        ),
        "list number  258\n",
        "until        2027-05-24 00:00:00Z (in 180 days)\n",
    ] {
        assert!(words.contains(line), "no {line:?} in\n{words}");
    }
    let response = answered(&request, &sign(&organisation, &request)).unwrap();
    let der = response.accept(&request).unwrap();
    organisation.openssl.write("root.crl", der);
    organisation
        .openssl
        .run("crl -in root.crl -inform DER -CAfile root.pem -verify -noout");
}

#[test]
fn what_is_not_shown_is_not_signed() {
    let organisation = Organisation::found();
    let profile = CertificateProfile {
        policies: vec![der::oid::ObjectIdentifier::new_unwrap("2.5.29.32.0")],
        ..ca_profile(Some(0))
    };
    let bytes = draft(&organisation, &profile);
    let key = id("issuing-ca");
    let refused = request(&organisation, Asked::Certificate { key }, bytes.bytes());
    assert!(
        matches!(
            refused,
            Err(RequestError::Asked(AskAuthorityError::NotShown { .. }))
        ),
        "{refused:?}"
    );
}

/// Two certificates that were revoked, for no reason given and for one.
fn revoked() -> [Revoked; 2] {
    [
        Revoked {
            serial_number: serial(2),
            revoked_at: at("2026-11-24T00:00:00Z"),
            reason: None,
            invalid_since: Some(at("2026-11-20T00:00:00Z")),
        },
        Revoked {
            serial_number: serial(3),
            revoked_at: at("2026-11-23T00:00:00Z"),
            reason: Some(CertificateRevocationReason::Superseded),
            invalid_since: None,
        },
    ]
}

/// The bytes with every occurrence of some of them replaced by others, as many.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let places: Vec<_> = (0..=bytes.len() - from.len())
        .filter(|at| bytes[*at..].starts_with(from))
        .collect();
    assert!(!places.is_empty(), "nothing to replace");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

#[test]
fn a_list_that_says_what_no_list_of_ours_says_is_not_signed() {
    let organisation = Organisation::found();
    let honest = list(&organisation, &revoked());
    let refused = |bytes: &[u8]| match request(&organisation, Asked::Crl, bytes) {
        Err(RequestError::Asked(AskAuthorityError::List(why))) => why,
        other => panic!("{other:?}"),
    };
    // The reason superseded becomes removeFromCRL: it would let the certificate pass again.
    let reason = [0x06, 3, 0x55, 0x1d, 0x15, 4, 3, 0x0a, 1];
    let superseded = [&reason[..], &[4]].concat();
    let bytes = replaced(honest.bytes(), &superseded, &[&reason[..], &[8]].concat());
    assert!(matches!(refused(&bytes), NotAList::Reason { .. }));
    // One certificate twice.
    let bytes = replaced(honest.bytes(), serial(3).octets(), serial(2).octets());
    assert_eq!(refused(&bytes), NotAList::Twice(serial(2)));
    // Revoked, or not to be trusted, from after the list.
    let mut later = revoked();
    later[1].revoked_at = at("2026-11-26T00:00:00Z");
    let why = refused(list(&organisation, &later).bytes());
    assert!(matches!(why, NotAList::Later { .. }), "{why:?}");
    let mut later = revoked();
    later[0].invalid_since = Some(at("2026-11-26T00:00:00Z"));
    let why = refused(list(&organisation, &later).bytes());
    assert!(matches!(why, NotAList::Later { .. }), "{why:?}");
}

#[test]
fn a_list_lies_within_its_issuers_certificate() {
    let organisation = Organisation::found();
    for (from, until) in [
        ("2025-12-31T00:00:00Z", "2026-06-01T00:00:00Z"),
        ("2035-12-31T00:00:00Z", "2036-01-02T00:00:00Z"),
    ] {
        let new = NewCrl {
            number: 1,
            this_update: at(from),
            next_update: at(until),
            entries: &[],
        };
        let bytes = organisation.issuer().crl(&new).unwrap();
        let asked = ToAuthority {
            issuer: id("issuing-ca"),
            asked: Asked::Crl,
            issuer_certificate: Octets(organisation.issuing.der().to_vec()),
            to_be_signed: Octets(bytes.bytes().to_vec()),
        };
        let refused = Request::new(asked, Nonce([7; 32]), now());
        assert!(
            matches!(
                refused,
                Err(RequestError::Asked(AskAuthorityError::List(
                    NotAList::Period { .. }
                )))
            ),
            "{refused:?}"
        );
    }
}

#[test]
fn every_list_that_was_changed_on_its_way_is_refused_or_shows_it() {
    let organisation = Organisation::found();
    let bytes = list(&organisation, &revoked());
    let request = request(&organisation, Asked::Crl, bytes.bytes()).unwrap();
    let file = request.to_json();
    for at in 0..bytes.bytes().len() {
        let mut bytes = bytes.bytes().to_vec();
        bytes[at] ^= 1;
        let file = within(&file, "asked", "to_be_signed", json!(BASE64.encode(&bytes)));
        if let Ok(changed) = Request::parse(&file) {
            assert_ne!(said(&changed), said(&request), "byte {at}");
        }
    }
}

#[test]
fn bytes_are_what_they_are_said_to_be() {
    let organisation = Organisation::found();
    let certificate = draft(&organisation, &ca_profile(Some(0)));
    let crl = list(&organisation, &[]);
    let key = id("issuing-ca");
    request(&organisation, Asked::Crl, certificate.bytes()).unwrap_err();
    request(&organisation, Asked::Certificate { key }, crl.bytes()).unwrap_err();
    request(&organisation, Asked::Crl, b"anything").unwrap_err();
    request(&organisation, Asked::Crl, &[0x30, 0]).unwrap_err();
}

#[test]
fn every_request_that_was_changed_on_its_way_is_refused_or_shows_it() {
    let organisation = Organisation::found();
    let request = certificate_request(&organisation);
    let file = request.to_json();
    let bytes = request.content().to_be_signed().bytes();
    for at in 0..bytes.len() {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        let file = within(&file, "asked", "to_be_signed", json!(BASE64.encode(&bytes)));
        if let Ok(changed) = Request::parse(&file) {
            assert_ne!(said(&changed), said(&request), "byte {at}");
        }
    }
    for (field, value) in [
        ("format", json!("keyledger-response")),
        ("version", json!(2)),
        ("kind", json!("openpgp")),
        ("more", json!(1)),
        ("asked", json!("crl")),
        ("made_at", json!("yesterday")),
        ("nonce", json!("00")),
        ("nonce", json!("\u{202e}".repeat(64))),
    ] {
        assert!(Request::parse(&changed(&file, field, value)).is_err());
    }
    for (field, value) in [
        ("more", json!(1)),
        ("asked", json!({ "certificate": { "key": "a.b" } })),
        ("asked", json!("crl")),
        ("issuer", json!("")),
        ("to_be_signed", json!("!")),
        ("issuer_certificate", json!("MIIC")),
        // An authority that could not have signed it.
        (
            "issuer_certificate",
            json!(BASE64.encode(organisation.issuing.der())),
        ),
    ] {
        assert!(Request::parse(&within(&file, "asked", field, value)).is_err());
    }
    let large = vec![b' '; MAX_EXCHANGE_BYTES + 1];
    let refused = Request::parse(&large);
    assert!(matches!(
        refused,
        Err(RequestError::File(FileError::TooLarge { .. }))
    ));
}

#[test]
fn nobody_makes_up_what_a_root_may_sign() {
    let organisation = Organisation::found();
    let file = certificate_request(&organisation).to_json();
    let root = organisation.root.der();
    for at in 0..root.len() {
        let mut root = root.to_vec();
        root[at] ^= 1;
        let root = json!(BASE64.encode(&root));
        let file = within(&file, "asked", "issuer_certificate", root);
        // It would have to be no root's any more, which is shown.
        let words = Request::parse(&file).map(|request| request.describe(now()));
        assert!(words.is_err() || words.is_ok_and(|it| it.contains("\nunder ")));
    }
}

#[test]
fn a_response_counts_for_its_request_and_with_its_signature() {
    let organisation = Organisation::found();
    let request = certificate_request(&organisation);
    let signature = sign(&organisation, &request);
    let response = answered(&request, &signature).unwrap();

    let bytes = list(&organisation, &[]);
    let other = super::exchange::request(&organisation, Asked::Crl, bytes.bytes()).unwrap();
    let refused = response.accept(&other);
    assert!(matches!(refused, Err(ResponseError::OtherRequest { .. })));
    let refused = answered(&other, &signature);
    assert!(matches!(refused, Err(FinishError::Signature(_))));

    let file = response.to_json();
    for at in 0..signature.len() {
        let mut signature = signature.clone();
        signature[at] ^= 1;
        let file = within(
            &file,
            "answer",
            "signature",
            json!(BASE64.encode(&signature)),
        );
        let refused = Response::parse(&file).unwrap().accept(&request);
        assert!(matches!(refused, Err(ResponseError::Answer(_))));
    }
    for (field, value) in [
        ("format", json!("keyledger-request")),
        ("version", json!(2)),
        ("kind", json!("openpgp")),
        ("more", json!(1)),
        ("signed_at", json!(1)),
        ("answer", json!("MIIC")),
    ] {
        assert!(Response::parse(&changed(&file, field, value)).is_err());
    }
    let large = vec![b' '; MAX_EXCHANGE_BYTES + 1];
    let refused = Response::parse(&large);
    assert!(matches!(refused, Err(FileError::TooLarge { .. })));
}

#[test]
fn a_subject_cannot_write_lines_of_its_own() {
    let organisation = Organisation::found();
    let file = certificate_request(&organisation).to_json();
    let bytes = Request::parse(&file).unwrap();
    let mut bytes = bytes.content().to_be_signed().bytes().to_vec();
    let at = bytes
        .windows(10)
        .position(|window| window == b"Issuing CA")
        .unwrap();
    for written in ["\u{202e}".as_bytes(), b"\n  "] {
        bytes[at..at + 3].copy_from_slice(written);
        let file = within(&file, "asked", "to_be_signed", json!(BASE64.encode(&bytes)));
        let refused = Request::parse(&file).unwrap_err();
        assert!(
            matches!(
                refused,
                RequestError::Asked(AskAuthorityError::NotShown { .. })
            ),
            "{refused}"
        );
    }
}

/// Tags, and lengths at the ends of their ranges.
const ODD: [u8; 12] = [0, 1, 2, 4, 5, 0x0c, 0x13, 0x30, 0x7f, 0x80, 0xa0, 0xff];

/// Numbers that look random and are the same in each run (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % end
    }

    /// `bytes` with one to three changes; most keep the length, so that what is around them is still read.
    fn changed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(8) {
                0 => bytes.truncate(at.max(1)),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, ODD[self.below(ODD.len())]),
                3 | 4 => bytes[at] = ODD[self.below(ODD.len())],
                _ => bytes[at] ^= 1 << self.below(8),
            }
            if bytes.len() < 2 {
                break;
            }
        }
        bytes
    }
}

/// A request that was changed on its way is refused, or a person reads that it is another one.
#[test]
fn no_change_to_what_is_to_be_signed_goes_unseen() {
    let organisation = Organisation::found();
    let revoked = |number: u8| Revoked {
        serial_number: serial(number),
        revoked_at: at("2026-11-24T10:00:00Z"),
        reason: Some(CertificateRevocationReason::KeyCompromise),
        invalid_since: Some(at("2026-11-20T08:00:00Z")),
    };
    let drafts = [
        (
            Asked::Certificate {
                key: id("issuing-ca"),
            },
            draft(&organisation, &ca_profile(Some(0))),
        ),
        (Asked::Crl, list(&organisation, &[revoked(3), revoked(9)])),
    ];
    let shown = |request: &Request| {
        let words = request.describe(now());
        let lines = words
            .lines()
            .filter(|line| *line != format!("{:<13}{}", "SHA-256", request.digest()));
        lines.collect::<Vec<_>>().join("\n")
    };
    let mut numbers = Numbers(0x5eed_0f09_e4b9_0002);
    for (asked, draft) in drafts {
        let whole = draft.bytes();
        let words = shown(&request(&organisation, asked.clone(), whole).unwrap());
        let mut taken = 0;
        // Each byte as each odd one and with each bit turned, and then several changes at once.
        let single = (0..whole.len()).flat_map(|at| {
            let flipped = (0..8).map(move |bit| whole[at] ^ (1 << bit));
            ODD.into_iter().chain(flipped).map(move |byte| {
                let mut bytes = whole.to_vec();
                bytes[at] = byte;
                bytes
            })
        });
        let several = (0..1_000).map(|_| numbers.changed(whole));
        for bytes in single.chain(several) {
            let Ok(other) = request(&organisation, asked.clone(), &bytes) else {
                continue;
            };
            taken += usize::from(bytes != whole);
            assert!(
                bytes == whole || shown(&other) != words,
                "unseen: {}",
                data_encoding::HEXLOWER.encode(&bytes)
            );
        }
        assert!(
            taken > 20,
            "{taken} changes were taken: too few to say anything"
        );
    }
}
