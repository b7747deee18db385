use keyledger_claims::{KeyPairSigner, UserBody, UserPermissionLimits, decode, encode};
use keyledger_custody::UserSeed;
use keyledger_domain::{
    Timestamp,
    account::{
        Event as AccountEvent, RevocationAdded, TemplateAdopted,
        intent::{Export, Exporter, Import, Scope, Shared, Subjects},
    },
    template::TemplateVersion,
    user::{Event as UserEvent, Issued},
};
use nkeys::KeyPair;

use super::*;
use crate::trust::fixture::{AT, Fixture};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn fixture() -> Fixture {
    Fixture::new(&Prefix::default(), TemplateVersion::NEWEST)
}

/// An account that stands for its purpose, with the signing key of this role alone.
fn account(purpose: Purpose, role: Option<Role>) -> Account {
    let fixture = fixture();
    let names = fixture.names();
    let mut accounts = names.map(|name| fixture.account(name));
    let mut account = accounts.find(|it| it.purpose == purpose).unwrap().clone();
    account.signing_keys.retain(|key| key.role == role);
    account
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
    let fixture = fixture();
    let mut account = fixture.account("admin").clone();
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
    let claims = fixture.claims_of(&account);
    assert_eq!((claims.iat, claims.name.as_str()), (AT + 5, "admin"));
    assert!(claims.nats.is_revoked(&revoked, AT + 5));
    let keys = claims.nats.signing_keys.iter();
    let mut scopes = keys.filter_map(|key| key.scope());
    let scope = scopes.find(|scope| scope.role == "service").unwrap();
    let own = "keys.commands.key.rotate.{{name()}}".to_owned();
    assert!(scope.template.publish.allow.contains(&own));
    assert_eq!(claims, fixture.claims_of(&account));
}

#[test]
fn revocations_survive_an_upgrade_and_the_leave_to_import_is_new() {
    let fixture = Fixture::new(&Prefix::default(), TemplateVersion::V1);
    let mut account = fixture.account("agents").clone();
    let revoked = KeyPair::new_user().public_key();
    let added = AccountEvent::RevocationAdded(RevocationAdded {
        user: name("old"),
        nkey: revoked.as_str().into(),
        until: AT,
        expires_at: 0,
        issued_at: AT + 1,
        jwt_issued_at: Some(AT),
    });
    account.evolve(&added, Timestamp::from_seconds(AT + 1));
    let before = fixture.claims_of(&account).nats;
    assert_eq!(
        before.imports[0].token,
        fixture.claims("agents").nats.imports[0].token
    );
    let adopted = AccountEvent::TemplateAdopted(TemplateAdopted {
        template: TemplateVersion::V2,
        issued_at: AT + 9,
    });
    account.evolve(&adopted, Timestamp::from_seconds(AT + 9));
    let after = fixture.claims_of(&account);
    assert_eq!(after.iat, AT + 9);
    assert_eq!(after.nats.revocations, before.revocations);
    assert!(after.nats.is_revoked(&revoked, AT));
    assert_eq!(after.nats.imports.len(), before.imports.len() + 1);
    assert_ne!(after.nats.imports[0].token, before.imports[0].token);
}

#[test]
fn a_jwt_is_never_longer_than_the_rules_think() {
    let operator = KeyPairSigner::new(KeyPair::new_operator());
    let longest = "k.".repeat(49) + "kk";
    for prefix in ["keys", &longest].map(|prefix| prefix.parse().unwrap()) {
        for version in TemplateVersion::ALL {
            let mut fixture = Fixture::new(&prefix, version);
            let names: Vec<_> = fixture.names().collect();
            for name in names {
                for count in [0, 1, 300] {
                    revoke_until(fixture.account_mut(name), count);
                    let account = fixture.account(name);
                    let length = encode(&fixture.claims(name), &operator).unwrap().len();
                    let bound = account.jwt_bytes(count);
                    assert!(
                        length <= bound,
                        "{version} {name} {count}: {length} > {bound}"
                    );
                    if account.purpose == Purpose::Plain {
                        assert!(bound <= length + 4_096, "{bound} is far above {length}");
                    }
                }
            }
        }
    }
}

#[test]
fn nor_is_that_of_an_account_with_shares_and_roles_of_its_own() {
    let operator = KeyPairSigner::new(KeyPair::new_operator());
    let mut fixture = fixture();
    let mut created = fixture.account("orders").clone();
    for at in 0..50 {
        let subject = format!("orders.{at}.>");
        created.intent.exports.push(Export {
            description: Some("\n".repeat(200).into()),
            ..Export::new(&subject, Shared::Service)
        });
        created.intent.imports.push(Import {
            name: Some(subject.as_str().into()),
            from: Exporter::Account(name("keys")),
            subject: subject.as_str().into(),
            local_subject: None,
            shared: Shared::Stream,
            tells_sender: false,
            traceable: false,
        });
    }
    let mut scope = Scope::new("reader");
    scope.permissions.publish = Subjects {
        allow: (0..500).map(|at| format!("orders.{at}.>").into()).collect(),
        deny: Vec::new(),
    };
    let mut key = created.signing_keys[0].clone();
    key.scope = Some(Box::new(scope));
    created.signing_keys.push(key);
    let event = AccountEvent::Created(keyledger_domain::account::Created {
        title: created.title.clone(),
        purpose: created.purpose,
        nkey: created.nkey.clone(),
        key: created.key.clone(),
        signing_keys: created.signing_keys.clone(),
        intent: created.intent.clone(),
        issuer: created.issuer.clone(),
        issued_at: created.issued_at,
    });
    let account = Account::create(&event, Timestamp::from_seconds(AT)).unwrap();
    *fixture.account_mut("orders") = account.clone();
    let length = encode(&fixture.claims("orders"), &operator).unwrap().len();
    assert!(
        length <= account.jwt_bytes(0),
        "{length} > {}",
        account.jwt_bytes(0)
    );
}

fn revoke_until(account: &mut Account, count: usize) {
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
}

#[test]
fn a_collapsed_list_refuses_everybody_until_then() {
    let mut account = account(Purpose::Plain, None);
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
    let revocations = fixture().claims_of(&account).nats.revocations;
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
        let scoped = account(Purpose::Client, Some(Role::Service));
        let mut user = user(&scoped, None);
        user.keys = (0..count).map(|at| name(&format!("{at:0>60}"))).collect();
        check_length(&scoped, &user);
        let plain = account(Purpose::Plain, None);
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
    let mut account = account(Purpose::Plain, None);
    account.intent.exports = ["a.>", "a.b"]
        .map(|subject| Export::new(subject, Shared::Service))
        .into();
    let signer = UserSeed::generate().unwrap().signer().unwrap();
    account.issuer = signer.public_nkey().into();
    let refused = signed(&account, &signer);
    assert!(
        matches!(refused, Err(JwtError::Invalid { .. })),
        "{refused:?}"
    );
}

#[test]
fn without_the_exporters_key_nothing_is_signed() {
    let mut account = account(Purpose::Agents, Some(Role::Agent));
    let signer = UserSeed::generate().unwrap().signer().unwrap();
    account.issuer = signer.public_nkey().into();
    let refused = signed(&account, &signer);
    assert!(
        matches!(refused, Err(JwtError::NoLeave { .. })),
        "{refused:?}"
    );
}

/// The JWT of an account that nobody gives leave to import.
fn signed(account: &Account, signer: &NkeySigner) -> Result<String, JwtError> {
    let rendered = rendered(account, &Prefix::default(), &fixture())?;
    account_jwt(account, rendered, signer, |_| None)
}

#[test]
fn another_key_than_the_ledger_names_signs_nothing() {
    let account = account(Purpose::Plain, None);
    let signer = UserSeed::generate().unwrap().signer().unwrap();
    let user = user(&account, None);
    let refused = user_jwt(&name("orders"), &user, &account, &signer);
    assert!(
        matches!(refused, Err(JwtError::OtherIssuer { .. })),
        "{refused:?}"
    );
    let refused = signed(&account, &signer);
    assert!(
        matches!(refused, Err(JwtError::OtherIssuer { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_user_of_a_role_brings_tags_and_no_permissions() {
    let account = account(Purpose::Client, Some(Role::Service));
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
    let account = account(Purpose::Plain, None);
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
    let account = account(Purpose::Service, None);
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
    let custody = organisation.custody(None).unwrap();
    let open = |key: Name| {
        let file = format!("material/{key}.1.sealed");
        let sealed = std::fs::read(organisation.directory().join(file)).unwrap();
        let context = keyledger_custody::MaterialContext {
            purposes: ledger.key(&key).unwrap().state.purposes,
            version: 1,
            key,
        };
        custody.open_signer(&sealed, &context).unwrap()
    };
    let exporters = ["keys", "views"].map(|account| {
        let key = name(&format!("nats-account-{account}-signing-1"));
        (key.clone(), open(key))
    });
    let exporter = |key: &Name| exporters.iter().find(|(it, _)| it == key).map(|(_, it)| it);
    let rendered = rendered(&admin.state, &Prefix::default(), &ledger).unwrap();
    assert!(
        account_jwt(
            &admin.state,
            rendered,
            &open(name("nats-operator-signing-1")),
            exporter
        )
        .unwrap()
            == token
    );
    let creds = std::fs::read_to_string(organisation.creds("admin")).unwrap();
    let creds = keyledger_claims::Creds::parse(&creds).unwrap();
    let user = &ledger.user(&name("admin")).unwrap().state;
    let again = user_claims(&name("admin"), user, &admin.state);
    let written = decode::<UserBody>(creds.jwt()).unwrap();
    assert_eq!((again.nats, again.exp), (written.nats, written.exp));
}
