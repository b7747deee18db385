//! What each decoder is made for, to begin from. No secret is in it but of keys that are seven or nine, thirty-two times.

use std::{fs, path::Path};

use keyledger_claims::{Creds, KeyPairSigner, Seed, UserClaims, encode};
use keyledger_custody::openpgp::{
    CertifyKey, EscrowedKey, Renewal, RevocationReason, UserId,
    offline::{Ask, ask},
};
use keyledger_domain::{
    Timestamp, pem,
    verify::export::{Line, write_line},
};
use keyledger_fuzz::authority;
use keyledger_pki::{
    Moment,
    exchange::{Nonce, Octets},
    x509::{
        AlternativeName, Certificate, CertificateProfile, CertificateRevocationReason,
        ExtendedKeyUsage, Issuer, KeyUsage, NewCertificate, NewCrl, Revoked, SerialNumber,
        ToBeSigned,
        exchange::{Asked, FromAuthority, Request, Response, ToAuthority},
    },
};
use keyledger_testkit::{
    ledger::{PREFIX, TestLedger},
    token::FactoryCard,
};
use nkeys::{KeyPair, KeyPairType};

/// Files of a target, by name.
type Seeds = Vec<(String, Vec<u8>)>;

pub(crate) fn of(target: &str) -> Seeds {
    match target {
        "creds" => one("user", creds()),
        "export" => one("ledger", export()),
        "certificate" => certificates(),
        "csr" => one("request", request()),
        "crl" => lists(),
        "attestation" => attestations(),
        "openpgp" => openpgp(),
        "apdu" => one("provisioned", apdu()),
        "exchange" => exchange(),
        "command" => commands(),
        // The decoder's own tests have files.
        "jwt" | "event" | "envelope" | "profile" => Seeds::new(),
        unknown => panic!("say what target {unknown} begins from"),
    }
}

fn one(name: &str, bytes: Vec<u8>) -> Seeds {
    vec![(name.to_owned(), bytes)]
}

fn pair(kind: KeyPairType, byte: u8) -> KeyPair {
    KeyPair::new_from_raw(kind, [byte; 32]).unwrap()
}

fn creds() -> Vec<u8> {
    let user = pair(KeyPairType::User, 9);
    let claims = UserClaims::new(user.public_key(), 1_700_000_000);
    let jwt = encode(&claims, &KeyPairSigner::new(pair(KeyPairType::Account, 7))).unwrap();
    let seed = Seed::new(user.seed().unwrap().into()).unwrap();
    Creds::new(jwt, seed).unwrap().format().as_bytes().to_vec()
}

fn export() -> Vec<u8> {
    let mut ledger = TestLedger::of(1);
    ledger.command(
        "key.generate",
        "orders-db",
        r#"{"algorithm":"ed25519","activate":true}"#,
    );
    ledger.command("key.rotate", "orders-db", "{}");
    let head = ledger.head(ledger.events.len());
    let header = Line::Header {
        prefix: PREFIX.to_owned(),
    };
    let events = ledger.events.into_iter().map(Line::Event);
    let lines = std::iter::once(header)
        .chain(events)
        .chain([Line::Head(head)]);
    lines
        .map(|line| write_line(&line) + "\n")
        .collect::<String>()
        .into_bytes()
}

/// A file of another crate's tests, in PEM.
fn der(path: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join(path)).unwrap();
    pem::blocks(&text).next().unwrap().der().unwrap()
}

fn firmware(version: &str, which: &str) -> Vec<u8> {
    der(&format!(
        "crates/keyledger-pki/src/x509/tests/vectors/firmware-{version}-{which}.pem"
    ))
}

fn at(days: i64) -> Moment {
    Moment::from_seconds(1_796_083_200 + days * 86_400)
}

fn leaf() -> ToBeSigned {
    let issuer = Issuer::of(authority::certificate()).unwrap();
    let names = [AlternativeName::Dns("orders.example.org".to_owned())];
    let profile = CertificateProfile {
        key_usages: vec![KeyUsage::DigitalSignature],
        extended_key_usages: vec![ExtendedKeyUsage::ServerAuth],
        authority: None,
        crl_url: Some("http://ca.example.org/root.crl".to_owned()),
        policies: Vec::new(),
    };
    issuer
        .certificate(&NewCertificate {
            serial_number: &SerialNumber::from_random([2; 16]),
            subject: &"CN=orders,O=Example".parse().unwrap(),
            spki: authority::certificate().spki(),
            alternative_names: &names,
            not_before: at(0),
            not_after: at(90),
            profile: &profile,
        })
        .unwrap()
}

fn certificates() -> Seeds {
    let leaf = leaf();
    let signed = leaf.finish(&authority::sign(leaf.bytes())).unwrap();
    vec![
        ("to-be-signed".to_owned(), leaf.bytes().to_vec()),
        ("signed".to_owned(), signed),
        ("slot".to_owned(), firmware("5.7.4", "9c")),
        ("device".to_owned(), firmware("5.7.4", "f9")),
    ]
}

fn request() -> Vec<u8> {
    der("crates/keyledger-domain/tests/private_keys/public/request.pem")
}

fn list() -> ToBeSigned {
    let issuer = Issuer::of(authority::certificate()).unwrap();
    let entry = |byte, reason, invalid_since| Revoked {
        serial_number: SerialNumber::from_random([byte; 16]),
        revoked_at: at(1),
        reason,
        invalid_since,
    };
    let reason = CertificateRevocationReason::KeyCompromise;
    issuer
        .crl(&NewCrl {
            number: 3,
            this_update: at(2),
            next_update: at(9),
            entries: &[entry(4, None, None), entry(5, Some(reason), Some(at(0)))],
        })
        .unwrap()
}

fn lists() -> Seeds {
    let list = list();
    let signed = list.finish(&authority::sign(list.bytes())).unwrap();
    vec![
        ("to-be-signed".to_owned(), list.bytes().to_vec()),
        ("signed".to_owned(), signed),
    ]
}

fn attestations() -> Seeds {
    let versions = ["5.2.7", "5.4.3", "5.7.4"];
    let seed = |version: &&str| {
        let (slot, device) = (firmware(version, "9c"), firmware(version, "f9"));
        let length = u16::try_from(slot.len()).unwrap().to_be_bytes();
        (
            (*version).to_owned(),
            [&length, &slot[..], &device].concat(),
        )
    };
    versions.iter().map(seed).collect()
}

fn day(days: i64) -> Timestamp {
    Timestamp::from_seconds(1_795_564_800).plus_days(days)
}

fn openpgp() -> Seeds {
    let id = UserId::new("Alice Archer <alice@example.org>").unwrap();
    let made = CertifyKey::generate(&[id], day(0), day(3_650)).unwrap();
    let subkey = EscrowedKey::generate(day(1)).unwrap().to_bind();
    let bound = made
        .key
        .bind(&made.certificate, &[(subkey, day(700))], day(1))
        .unwrap();
    let revoked = made
        .key
        .revoke(&bound, RevocationReason::Superseded, None, day(2));
    vec![
        ("new".to_owned(), made.certificate.to_bytes()),
        ("bound".to_owned(), bound.to_bytes()),
        ("armored".to_owned(), bound.to_armored().into_bytes()),
        ("revoked".to_owned(), revoked.unwrap().to_bytes()),
    ]
}

/// What a token answers while it is read, command after command.
fn apdu() -> Vec<u8> {
    let mut card = FactoryCard::new(12_345_678);
    let mut answers: Vec<Vec<u8>> = Vec::new();
    loop {
        let (_, commands) = keyledger_agent::card::read_answers(answers.clone());
        // Everything before was answered in an earlier turn.
        let Some(next) = commands.get(answers.len()) else {
            break;
        };
        answers.push(card.answer(next));
    }
    let with_length = |answer: &Vec<u8>| {
        let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
        [&length, &answer[..]].concat()
    };
    answers.iter().flat_map(with_length).collect()
}

fn exchange() -> Seeds {
    let asked = |asked: Asked, to_be_signed: &ToBeSigned| {
        let asked = ToAuthority {
            issuer: "fuzz-root".parse().unwrap(),
            asked,
            issuer_certificate: Octets(authority::certificate().der().to_vec()),
            to_be_signed: Octets(to_be_signed.bytes().to_vec()),
        };
        Request::new(asked, Nonce([1; 32]), at(0)).unwrap()
    };
    let certificate = asked(
        Asked::Certificate {
            key: "leaf".parse().unwrap(),
        },
        &leaf(),
    );
    let list = asked(Asked::Crl, &list());
    let signature = Octets(authority::sign(list.content().to_be_signed().bytes()));
    let signed = Response::new(&list, FromAuthority { signature }, at(1)).unwrap();

    let id = UserId::new("Alice Archer <alice@example.org>").unwrap();
    let made = CertifyKey::generate(std::slice::from_ref(&id), day(0), day(3_650)).unwrap();
    let subkey = Box::new(EscrowedKey::generate(day(1)).unwrap().to_bind());
    let other = UserId::new("Alice Archer <archer@example.com>").unwrap();
    let asks = vec![
        Ask::Bind {
            subkey,
            expires: day(700),
        },
        Ask::Renew {
            what: Renewal::Primary,
            expires: day(4_000),
        },
        Ask::AddUserId { id: other },
    ];
    let bind = ask(&made.certificate, id, asks, day(2)).unwrap();
    let bound = made.key.answer(&bind, day(3)).unwrap();
    vec![
        ("certificate".to_owned(), certificate.to_json()),
        ("list".to_owned(), list.to_json()),
        ("list-signed".to_owned(), signed.to_json()),
        ("openpgp".to_owned(), bind.to_json()),
        ("openpgp-answered".to_owned(), bound.to_json()),
    ]
}

fn commands() -> Seeds {
    const COMMANDS: [(&str, &str); 20] = [
        (
            "key.generate",
            r#"{"algorithm":"ed25519","activate":true,"title":"signs orders"}"#,
        ),
        (
            "key.register",
            r#"{"algorithm":"ed25519","public_key":"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="}"#,
        ),
        ("key.activate", "{}"),
        ("key.rotate", "{}"),
        ("key.suspend", r#"{"reason":"moved"}"#),
        (
            "key.revoke",
            r#"{"reason":"laptop stolen","revocation_reason":"key_compromise","ticket":"SEC-1"}"#,
        ),
        ("key.describe", r#"{"title":"seals backups"}"#),
        ("key.destroy", r#"{"reason":"not needed"}"#),
        ("principal.register", r#"{"kind":"person","title":"Ada"}"#),
        ("principal.offboard", r#"{"reason":"left"}"#),
        ("operator.describe", r#"{"title":"Acme"}"#),
        ("account.create", r#"{"title":"Orders"}"#),
        (
            "user.issue",
            r#"{"account":"staff","role":"service","expires_days":90}"#,
        ),
        ("user.revoke", r#"{"reason":"left"}"#),
        ("token.enrol", r#"{"title":"Ada, first"}"#),
        ("token.assign", r#"{"principal":"ada"}"#),
        ("token.lose", r#"{"reason":"in a train"}"#),
        ("token.verify", r#"{"workstation":"desk"}"#),
        ("token.unblock", r#"{"workstation":"desk"}"#),
        (
            "report",
            r#"{"report":"announced","serial":1000001,"firmware":"5.7.1","form_factor":"usb_a_keychain","applets":["piv"],"slots":[],"pin_tries":3,"puk_tries":3,"factory_pin":true}"#,
        ),
    ];
    let seed = |(name, payload): &(&str, &str)| {
        (
            (*name).to_owned(),
            format!("{name}\n{payload}").into_bytes(),
        )
    };
    COMMANDS.iter().map(seed).collect()
}

/// The certificate's own bytes, so that the compiler sees what a seed is made of.
#[test]
fn the_authority_signs() {
    let leaf = leaf();
    let der = leaf.finish(&authority::sign(leaf.bytes())).unwrap();
    let signed = Certificate::from_der(&der).unwrap();
    assert_eq!(signed.verify_signed_by(authority::certificate()), Ok(()));
}
