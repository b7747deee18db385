use keyledger_claims::{
    AccountBody, KeyPairSigner, UserBody, account::Export, account::ExportType, decode, encode,
};
use keyledger_custody::UserSeed;
use keyledger_domain::{
    Timestamp,
    account::{Created, Event as AccountEvent, RevocationAdded, SigningKey as Stored},
    text::Title,
    user::{Event as UserEvent, Issued},
};
use nkeys::KeyPair;

use super::*;
use crate::trust::templates;

const AT: i64 = 1_700_000_000;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn account(purpose: Purpose, body: &AccountBody, role: Option<Role>) -> Account {
    let prefix = keyledger_wire::Prefix::default();
    let template =
        role.map(|role| serde_json::to_value(templates::role_template(&prefix, role)).unwrap());
    let created = AccountEvent::Created(Created {
        title: Title::new("orders").unwrap(),
        purpose,
        nkey: KeyPair::new_account().public_key().into(),
        key: name("nats-account-orders"),
        signing_keys: vec![Stored {
            key: name("nats-account-orders-signing-1"),
            nkey: KeyPair::new_account().public_key().into(),
            role,
            template,
        }],
        claims: serde_json::to_value(body).unwrap(),
        issuer: KeyPair::new_operator().public_key().into(),
        issued_at: AT,
    });
    Account::create(&created, Timestamp::from_seconds(AT)).unwrap()
}

fn user(account: &Account, publish: Option<Vec<Box<str>>>) -> User {
    let key = &account.signing_keys[0];
    User::create(&UserEvent::Issued(Issued {
        account: name("orders"),
        nkey: KeyPair::new_user().public_key().into(),
        generated: false,
        role: key.role,
        issuer: key.nkey.clone(),
        principal: None,
        issued_at: AT,
        expires_at: AT + 60,
        keys: vec![name("tls"), name("db")],
        publish,
        subscribe: None,
    }))
    .unwrap()
}

#[test]
fn an_account_s_claims_are_what_its_events_say() {
    let mut account = account(Purpose::Client, &AccountBody::new(), Some(Role::Service));
    let revoked = KeyPair::new_user().public_key();
    let added = AccountEvent::RevocationAdded(RevocationAdded {
        user: name("old"),
        nkey: revoked.as_str().into(),
        until: AT + 5,
        expires_at: 0,
        issued_at: AT + 5,
        jwt_issued_at: None,
    });
    account.evolve(&added, Timestamp::from_seconds(AT + 5));
    let claims = account_claims(&account).unwrap();
    assert_eq!((claims.iat, claims.name.as_str()), (AT + 5, "orders"));
    assert!(claims.nats.is_revoked(&revoked, AT + 5));
    let scope = claims.nats.signing_keys[0].scope().unwrap();
    assert_eq!(scope.role, "service");
    let own = "keys.commands.key.rotate.{{name()}}".to_owned();
    assert!(scope.template.publish.allow.contains(&own));
    assert_eq!(claims, account_claims(&account).unwrap());
}

#[test]
fn a_jwt_is_never_longer_than_the_rules_think() {
    let operator = KeyPairSigner::new(KeyPair::new_operator());
    for role in [
        Role::Administrator,
        Role::Auditor,
        Role::Service,
        Role::Agent,
    ] {
        let mut account = account(Purpose::Client, &AccountBody::new(), Some(role));
        for count in [0, 1, 300] {
            for at in account.revocations.len()..count {
                let added = AccountEvent::RevocationAdded(RevocationAdded {
                    user: name(&format!("old-{at}")),
                    nkey: KeyPair::new_user().public_key().into(),
                    until: AT,
                    expires_at: AT + 60,
                    issued_at: AT,
                    jwt_issued_at: Some(AT),
                });
                account.evolve(&added, Timestamp::from_seconds(AT));
            }
            let claims = account_claims(&account).unwrap();
            let length = encode(&claims, &operator).unwrap().len();
            let bound = account.jwt_bytes(count);
            assert!(length <= bound, "{role} {count}: {length} > {bound}");
            assert!(
                bound <= length + 4_096,
                "{role} {count}: {bound} is far above {length}"
            );
        }
    }
}

#[test]
fn a_collapsed_list_refuses_everybody_until_then() {
    let mut account = account(Purpose::Plain, &AccountBody::new(), None);
    let (old, young) = (
        KeyPair::new_user().public_key(),
        KeyPair::new_user().public_key(),
    );
    let collapsed =
        AccountEvent::RevocationsCollapsed(keyledger_domain::account::RevocationsCollapsed {
            until: AT + 1,
            issued_at: AT + 3,
        });
    for (nkey, issued_at) in [(&old, AT), (&young, AT + 2)] {
        let added = AccountEvent::RevocationAdded(RevocationAdded {
            user: name("old"),
            nkey: nkey.as_str().into(),
            until: AT + 2,
            expires_at: AT + 60,
            issued_at: AT + 2,
            jwt_issued_at: Some(issued_at),
        });
        account.evolve(&added, Timestamp::from_seconds(AT + 2));
    }
    account.evolve(&collapsed, Timestamp::from_seconds(AT + 3));
    let revocations = account_claims(&account).unwrap().nats.revocations;
    let expected = [("*".to_owned(), AT + 1), (young, AT + 2)];
    assert_eq!(revocations, expected.into_iter().collect());
}

#[test]
fn a_user_s_jwt_is_never_longer_than_the_rules_think() {
    let many = |count: usize| -> Vec<Box<str>> {
        let subject = |at: usize| format!("orders.{at:0>50}.>").into();
        (0..count).map(subject).collect()
    };
    for count in [1, 5, 20] {
        let scoped = account(Purpose::Client, &AccountBody::new(), Some(Role::Service));
        let mut user = user(&scoped, None);
        user.keys = (0..count).map(|at| name(&format!("{at:0>60}"))).collect();
        check_length(&scoped, &user);
        let plain = account(Purpose::Plain, &AccountBody::new(), None);
        let mut user = self::user(&plain, Some(many(count)));
        user.keys = Vec::new();
        user.subscribe = Some(many(count));
        check_length(&plain, &user);
    }
}

fn check_length(account: &Account, user: &User) {
    let signer = KeyPairSigner::new(KeyPair::new_account());
    let long = name(&"n".repeat(63));
    let length = encode(&user_claims(&long, user, account), &signer)
        .unwrap()
        .len();
    let bound = user.jwt_bytes(&long);
    assert!(length <= bound, "{length} > {bound}");
    assert!(bound <= length + 500, "{bound} is far above {length}");
}

#[test]
fn overlapping_exports_are_never_signed() {
    let export = |subject: &str| Export {
        subject: subject.to_owned(),
        kind: ExportType::Service,
        ..Export::default()
    };
    let body = AccountBody {
        exports: vec![export("a.>"), export("a.b")],
        ..AccountBody::new()
    };
    let mut account = account(Purpose::Plain, &body, None);
    let signer = UserSeed::generate().unwrap().signer().unwrap();
    account.issuer = signer.public_nkey().into();
    let refused = account_jwt(&account, &signer);
    assert!(
        matches!(refused, Err(JwtError::Invalid { .. })),
        "{refused:?}"
    );
}

#[test]
fn another_key_than_the_ledger_names_signs_nothing() {
    let account = account(Purpose::Plain, &AccountBody::new(), None);
    let signer = UserSeed::generate().unwrap().signer().unwrap();
    let user = user(&account, None);
    let refused = user_jwt(&name("orders"), &user, &account, &signer);
    assert!(
        matches!(refused, Err(JwtError::OtherIssuer { .. })),
        "{refused:?}"
    );
    let refused = account_jwt(&account, &signer);
    assert!(
        matches!(refused, Err(JwtError::OtherIssuer { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_user_of_a_role_brings_tags_and_no_permissions() {
    let account = account(Purpose::Client, &AccountBody::new(), Some(Role::Service));
    let user = user(&account, None);
    let claims = user_claims(&name("orders"), &user, &account);
    assert_eq!(claims.nats.tags, ["key:tls", "key:db", "role:service"]);
    assert_eq!(claims.nats.limits, UserPermissionLimits::default());
    assert_eq!((claims.iat, claims.exp), (AT, AT + 60));
    assert_eq!(claims.issuer_account(), &*account.nkey);
    assert_eq!(claims.name, "orders");
}

#[test]
fn a_user_without_a_role_may_what_it_was_given_and_nothing_means_nothing() {
    let account = account(Purpose::Plain, &AccountBody::new(), None);
    let limits = |publish| {
        let user = user(&account, publish);
        user_claims(&name("orders"), &user, &account).nats.limits
    };
    assert_eq!(limits(None), UserPermissionLimits::unlimited());
    assert_eq!(limits(Some(vec!["a.>".into()])).publish.allow, ["a.>"]);
    assert_eq!(limits(Some(vec![])).publish.deny, [">"]);
    assert_eq!(limits(None).resp, None);
}

#[test]
fn only_users_of_the_service_s_account_answer_requests() {
    let account = account(Purpose::Service, &AccountBody::new(), None);
    let claims = user_claims(&name("service"), &user(&account, Some(vec![])), &account);
    assert_eq!(claims.nats.limits.resp.unwrap().max, 1);
}

#[test]
fn a_jwt_is_the_same_each_time_it_is_made() {
    let home = tempfile::tempdir().unwrap();
    let organisation = crate::trust::initialise(crate::trust::InitOptions {
        title: "Acme".to_owned(),
        prefix: keyledger_wire::Prefix::default(),
        directory: home.path().join("acme"),
        root: crate::trust::Root::LocalFile,
        now: Timestamp::from_seconds(AT),
        url: "nats://127.0.0.1:4222".to_owned(),
    })
    .unwrap();
    let token = std::fs::read_to_string(organisation.directory().join("jwt/admin.jwt")).unwrap();
    // Written by the bootstrap from the fold; folded again from the genesis events, it is the same.
    let mut ledger = keyledger_domain::Ledger::new();
    let genesis = std::fs::read_to_string(organisation.genesis_file()).unwrap();
    for line in genesis.lines() {
        use keyledger_domain::verify::export;
        if let export::Line::Event(event) = export::parse_line(line).unwrap() {
            let record = keyledger_domain::Record::read(&event.payload).unwrap();
            let cid = keyledger_domain::EventCid::of(&event.payload);
            ledger.apply(&record, cid, event.sequence).unwrap();
        }
    }
    let admin = ledger.account(&name("admin")).unwrap();
    let key = name("nats-operator-signing-1");
    let sealed = organisation
        .directory()
        .join(format!("material/{key}.1.sealed"));
    let context = keyledger_custody::MaterialContext {
        purposes: ledger.key(&key).unwrap().state.purposes,
        version: 1,
        key,
    };
    let custody = organisation.custody(None).unwrap();
    let signer = custody
        .open_signer(&std::fs::read(sealed).unwrap(), &context)
        .unwrap();
    assert!(account_jwt(&admin.state, &signer).unwrap() == token);
    let creds = std::fs::read_to_string(organisation.creds("admin")).unwrap();
    let creds = keyledger_claims::Creds::parse(&creds).unwrap();
    let user = &ledger.user(&name("admin")).unwrap().state;
    let again = user_claims(&name("admin"), user, &admin.state);
    let written = decode::<UserBody>(creds.jwt()).unwrap();
    assert_eq!((again.nats, again.exp), (written.nats, written.exp));
}
