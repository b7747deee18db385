//! Bad tokens: each has its own error, and none panics.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use keyledger_claims::claims::TimesError;
use keyledger_claims::decode::JwtPart;
use keyledger_claims::{
    AccountBody, AccountClaims, DecodeError, EncodeError, GenericBody, IssuerError,
    MAX_TOKEN_BYTES, NkeyError, NkeyKind, OperatorBody, PublicNkey, Seed, SeedError, UserBody,
    UserClaims, decode, encode,
};
use nkeys::KeyPairType::{Account, Curve, Operator, User};
use proptest::prelude::*;

use crate::support::{key, public, sign_text, signer, token};

const HEADER: &str = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;

/// Claims about user 3 by account 2 with this body, signed properly.
fn user_with(nats: &str) -> String {
    let (iss, sub) = (public(Account, 2), public(User, 3));
    let claims = format!(r#"{{"iat":1,"iss":"{iss}","sub":"{sub}","nats":{nats}}}"#);
    sign_text(HEADER, &claims, &signer(Account, 2))
}

fn user(token: &str) -> DecodeError {
    decode::<UserBody>(token).unwrap_err()
}

#[test]
fn a_truncated_token_is_named() {
    let whole = token("user-full");
    for end in 0..whole.len() {
        let error = user(&whole[..end]);
        let named = matches!(
            error,
            DecodeError::Parts { .. } | DecodeError::Base64 { .. } | DecodeError::Signature
        );
        assert!(named, "{end}: {error}");
    }
    assert!(matches!(user(""), DecodeError::Parts { found: 1 }));
    assert!(matches!(
        user("a.b.c.d.e.f.g"),
        DecodeError::Parts { found: 5 }
    ));
}

#[test]
fn every_flipped_bit_is_found() {
    let whole = token("user-least");
    for at in 0..whole.len() {
        for bit in 0..7 {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(text) = String::from_utf8(bytes) else {
                continue;
            };
            if text.trim() != whole {
                assert!(decode::<UserBody>(&text).is_err(), "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn a_forged_body_fails_on_its_signature() {
    let whole = token("user-least");
    let parts: Vec<&str> = whole.split('.').collect();
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    let forged = claims.replace(r#""subs":-1"#, r#""subs":-2"#);
    let forged = format!(
        "{}.{}.{}",
        parts[0],
        URL_SAFE_NO_PAD.encode(forged),
        parts[2]
    );
    assert!(matches!(user(&forged), DecodeError::Signature));
    let unsigned = format!("{}.{}.", parts[0], parts[1]);
    assert!(matches!(user(&unsigned), DecodeError::Signature));
}

#[test]
fn other_algorithms_are_refused() {
    let with = |header: &str| {
        let whole = token("user-least");
        let rest = whole.split_once('.').unwrap().1;
        user(&format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header)))
    };
    let error = with(r#"{"typ":"JWT","alg":"none"}"#);
    assert!(matches!(error, DecodeError::Algorithm { alg } if alg == "none"));
    let error = with(r#"{"typ":"JWT","alg":"HS256"}"#);
    assert!(matches!(error, DecodeError::Algorithm { alg } if alg == "HS256"));
    assert!(matches!(with(r#"{"typ":"JWT"}"#), DecodeError::Algorithm { alg } if alg.is_empty()));
    let error = with(r#"{"typ":"jwt","alg":"ed25519"}"#);
    assert!(matches!(error, DecodeError::Version { found: 1 }));
    let error = with(r#"{"typ":"JWE","alg":"ed25519-nkey"}"#);
    assert!(matches!(error, DecodeError::NotJwt { typ } if typ == "JWE"));
    assert!(matches!(with("{"), DecodeError::Header(_)));
    assert!(matches!(with("[]"), DecodeError::Header(_)));
}

#[test]
fn padding_is_refused() {
    let whole = token("user-least");
    let parts: Vec<&str> = whole.split('.').collect();
    let padded = |i: usize| {
        let bytes = URL_SAFE_NO_PAD.decode(parts[i]).unwrap();
        let mut parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
        parts[i] = URL_SAFE.encode(bytes);
        assert!(parts[i].ends_with('='));
        user(&parts.join("."))
    };
    assert!(matches!(
        padded(2),
        DecodeError::Base64 {
            part: JwtPart::Signature,
            ..
        }
    ));
    assert!(matches!(
        padded(0),
        DecodeError::Base64 {
            part: JwtPart::Header,
            ..
        }
    ));
}

#[test]
fn a_huge_token_is_not_even_looked_at() {
    let huge = "a".repeat(MAX_TOKEN_BYTES + 1);
    assert!(matches!(user(&huge), DecodeError::TooLong { bytes } if bytes == huge.len()));
    let mut claims = AccountClaims::new(public(Account, 2), 1);
    claims.nats.description = huge;
    let error = encode(&claims, &signer(Operator, 1)).unwrap_err();
    assert!(matches!(error, EncodeError::TooLong { .. }));
}

#[test]
fn nested_without_end_is_refused() {
    let nats = format!(
        r#"{{"type":"user","version":2,"x":{}}}"#,
        "[".repeat(100_000)
    );
    assert!(matches!(user(&user_with(&nats)), DecodeError::Claims(_)));
}

#[test]
fn wrong_types_are_refused() {
    for nats in [
        r#"{"type":"user","version":2,"subs":"many"}"#,
        r#"{"type":"user","version":2,"subs":1.5}"#,
        r#"{"type":"user","version":2,"subs":99999999999999999999}"#,
        r#"{"type":"user","version":2,"bearer_token":"true"}"#,
        r#"{"type":"user","version":2,"bearer_token":1}"#,
        r#"{"type":"user","version":2,"pub":[]}"#,
        r#"{"type":"user","version":2,"pub":{"allow":"a"}}"#,
        r#"{"type":"user","version":2,"src":7}"#,
        r#"{"type":7,"version":2}"#,
        "[]",
        "7",
    ] {
        let error = user(&user_with(nats));
        assert!(matches!(error, DecodeError::Claims(_)), "{nats}: {error}");
    }
}

#[test]
fn other_types_and_versions_are_named() {
    let error = user(&token("account-least"));
    assert!(matches!(error, DecodeError::Type { expected: "user", found } if found == "account"));
    let error = decode::<OperatorBody>(&token("user-full")).unwrap_err();
    assert!(matches!(
        error,
        DecodeError::Type {
            expected: "operator",
            ..
        }
    ));
    let error = user(&user_with(r#"{"type":"user","version":3}"#));
    assert!(matches!(error, DecodeError::Version { found: 3 }));
    assert!(matches!(
        user(&user_with(r#"{"type":"user"}"#)),
        DecodeError::Version { found: 0 }
    ));
    assert!(matches!(user(&user_with("null")), DecodeError::Type { .. }));
    // Generic claims read them all.
    decode::<GenericBody>(&token("account-full")).unwrap();
}

#[test]
fn issuers_and_subjects_have_their_kinds() {
    let user_claims = UserClaims::new(public(User, 3), 1);
    let error = encode(&user_claims, &signer(Operator, 1)).unwrap_err();
    let found_operator = matches!(
        error,
        EncodeError::Issuer(IssuerError::Kind {
            found: NkeyKind::Operator,
            ..
        })
    );
    assert!(found_operator, "{error}");
    let account = AccountClaims::new(public(Account, 2), 1);
    let error = encode(&account, &signer(Account, 9)).unwrap_err();
    assert!(matches!(error, EncodeError::Issuer(IssuerError::NotItself)));
    let error = encode(&UserClaims::new(public(Account, 2), 1), &signer(Account, 2)).unwrap_err();
    assert!(matches!(
        error,
        EncodeError::Subject(NkeyError::WrongKind { .. })
    ));
    let error = encode(&UserClaims::new(public(User, 3), 0), &signer(Account, 2)).unwrap_err();
    assert!(matches!(error, EncodeError::NotIssued));
    let scoped = UserClaims::scoped(public(User, 3), public(Operator, 1), 1);
    let error = encode(&scoped, &signer(Account, 2)).unwrap_err();
    assert!(matches!(
        error,
        EncodeError::Issuer(IssuerError::Account(_))
    ));

    let (iss, sub) = (public(Operator, 1), public(User, 3));
    let body = r#"{"type":"user","version":2}"#;
    let claims = format!(r#"{{"iat":1,"iss":"{iss}","sub":"{sub}","nats":{body}}}"#);
    let error = user(&sign_text(HEADER, &claims, &signer(Operator, 1)));
    assert!(matches!(
        error,
        DecodeError::Issuer(IssuerError::Kind { .. })
    ));
    let error = user(&sign_text(
        HEADER,
        &claims
            .replace(&sub, &iss)
            .replace(&iss, &public(Account, 2)),
        &signer(Account, 2),
    ));
    assert!(matches!(
        error,
        DecodeError::Subject(NkeyError::WrongKind { .. })
    ));
    let error = user(&sign_text(
        HEADER,
        &claims.replace(&iss, "OABC"),
        &signer(Account, 2),
    ));
    assert!(matches!(
        error,
        DecodeError::Issuer(IssuerError::Malformed(_))
    ));
    let other = sign_text(
        HEADER,
        &claims.replace(&iss, &public(Account, 2)),
        &signer(Account, 9),
    );
    assert!(matches!(user(&other), DecodeError::Signature));
}

#[test]
fn times_are_held_against_now() {
    let mut claims = UserClaims::new(public(User, 3), 100);
    claims.check_times(100).unwrap();
    assert_eq!(
        claims.check_times(99),
        Err(TimesError::IssuedInFuture { iat: 100, now: 99 })
    );
    (claims.nbf, claims.exp) = (150, 200);
    assert_eq!(
        claims.check_times(149),
        Err(TimesError::NotYetValid { nbf: 150, now: 149 })
    );
    claims.check_times(150).unwrap();
    claims.check_times(200).unwrap();
    assert_eq!(
        claims.check_times(201),
        Err(TimesError::Expired { exp: 200, now: 201 })
    );
}

#[test]
fn nkeys_and_seeds_are_told_apart_and_never_repeated() {
    let pair = key(User, 3);
    let seed = pair.seed().unwrap();
    let parse = |text: &str| text.parse::<PublicNkey>().unwrap_err();
    assert_eq!(parse(&seed), NkeyError::Seed);
    assert_eq!(parse("U"), NkeyError::Length { found: 1 });
    assert_eq!(
        parse(&format!("U{}", &pair.public_key()[1..55])),
        NkeyError::Length { found: 55 }
    );
    assert_eq!(
        parse(&pair.public_key().to_lowercase()),
        NkeyError::Checksum
    );
    assert_eq!(parse(&"é".repeat(28)), NkeyError::Checksum);
    assert_eq!(
        parse(&public(nkeys::KeyPairType::Module, 1)),
        NkeyError::UnknownKind
    );
    assert_eq!(
        public(Curve, 1).parse::<PublicNkey>().unwrap().kind(),
        NkeyKind::Curve
    );

    let secret: Seed = seed.parse().unwrap();
    assert_eq!(secret.public_nkey().as_str(), pair.public_key());
    assert!(!format!("{secret:?}").contains(&seed));
    assert_eq!(
        pair.public_key().parse::<Seed>().unwrap_err(),
        SeedError::Length { found: 56 }
    );
    let mistyped = format!("{}A", &seed[..57]).replace("SUA", "SUB");
    assert_eq!(mistyped.parse::<Seed>().unwrap_err(), SeedError::Checksum);
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,200}", header in ".{0,40}", claims in ".{0,200}") {
        let _ = decode::<AccountBody>(&text);
        let _ = decode::<GenericBody>(&sign_text(&header, &claims, &signer(Account, 2)));
        let _ = decode::<AccountBody>(&sign_text(HEADER, &claims, &signer(Account, 2)));
        let _ = text.parse::<PublicNkey>();
        let _ = text.parse::<Seed>();
        let _ = keyledger_claims::Creds::parse(&text);
    }
}
