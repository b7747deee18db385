//! What `validate` finds.

use keyledger_claims::account::{Export, ExportType, Import, ResponseType, WeightedMapping};
use keyledger_claims::{
    AccountBody, AccountClaims, ActivationClaims, Issue, Problem, SigningKey, UserBody, UserScope,
    decode, encode,
};
use nkeys::KeyPairType::{Account, Operator, User};

use crate::support::{public, signer, token};

fn shown(issues: &[Issue]) -> Vec<String> {
    issues.iter().map(ToString::to_string).collect()
}

/// The one issue of a body, and where it is.
macro_rules! only {
    ($issues:expr, $field:literal, $problem:pat) => {
        let issues = $issues;
        let [issue] = issues.as_slice() else {
            panic!("{:?}", shown(&issues))
        };
        assert_eq!(issue.field, $field);
        assert!(matches!(issue.problem, $problem), "{issue}");
    };
}

fn export(kind: ExportType, subject: &str) -> Export {
    Export {
        kind,
        subject: subject.to_owned(),
        ..Export::default()
    }
}

fn exporting(exports: impl Into<Vec<Export>>) -> Vec<Issue> {
    AccountBody {
        exports: exports.into(),
        ..AccountBody::new()
    }
    .validate()
}

#[test]
fn what_go_wrote_is_valid() {
    for name in [
        "account-least",
        "account-full",
        "account-tiered",
        "account-self-signed",
    ] {
        let claims = decode::<AccountBody>(&token(name)).unwrap();
        assert_eq!(shown(&claims.validate()), [""; 0], "{name}");
    }
    for name in ["user-least", "user-full", "user-scoped"] {
        let claims = decode::<UserBody>(&token(name)).unwrap();
        assert_eq!(shown(&claims.nats.validate()), [""; 0], "{name}");
    }
}

#[test]
fn overlapping_exports() {
    use ExportType::{Service, Stream};
    for (a, b) in [
        ("a", "a"),
        ("a.>", "a.b"),
        ("a.*", "a.b"),
        ("*.*", "a.>"),
        (">", "x"),
    ] {
        for pair in [[a, b], [b, a]] {
            only!(
                exporting(pair.map(|subject| export(Service, subject))),
                "exports[1].subject",
                Problem::ExportsOverlap { .. }
            );
        }
    }
    let issues = exporting([export(Stream, "a.*"), export(Stream, "*.b")]);
    assert!(!issues[0].is_blocking());
    only!(
        issues,
        "exports[1].subject",
        Problem::ExportsIntersect { .. }
    );
    assert!(exporting([export(Stream, "a"), export(Service, "a")]).is_empty());
    assert!(exporting([export(Stream, "a.>"), export(Stream, "a")]).is_empty());
}

#[test]
fn malformed_exports() {
    use ExportType::{Service, Stream, Unknown};
    for bad in ["", "a..b", ".a", "a b", ">.a"] {
        only!(
            exporting([export(Stream, bad)]),
            "exports[0].subject",
            Problem::Subject { .. }
        );
    }
    only!(
        exporting([export(Unknown, "a")]),
        "exports[0].type",
        Problem::NoType
    );
    let response_type = ResponseType::Unknown("Many".to_owned());
    let odd = Export {
        response_type,
        ..export(Service, "a")
    };
    only!(
        exporting([odd]),
        "exports[0].response_type",
        Problem::ResponseType { .. }
    );
    let odd = Export {
        allow_trace: true,
        ..export(Stream, "a")
    };
    only!(
        exporting([odd]),
        "exports[0].allow_trace",
        Problem::Only { .. }
    );
    let odd = Export {
        account_token_position: 1,
        ..export(Service, "a.*")
    };
    only!(
        exporting([odd]),
        "exports[0].account_token_position",
        Problem::TokenPosition { position: 1, .. }
    );
    let odd = Export {
        info_url: "example".to_owned(),
        ..export(Service, "a")
    };
    only!(exporting([odd]), "exports[0].info_url", Problem::Url { .. });
}

/// Account 2 imports `subject` from account 5 with an activation for `granted`.
fn importing(subject: &str, granted: &str) -> AccountClaims {
    let grant = ActivationClaims::new(public(Account, 2), granted, ExportType::Stream, 1);
    let mut claims = AccountClaims::new(public(Account, 2), 1);
    claims.nats.imports.push(Import {
        subject: subject.to_owned(),
        account: public(Account, 5),
        token: encode(&grant, &signer(Account, 5)).unwrap(),
        kind: ExportType::Stream,
        ..Import::default()
    });
    claims
}

#[test]
fn import_tokens() {
    assert!(importing("a.b", "a.>").validate().is_empty());
    only!(
        importing("b", "a.>").validate(),
        "imports[0].token",
        Problem::TokenReach { .. }
    );
    let mut claims = importing("a.b", "a.>");
    claims.sub = public(Account, 9);
    only!(
        claims.validate(),
        "imports[0].token",
        Problem::TokenSubject { .. }
    );
    assert!(claims.nats.validate().is_empty());
    claims.nats.imports[0].account = public(Account, 6);
    only!(
        claims.nats.validate(),
        "imports[0].token",
        Problem::TokenIssuer { .. }
    );
    let mut claims = importing("a.b", "a.>");
    claims.nats.imports[0].kind = ExportType::Service;
    only!(
        claims.validate(),
        "imports[0].token",
        Problem::TokenType { .. }
    );
    claims.nats.imports[0].token = "a.b.c".to_owned();
    only!(claims.validate(), "imports[0].token", Problem::Token(_));
}

#[test]
fn local_subjects() {
    let check = |subject: &str, local: &str| {
        let mut body = importing(subject, ">").nats;
        body.imports[0].local_subject = local.to_owned();
        body.validate()
    };
    for (subject, local) in [
        ("a", "b"),
        ("a.>", "b.>"),
        ("a.*.*", "b.$2.$1"),
        ("a.*", "*.b"),
    ] {
        assert_eq!(shown(&check(subject, local)), [""; 0], "{subject} {local}");
    }
    only!(
        check("a.>", "b"),
        "imports[0].local_subject",
        Problem::LocalTail
    );
    for local in ["b", "b.$2", "b.$1.$1"] {
        only!(
            check("a.*", local),
            "imports[0].local_subject",
            Problem::LocalReferences { .. }
        );
    }
}

#[test]
fn imported_services_that_overlap() {
    let mut body = AccountBody::new();
    for (subject, local_subject) in [("a.*", "here.$1"), ("b", "here.b")] {
        body.imports.push(Import {
            subject: subject.to_owned(),
            local_subject: local_subject.to_owned(),
            account: public(Account, 5),
            kind: ExportType::Service,
            ..Import::default()
        });
    }
    only!(
        body.validate(),
        "imports[1].subject",
        Problem::ImportsOverlap { .. }
    );
}

#[test]
fn signing_keys_once_each() {
    let mut body = AccountBody::new();
    body.signing_keys
        .push(SigningKey::scoped(UserScope::new(public(Account, 4), "a")));
    assert!(body.validate().is_empty());
    body.signing_keys
        .push(SigningKey::Plain(public(Account, 4)));
    only!(
        body.validate(),
        "signing_keys[1]",
        Problem::DuplicateKey { .. }
    );
    body.signing_keys[1] = SigningKey::Plain(public(User, 4));
    only!(body.validate(), "signing_keys[1]", Problem::Nkey(_));
    let mut scope = UserScope::new(public(Account, 4), "a");
    scope.template.publish.allow = vec!["{{tag(x)}}..a".to_owned(), "b.{{ name() }}.>".to_owned()];
    body.signing_keys = vec![SigningKey::scoped(scope)];
    only!(
        body.validate(),
        "signing_keys[0].template.pub.allow[0]",
        Problem::Subject { .. }
    );
}

#[test]
fn limits_and_the_rest_of_an_account() {
    let mut claims = decode::<AccountBody>(&token("account-tiered")).unwrap();
    claims.nats.limits.jetstream.streams = 1;
    only!(
        claims.nats.validate(),
        "limits.tiered_limits",
        Problem::TiersAndFlat
    );
    let mut body = AccountBody::new();
    body.limits.exports = 0;
    body.exports.push(export(ExportType::Stream, "a"));
    only!(
        body.validate(),
        "exports",
        Problem::TooMany { found: 1, limit: 0 }
    );
    let mut body = AccountBody::new();
    body.mappings.insert(
        "a".to_owned(),
        vec![
            WeightedMapping {
                subject: "b".to_owned(),
                weight: 60,
                ..WeightedMapping::default()
            };
            2
        ],
    );
    only!(
        body.validate(),
        "mappings[\"a\"]",
        Problem::Weights { percent: 120 }
    );
    let mut body = AccountBody::new();
    body.authorization.allowed_accounts.push("*".to_owned());
    only!(
        body.validate(),
        "authorization.allowed_accounts",
        Problem::NoAuthUsers
    );
    let mut body = AccountBody::new();
    body.cluster_traffic = "mine".to_owned();
    only!(body.validate(), "cluster_traffic", Problem::Word { .. });
    let mut own = AccountClaims::new(public(Account, 2), 1);
    own.iss = public(Account, 2);
    only!(own.validate(), "limits", Problem::SelfSignedLimits);
    own.iss = public(Operator, 1);
    assert!(own.validate().is_empty());
}

#[test]
fn users() {
    let check = |change: fn(&mut UserBody)| {
        let mut body = UserBody::default();
        change(&mut body);
        body.validate()
    };
    assert!(check(|user| user.limits.subscribe.allow.push("a.> queue".to_owned())).is_empty());
    only!(
        check(|user| user.limits.publish.allow.push("a.> queue".to_owned())),
        "pub.allow[0]",
        Problem::Queue { .. }
    );
    only!(
        check(|user| user.limits.subscribe.deny.push("a.".to_owned())),
        "sub.deny[0]",
        Problem::Subject { .. }
    );
    only!(
        check(|user| user.limits.src.push("10.0.0.0".to_owned())),
        "src[0]",
        Problem::Network { .. }
    );
    only!(
        check(|user| user.issuer_account = "A".to_owned()),
        "issuer_account",
        Problem::Nkey(_)
    );
}
