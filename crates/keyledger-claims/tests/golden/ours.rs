//! Tokens of our own: deterministic, read back as written, and judged by Go when asked.

use keyledger_claims::account::{Export, ExportType, Import, JetStreamLimits};
use keyledger_claims::{
    AccountBody, AccountClaims, ActivationBody, ActivationClaims, Body, Claims, Creds, CredsError,
    GenericBody, GenericClaims, OperatorBody, OperatorClaims, Seed, SigningKey, UserBody,
    UserClaims, UserScope, decode, encode,
};
use nkeys::KeyPairType::{Account, Operator, User};

use crate::support::{key, payload, public, signer};

const IAT: i64 = 1_700_000_000;

/// Encodes, decodes, encodes again; stores the token for the Go judge if `KEYLEDGER_JUDGE_DIR` is set.
fn round_trip<B: Body + PartialEq + std::fmt::Debug>(
    name: &str,
    claims: &Claims<B>,
    signer: &keyledger_claims::KeyPairSigner,
) -> String {
    let token = encode(claims, signer).unwrap();
    let read = decode::<B>(&token).unwrap();
    assert_eq!(encode(&read, signer).unwrap(), token, "{name}");
    assert_eq!(encode(claims, signer).unwrap(), token, "{name}");
    assert_eq!(read.iat, IAT);
    if let Ok(dir) = std::env::var("KEYLEDGER_JUDGE_DIR") {
        std::fs::write(format!("{dir}/{name}.jwt"), &token).unwrap();
    }
    token
}

/// An account with everything the caller adds late: signing keys and revocations.
fn account() -> AccountClaims {
    let mut body: AccountBody = serde_json::from_str(
        r#"{"limits":{"subs":-1,"data":-1,"payload":-1,"imports":-1,"exports":-1,"wildcards":true,"conn":-1,
            "leaf":-1},"type":"account","version":2,"description":"a <b> & c"}"#,
    )
    .unwrap();
    body.limits
        .tiered_limits
        .insert("R1".to_owned(), JetStreamLimits::unlimited());
    body.exports.push(Export {
        subject: "z.>".to_owned(),
        kind: ExportType::Stream,
        ..Export::default()
    });
    body.exports.push(Export {
        subject: "ask".to_owned(),
        kind: ExportType::Service,
        ..Export::default()
    });
    let mut grant = ActivationClaims::new(public(Account, 2), "in.>", ExportType::Stream, IAT);
    grant.nats.issuer_account = public(Account, 5);
    body.imports.push(Import {
        subject: "in.*".to_owned(),
        account: public(Account, 5),
        token: encode(&grant, &signer(Account, 6)).unwrap(),
        local_subject: "mine.$1".to_owned(),
        kind: ExportType::Stream,
        ..Import::default()
    });
    let mut scope = UserScope::new(public(Account, 4), "reader");
    scope
        .template
        .subscribe
        .allow
        .push("{{subject()}}.>".to_owned());
    body.signing_keys.push(SigningKey::scoped(scope));
    body.signing_keys
        .push(SigningKey::Plain(public(Account, 8)));
    body.revocations.insert(public(User, 3), IAT);
    body.revocations.insert("*".to_owned(), 7);
    AccountClaims::with_body(public(Account, 2), IAT, body)
}

#[test]
fn every_type_comes_back_as_it_was_written() {
    let operator = signer(Operator, 1);
    let mut claims = OperatorClaims::new(public(Operator, 1), IAT);
    claims.nats.signing_keys.push(public(Operator, 7));
    round_trip::<OperatorBody>("operator", &claims, &operator);
    let token = round_trip("account", &account(), &operator);
    assert!(!payload(&token).contains(r#""type":"account","version":2,"type""#));
    round_trip(
        "account-new",
        &AccountClaims::new(public(Account, 2), IAT),
        &operator,
    );
    round_trip(
        "user",
        &UserClaims::new(public(User, 3), IAT),
        &signer(Account, 2),
    );
    let activation = ActivationClaims::new(public(Account, 2), "a.>", ExportType::Service, IAT);
    round_trip::<ActivationBody>("activation", &activation, &signer(Account, 5));
    let delete = GenericClaims::delete_accounts(public(Operator, 7), [public(Account, 2)], IAT);
    round_trip::<GenericBody>("generic-delete", &delete, &signer(Operator, 7));
}

#[test]
fn our_account_is_valid() {
    let issues = account().validate();
    assert!(issues.is_empty(), "{issues:?}");
}

#[test]
fn a_scoped_user_brings_nothing_of_its_own() {
    let claims = UserClaims::scoped(public(User, 3), public(Account, 2), IAT);
    let mut account = AccountClaims::new(public(Account, 2), IAT);
    let scope = UserScope::new(public(Account, 4), "all");
    account.nats.signing_keys.push(SigningKey::scoped(scope));
    round_trip("account-scoped", &account, &signer(Operator, 1));
    let token = round_trip::<UserBody>("user-scoped", &claims, &signer(Account, 4));
    let json: serde_json::Value = serde_json::from_str(&payload(&token)).unwrap();
    let fields: Vec<&String> = json["nats"].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["issuer_account", "type", "version"]);
}

#[test]
fn a_stored_body_comes_back() {
    let body = account().nats;
    let text = serde_json::to_string(&body).unwrap();
    assert_eq!(serde_json::from_str::<AccountBody>(&text).unwrap(), body);
}

#[test]
fn revocation_reaches_back_in_time_only() {
    let body = account().nats;
    assert!(body.is_revoked(&public(User, 3), IAT));
    assert!(!body.is_revoked(&public(User, 3), IAT + 1));
    assert!(body.is_revoked(&public(User, 9), 7));
    assert!(!body.is_revoked(&public(User, 9), 8));
}

#[test]
fn creds_are_written_and_read() {
    let jwt = encode(&UserClaims::new(public(User, 3), IAT), &signer(Account, 2)).unwrap();
    let seed = |kind, number| key(kind, number).seed().unwrap().parse::<Seed>().unwrap();
    let creds = Creds::new(jwt.as_str(), seed(User, 3)).unwrap();
    let text = creds.format();
    if let Ok(dir) = std::env::var("KEYLEDGER_JUDGE_DIR") {
        std::fs::write(format!("{dir}/user.creds"), text.as_str()).unwrap();
    }
    for text in [
        text.to_string(),
        text.replace('\n', "\r\n"),
        format!("\n\n{}", text.trim()),
    ] {
        let read = Creds::parse(&text).unwrap();
        assert_eq!(read.jwt(), jwt);
        assert_eq!(read.seed().expose(), creds.seed().expose());
        assert_eq!(read.claims().sub, public(User, 3));
    }
    assert!(!format!("{creds:?}").contains(creds.seed().expose()));

    let parse = |text: &str| Creds::parse(text).unwrap_err();
    assert!(matches!(
        parse(""),
        CredsError::NoBlock {
            label: "NATS USER JWT"
        }
    ));
    let cut = &text[..text.find("------END USER").unwrap()];
    assert!(matches!(
        parse(cut),
        CredsError::NoBlock {
            label: "USER NKEY SEED"
        }
    ));
    assert!(matches!(
        parse(&text.replace(&jwt, "a.b")),
        CredsError::Jwt(_)
    ));
    assert!(matches!(
        parse(&text.replace(creds.seed().expose(), "SU")),
        CredsError::Seed(_)
    ));
    let error = Creds::new(jwt.as_str(), seed(User, 9)).unwrap_err();
    assert!(matches!(error, CredsError::Mismatch { .. }));
    let error = Creds::new(jwt.as_str(), seed(Account, 2)).unwrap_err();
    assert!(matches!(error, CredsError::NotUser { .. }));
}
