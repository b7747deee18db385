//! The exchange with the machine that has the certify key.

use keyledger_custody::openpgp::{
    Certificate, Renewal, RevocationReason, SubkeyRole,
    offline::{
        AcceptCertificateError, Ask, AskCertifyError, MAX_BYTES, Request, RequestError, Response,
        ResponseError, ask,
    },
};
use keyledger_domain::{Timestamp, text::Reason};
use keyledger_pki::{Moment, exchange::FileError};
use serde_json::{Value, json};

use crate::{
    openpgp_gpg::Gpg,
    openpgp_world::{Person, SoftKey, day, first, person, user_id},
};

/// Alice's card is lost: its keys are revoked, those of the next are bound, and her certificate lives on.
fn replacement(person: &Person) -> Request {
    let old = |role| first(&person.certificate, role);
    let bind = |key: SoftKey, role| Ask::Bind {
        subkey: Box::new(key.proven(&person.certificate, role, day(60))),
        expires: day(800),
    };
    let revoke = |role| Ask::RevokeSubkey {
        subkey: old(role),
        reason: RevocationReason::Compromised,
        text: Some(Reason::new("card 1234 lost").unwrap()),
    };
    let asks = vec![
        revoke(SubkeyRole::Sign),
        revoke(SubkeyRole::Authenticate),
        bind(SoftKey::ed25519(21), SubkeyRole::Sign),
        bind(SoftKey::p256(22), SubkeyRole::Authenticate),
        Ask::Renew {
            what: Renewal::Subkey(old(SubkeyRole::Encrypt)),
            expires: day(900),
        },
        Ask::Renew {
            what: Renewal::Primary,
            expires: day(4000),
        },
        Ask::AddUserId {
            id: user_id("Alice Archer <archer@example.com>"),
        },
    ];
    asked(person, asks).unwrap()
}

fn asked(person: &Person, asks: Vec<Ask>) -> Result<Request, RequestError> {
    let id = user_id("Alice Archer <alice@example.org>");
    ask(&person.certificate, id, asks, day(60))
}

/// Why what is asked is not for the certify key.
fn refused(asked: Result<Request, RequestError>) -> AskCertifyError {
    match asked.unwrap_err() {
        RequestError::Asked(why) => why,
        RequestError::File(error) => panic!("{error}"),
    }
}

fn words(request: &Request, now: Timestamp) -> String {
    request.describe(Moment::from_seconds(now.seconds()))
}

fn renewal(person: &Person, expires: i64) -> Request {
    let ask = Ask::Renew {
        what: Renewal::Primary,
        expires: day(expires),
    };
    asked(person, vec![ask]).unwrap()
}

#[test]
fn a_lost_card_is_replaced_by_files() {
    let person = person();
    let request = Request::parse(&replacement(&person).to_json()).unwrap();
    let response = person.made.key.answer(&request, day(61)).unwrap();
    let response = Response::parse(&response.to_json()).unwrap();
    let certificate = response.accept(&request).unwrap();
    assert!(certificate.holds(&person.certificate));
    assert!(!person.certificate.holds(&certificate));

    let gpg = Gpg::new();
    gpg.import(day(2).seconds(), &person.certificate.to_bytes());
    gpg.import(day(62).seconds(), &certificate.to_bytes());
    let rows = gpg.rows(day(62).seconds());
    let of = |validity: &str| {
        let found = rows
            .iter()
            .filter(|r| r.kind == "sub" && r.validity == validity);
        found.map(|row| row.uses.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of("r"), ["s", "a"], "{rows:#?}");
    assert_eq!(of("-"), ["e", "s", "a"], "{rows:#?}");
    assert_eq!(rows[0].expires, day(4000).seconds().to_string());
    assert_eq!(rows.iter().filter(|row| row.kind == "uid").count(), 2);
}

#[test]
fn a_person_reads_all_that_is_signed() {
    let person = person();
    let request = replacement(&person);
    let words = self::words(&request, day(61));
    let old = |role| first(&person.certificate, role).grouped();
    for needed in [
        &person.certificate.fingerprint().grouped(),
        "Alice Archer <alice@example.org>",
        &request.nonce().to_string(),
        request.digest(),
        &format!(
            "1. REVOKE FOR GOOD the subkey to sign (S) {}",
            old(SubkeyRole::Sign)
        ),
        &format!(
            "2. REVOKE FOR GOOD the subkey to authenticate (A) {}",
            old(SubkeyRole::Authenticate)
        ),
        &format!(
            "has          E  {}  expires 2028-11-24 00:00:00Z (in 669 days)",
            old(SubkeyRole::Encrypt)
        ),
        "reason         compromised: card 1234 lost",
        "3. BIND a subkey to sign (S), ed25519",
        "its holder signed that it wants to be bound",
        "4. BIND a subkey to authenticate (A), nistp256",
        &format!(
            "5. RENEW the subkey to encrypt (E) {}",
            old(SubkeyRole::Encrypt)
        ),
        "expires        2029-02-02 00:00:00Z (in 739 days)",
        "6. RENEW the whole certificate",
        "expires now    2036-11-22 00:00:00Z",
        "7. ADD user id Alice Archer <archer@example.com>",
        "Signed at    2027-01-25 00:00:00Z",
    ] {
        assert!(words.contains(needed), "{needed:?} is not in\n{words}");
    }
    for ask in request.content().asks() {
        if let Ask::Bind { subkey, .. } = ask {
            assert!(words.contains(&subkey.subkey().fingerprint().grouped()));
        }
    }
    assert!(words.chars().all(|c| c == '\n' || !c.is_control()));
    assert!(self::words(&request, day(50)).contains("later than this machine's clock"));
    let ended = self::words(&renewal(&person, 55), day(61));
    assert!(ended.contains("ALREADY OVER"), "{ended}");
}

/// The JSON of a request, changed.
fn changed(request: &Request, change: impl Fn(&mut Value)) -> Result<Request, RequestError> {
    let mut json: Value = serde_json::from_slice(&request.to_json()).unwrap();
    change(&mut json);
    Request::parse(&serde_json::to_vec(&json).unwrap())
}

#[test]
fn a_request_is_read_strictly() {
    let person = person();
    let request = replacement(&person);
    assert!(changed(&request, |_| {}).is_ok());
    let form: [fn(&mut Value); 13] = [
        |j| j["also"] = json!("this"),
        |j| j["asked"]["also"] = json!("this"),
        |j| j["asked"]["asks"][0]["revoke_subkey"]["also"] = json!(1),
        |j| j["asked"]["asks"][2]["bind"]["subkey"]["subkey"]["also"] = json!(1),
        |j| j["asked"]["asks"][0] = json!({ "sign_something": {} }),
        |j| j["format"] = json!("keyledger-letter"),
        |j| j["nonce"] = json!("00"),
        |j| j["nonce"] = json!("\u{202e}".repeat(64)),
        |j| j["asked"]["user_id"] = json!("Alice\u{200b} Archer <alice@example.org>"),
        |j| j["asked"]["asks"][0]["revoke_subkey"]["text"] = json!("lost\u{1b}[2K"),
        |j| j["asked"]["asks"][2]["bind"]["subkey"]["subkey"]["role"] = json!("certify"),
        |j| j["asked"]["asks"][2]["bind"]["subkey"]["subkey"]["point"] = json!("AAAA"),
        |j| j["asked"]["asks"][2]["bind"]["subkey"]["proof"] = json!("AAAA"),
    ];
    for (at, change) in form.into_iter().enumerate() {
        let error = changed(&request, change).unwrap_err();
        let malformed = matches!(error, RequestError::File(FileError::Malformed { .. }));
        assert!(malformed, "{at}: {error:?}");
    }
    let version = changed(&request, |j| j["version"] = json!(2)).unwrap_err();
    let newer = matches!(
        version,
        RequestError::File(FileError::OtherVersion { found: 2 })
    );
    assert!(newer, "{version:?}");
    let response = |j: &mut Value| j["format"] = json!("keyledger-response");
    let error = changed(&request, response).unwrap_err();
    let other = matches!(error, RequestError::File(FileError::OtherFormat { .. }));
    assert!(other, "{error:?}");
    let error = changed(&request, |j| j["kind"] = json!("x509")).unwrap_err();
    let other = matches!(error, RequestError::File(FileError::OtherKind { .. }));
    assert!(other, "{error:?}");
    let person_of = |j: &mut Value| j["asked"]["user_id"] = json!("Mallory <mallory@example.org>");
    let other = refused(changed(&request, person_of));
    assert!(matches!(other, AskCertifyError::OtherPerson { .. }));
    for count in [0, 33] {
        let ask = json!({ "revoke": { "reason": "retired" } });
        let asks = |j: &mut Value| j["asked"]["asks"] = json!(vec![ask.clone(); count]);
        let error = refused(changed(&request, asks));
        assert!(matches!(error, AskCertifyError::Count { .. }));
    }
    let error = Request::parse(&vec![b' '; MAX_BYTES + 1]).unwrap_err();
    let large = matches!(error, RequestError::File(FileError::TooLarge { .. }));
    assert!(large, "{error:?}");
}

#[test]
fn what_cannot_be_done_is_not_asked() {
    let person = person();
    let bind = |key: SoftKey, made: &Certificate| Ask::Bind {
        subkey: Box::new(key.proven(made, SubkeyRole::Sign, day(1))),
        expires: day(100),
    };
    let there = bind(SoftKey::ed25519(1), &person.certificate);
    let error = refused(asked(&person, vec![there]));
    assert!(matches!(error, AskCertifyError::Subkey { .. }));
    let elsewhere = bind(
        SoftKey::ed25519(30),
        &crate::openpgp_world::alice().certificate,
    );
    let error = refused(asked(&person, vec![elsewhere]));
    assert!(matches!(error, AskCertifyError::Bind(_)));
    let revoke = || Ask::Revoke {
        reason: RevocationReason::Retired,
        text: None,
    };
    let error = refused(asked(&person, vec![revoke(), revoke()]));
    assert!(matches!(error, AskCertifyError::Revoked));
    let renew = || Ask::Renew {
        what: Renewal::Primary,
        expires: day(100),
    };
    let error = refused(asked(&person, vec![renew(), renew()]));
    assert!(matches!(error, AskCertifyError::Twice { .. }));
    let again = Ask::AddUserId {
        id: user_id("Alice Archer <alice@example.org>"),
    };
    let error = refused(asked(&person, vec![again]));
    assert!(matches!(error, AskCertifyError::UserId { .. }));
}

#[test]
fn a_response_is_what_was_asked_and_nothing_else() {
    let person = person();
    let key = &person.made.key;
    let request = renewal(&person, 4000);
    let response = key.answer(&request, day(61)).unwrap();
    let answer = |certificate: &Certificate| {
        let mut json: Value = serde_json::from_slice(&response.to_json()).unwrap();
        json["answer"]["certificate"] = json!(certificate.to_armored());
        let response = Response::parse(&serde_json::to_vec(&json).unwrap()).unwrap();
        response.accept(&request)
    };
    let right = key
        .renew(&person.certificate, &[Renewal::Primary], day(4000), day(61))
        .unwrap();
    assert_eq!(answer(&right).unwrap(), right);

    let reason = RevocationReason::Retired;
    let revoke = |c: &Certificate| {
        let sign = first(c, SubkeyRole::Sign);
        key.revoke_subkey(c, sign, reason, None, day(61)).unwrap()
    };
    let renewed_from_birth = key
        .renew(
            &person.made.certificate,
            &[Renewal::Primary],
            day(4000),
            day(61),
        )
        .unwrap();
    for wrong in [
        person.certificate.clone(),                // nothing was done
        revoke(&right),                            // more was done
        renewed_from_birth,                        // subkeys were left out
        crate::openpgp_world::alice().certificate, // of somebody else
        key.renew(&person.certificate, &[Renewal::Primary], day(4001), day(61))
            .unwrap(),
    ] {
        let error = answer(&wrong).unwrap_err();
        assert!(
            matches!(
                error,
                ResponseError::Answer(AcceptCertificateError::OtherCertificate)
            ),
            "{error:?}"
        );
    }
}

#[test]
fn a_response_belongs_to_one_request() {
    let person = person();
    let (one, other) = (renewal(&person, 4000), renewal(&person, 4000));
    assert_ne!(one.nonce(), other.nonce());
    let response = person.made.key.answer(&one, day(61)).unwrap();
    assert!(response.accept(&one).is_ok());
    let error = response.accept(&other).unwrap_err();
    assert!(matches!(error, ResponseError::OtherRequest { .. }));
    let json = String::from_utf8(response.to_json()).unwrap();
    for (from, to) in [
        ("\"version\": 1", "\"version\": 1, \"also\": 2"),
        ("\"request\"", "\"quest\""),
        ("\"certificate\"", "\"more\""),
    ] {
        let changed = json.replacen(from, to, 1);
        let error = Response::parse(changed.as_bytes()).unwrap_err();
        assert!(matches!(error, FileError::Malformed { .. }), "{to}");
    }
    let request = json.replacen("keyledger-response", "keyledger-request", 1);
    let error = Response::parse(request.as_bytes()).unwrap_err();
    assert!(matches!(error, FileError::OtherFormat { .. }));
    let newer = json.replacen("\"version\": 1", "\"version\": 9", 1);
    let error = Response::parse(newer.as_bytes()).unwrap_err();
    assert!(matches!(error, FileError::OtherVersion { found: 9 }));
}
