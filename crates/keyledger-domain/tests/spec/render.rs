//! What an account's JWT says, of its intent, the templates, and whom it refuses.

use std::{collections::BTreeMap, fs, path::PathBuf};

use keyledger_claims::AccountBody;
use keyledger_domain::{
    Role,
    account::{
        Account, Changes, Created, Event, Exporters, Purpose, RenderError, RevocationAdded,
        RevocationsCollapsed, SigningKey, Template, changes,
        intent::{
            Callout, Destination, Export, Exporter, Import, Intent, Latency, Limit, Limits,
            MayAnswer, Permissions, ReplicatesOver, ResponseForm, Scope, Shared, Storage, Subjects,
            Trace,
        },
        render,
    },
    template::TemplateVersion,
    text::Title,
};
use serde_json::Value;

use crate::support::{BEGINNING, key_pair, name};
use nkeys::KeyPairType;

fn nkey(n: u8) -> Box<str> {
    key_pair(KeyPairType::Account, n).public_key().into()
}

fn signing_key(n: u8, role: Option<Role>) -> SigningKey {
    SigningKey {
        key: name(&format!("signing-{n}")),
        nkey: nkey(n),
        role,
        scope: None,
    }
}

fn account(n: u8, purpose: Purpose, signing_keys: Vec<SigningKey>, intent: Intent) -> Account {
    let created = Event::Created(Created {
        title: Title::new("orders").unwrap(),
        purpose,
        nkey: nkey(n),
        key: name("orders"),
        signing_keys,
        intent,
        issuer: "O".into(),
        issued_at: 1_000,
    });
    Account::create(&created, BEGINNING).unwrap()
}

fn bare() -> Intent {
    Intent::new(TemplateVersion::V1)
}

/// The account `market`, from which others import.
struct Market(Account);

impl Market {
    fn new() -> Self {
        let keys = vec![signing_key(11, Some(Role::Service)), signing_key(12, None)];
        Self(account(10, Purpose::Plain, keys, bare()))
    }
}

impl Exporters for Market {
    fn exporter(&self, of: &keyledger_domain::Name) -> Option<&Account> {
        (of.as_str() == "market").then_some(&self.0)
    }
}

/// Templates that say nothing.
fn silent() -> Template {
    Template {
        connections: Limit::Unlimited,
        leaf_nodes: Limit::Unlimited,
        exports: Vec::new(),
        imports: Vec::new(),
        roles: Vec::new(),
    }
}

fn import(from: &str, subject: &str) -> Import {
    Import {
        name: Some("prices".into()),
        from: Exporter::Account(name(from)),
        subject: subject.into(),
        local_subject: None,
        shared: Shared::Stream,
        tells_sender: false,
        traceable: false,
    }
}

/// An intent that says everything that can be said, as Go's golden account of keyledger-claims does.
fn everything(go: &Value) -> (Intent, Vec<SigningKey>) {
    let text =
        |pointer: &str| -> Box<str> { go.pointer(pointer).unwrap().as_str().unwrap().into() };
    let stranger = |activation| Exporter::Stranger {
        nkey: text("/nats/imports/0/account"),
        activation,
    };
    let at_most = |most| Limit::AtMost(most);
    let find = |subject: &str| {
        let imports = go.pointer("/nats/imports").unwrap().as_array().unwrap();
        imports
            .iter()
            .find(|it| it["subject"] == subject)
            .unwrap()
            .clone()
    };
    let exports = go.pointer("/nats/exports").unwrap().as_array().unwrap();
    let revoked = exports.iter().find(|it| it["name"] == "stream").unwrap()["revocations"].clone();
    let revoked: BTreeMap<Box<str>, i64> = serde_json::from_value(revoked).unwrap();
    let intent = Intent {
        limits: Limits {
            connections: Some(at_most(6)),
            leaf_nodes: Some(at_most(7)),
            subscriptions: at_most(1),
            bytes: at_most(2),
            message_bytes: at_most(3),
            imports: at_most(4),
            exports: at_most(5),
            no_wildcard_exports: false,
            no_bearers: true,
            storage: Storage {
                memory_bytes: at_most(8),
                disk_bytes: at_most(9),
                streams: at_most(10),
                consumers: at_most(11),
                unacknowledged: Some(at_most(12)),
                stream_memory_bytes: Some(13),
                stream_disk_bytes: Some(14),
                streams_say_their_limit: true,
            },
            storage_by_tier: BTreeMap::new(),
        },
        exports: vec![
            Export {
                name: Some("service".into()),
                answers: Some(ResponseForm::Parts),
                answers_within_ns: Some(5_000_000_000),
                account_at_token: Some(2),
                traceable: true,
                latency: Some(Latency {
                    subject: "latency.a".into(),
                    percent: Some(50),
                }),
                ..Export::new("a.*.x", Shared::Service)
            },
            Export {
                name: Some("headers".into()),
                answers: Some(ResponseForm::One),
                latency: Some(Latency {
                    subject: "latency.b".into(),
                    percent: None,
                }),
                ..Export::new("b", Shared::Service)
            },
            Export {
                name: Some("stream".into()),
                private: true,
                advertised: true,
                revoked,
                description: Some("the <stream>".into()),
                info_url: Some("https://example.org/?a=1&b=2".into()),
                ..Export::new("z.>", Shared::Stream)
            },
        ],
        imports: vec![
            Import {
                name: Some("service".into()),
                local_subject: Some("question.$1".into()),
                from: stranger(None),
                shared: Shared::Service,
                tells_sender: true,
                ..import("market", "ask.*")
            },
            Import {
                name: Some("stream".into()),
                local_subject: Some("theirs.>".into()),
                from: stranger(Some(find("private.>")["token"].as_str().unwrap().into())),
                traceable: true,
                ..import("market", "private.>")
            },
        ],
        mappings: [(
            "old.>".into(),
            vec![
                ("new.>", Some(60), None),
                ("newer.>", Some(40), None),
                ("far.>", None, Some("east".into())),
            ]
            .into_iter()
            .map(|(subject, percent, cluster)| Destination {
                subject: subject.into(),
                percent,
                cluster,
            })
            .collect(),
        )]
        .into(),
        default_permissions: Permissions {
            publish: Subjects {
                allow: Vec::new(),
                deny: vec!["$SYS.>".into()],
            },
            subscribe: Subjects::default(),
            answer: Some(MayAnswer {
                messages: at_most(1),
                within_ns: at_most(0),
            }),
        },
        callout: Some(Callout {
            services: vec![text("/nats/authorization/auth_users/0")],
            accounts: vec!["*".into()],
            sealed_to: Some(text("/nats/authorization/xkey")),
        }),
        trace: Some(Trace {
            subject: "trace.to".into(),
            percent: Some(25),
        }),
        replicates_over: Some(ReplicatesOver::Owner),
        description: Some("everything".into()),
        info_url: Some("https://example.org".into()),
        tags: vec!["one".into(), "two".into()],
        ..bare()
    };
    let keys = go
        .pointer("/nats/signing_keys")
        .unwrap()
        .as_array()
        .unwrap();
    let keys = keys.iter().map(|key| match key.as_str() {
        Some(plain) => SigningKey {
            nkey: plain.into(),
            ..signing_key(2, None)
        },
        None => {
            let mut scope = Scope::new("reader");
            scope.description = Some("reads > writes".into());
            scope.permissions.publish.allow = vec!["{{tag(team)}}.>".into()];
            scope.permissions.subscribe.allow = vec!["{{subject()}}.>".into()];
            scope.message_bytes = Some(1024);
            scope.connections = vec!["WEBSOCKET".into()];
            SigningKey {
                nkey: key["key"].as_str().unwrap().into(),
                scope: Some(Box::new(scope)),
                ..signing_key(3, None)
            }
        }
    });
    (intent, keys.collect())
}

#[test]
fn an_intent_can_say_all_that_go_writes_into_an_account() {
    let file = "../keyledger-claims/tests/golden/data/account-full.json";
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
    let go: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let expected: AccountBody = serde_json::from_value(go["nats"].clone()).unwrap();
    let (intent, keys) = everything(&go);
    // It says the same when it was written into an event and read again.
    let text = serde_json::to_string(&intent).unwrap();
    let intent: Intent = serde_json::from_str(&text).unwrap();
    let mut account = account(1, Purpose::Plain, keys, intent);
    for (nkey, until) in &expected.revocations {
        let event = match nkey.as_str() {
            "*" => continue,
            nkey => Event::RevocationAdded(RevocationAdded {
                user: name("gone"),
                nkey: nkey.into(),
                until: *until,
                expires_at: 0,
                issued_at: 1_000,
                jwt_issued_at: Some(*until),
            }),
        };
        account.evolve(&event, BEGINNING);
    }
    let rendered = render(&account, &silent(), &Market::new()).unwrap();
    assert_eq!(rendered.leave(), []);
    let mut body = rendered.unsigned().nats.clone();
    body.revocations
        .insert("*".to_owned(), expected.revocations["*"]);
    // What Go writes beside the body is not the renderer's.
    let known = |mut body: AccountBody| {
        body.extra.clear();
        body.imports.sort_by(|a, b| a.subject.cmp(&b.subject));
        body.exports.sort_by(|a, b| a.subject.cmp(&b.subject));
        body.signing_keys.sort_by(|a, b| a.key().cmp(b.key()));
        body
    };
    assert_eq!(known(body), known(expected));
}

#[test]
fn the_same_account_gives_the_same_claims() {
    let intent = Intent {
        imports: vec![import("market", "prices.>")],
        ..bare()
    };
    let account = account(1, Purpose::Plain, vec![signing_key(2, None)], intent);
    let once = render(&account, &silent(), &Market::new()).unwrap();
    assert_eq!(once, render(&account, &silent(), &Market::new()).unwrap());
}

#[test]
fn leave_to_import_is_signed_by_the_exporters_key_without_a_role() {
    let intent = Intent {
        imports: vec![import("market", "prices.>")],
        ..bare()
    };
    let account = account(1, Purpose::Plain, Vec::new(), intent);
    let rendered = render(&account, &silent(), &Market::new()).unwrap();
    let leave = &rendered.leave()[0];
    assert_eq!(
        (leave.key.as_str(), &leave.signer),
        ("signing-12", &nkey(12))
    );
    assert_eq!(leave.claims.sub, &*account.nkey);
    assert_eq!(leave.claims.nats.issuer_account, &*nkey(10));
    assert_eq!(
        (leave.claims.nats.subject.as_str(), leave.claims.iat),
        ("prices.>", 1_000)
    );
    let claims = rendered
        .signed(|_| Ok::<_, ()>("signed".to_owned()))
        .unwrap();
    let import = &claims.nats.imports[0];
    assert_eq!(
        (import.token.as_str(), &*import.account),
        ("signed", &*nkey(10))
    );
}

#[test]
fn what_the_templates_say_stands_beside_what_the_account_says_itself() {
    let template = Template {
        connections: Limit::AtMost(3),
        leaf_nodes: Limit::NONE,
        exports: vec![Export::new("a", Shared::Stream)],
        imports: vec![import("market", "m")],
        roles: vec![(Role::Service, Scope::new("service"))],
    };
    let intent = Intent {
        limits: Limits {
            leaf_nodes: Some(Limit::AtMost(9)),
            ..Limits::default()
        },
        exports: vec![Export::new("b", Shared::Stream)],
        ..bare()
    };
    let keys = vec![signing_key(2, Some(Role::Service))];
    let account = account(1, Purpose::Plain, keys, intent);
    let rendered = render(&account, &template, &Market::new()).unwrap();
    let body = &rendered.unsigned().nats;
    assert_eq!((body.limits.conn, body.limits.leaf), (3, 9));
    let exports: Vec<_> = body.exports.iter().map(|it| &*it.subject).collect();
    assert_eq!((exports, body.imports.len()), (vec!["a", "b"], 1));
    assert_eq!(body.signing_keys[0].scope().unwrap().role, "service");
}

#[test]
fn what_cannot_be_rendered_whole_is_not_rendered() {
    let from = |exporter: &str| {
        let intent = Intent {
            imports: vec![import(exporter, "prices.>")],
            ..bare()
        };
        account(1, Purpose::Plain, Vec::new(), intent)
    };
    let refused = |account, market: &Market| render(&account, &silent(), market).unwrap_err();
    let unknown = refused(from("nobody"), &Market::new());
    assert_eq!(unknown, RenderError::NoExporter(name("nobody")));
    let mut mute = Market::new();
    mute.0.signing_keys.retain(|key| key.role.is_some());
    assert_eq!(
        refused(from("market"), &mute),
        RenderError::NoSigner(name("market"))
    );
    let keys = vec![signing_key(2, Some(Role::Auditor))];
    let with_role = account(1, Purpose::Client, keys, bare());
    assert_eq!(
        refused(with_role, &mute),
        RenderError::NoRole(Role::Auditor)
    );
}

#[test]
fn a_collapsed_list_refuses_everybody_until_then() {
    let mut account = account(1, Purpose::Plain, Vec::new(), bare());
    for (nkey, at) in [("U1", 5), ("U2", 9)] {
        let added = RevocationAdded {
            user: name("gone"),
            nkey: nkey.into(),
            until: at,
            expires_at: 0,
            issued_at: 1_001,
            jwt_issued_at: Some(at),
        };
        account.evolve(&Event::RevocationAdded(added), BEGINNING);
    }
    let (until, issued_at) = (6, 1_002);
    let collapsed = RevocationsCollapsed { until, issued_at };
    account.evolve(&Event::RevocationsCollapsed(collapsed), BEGINNING);
    let rendered = render(&account, &silent(), &Market::new()).unwrap();
    let expected = [("*".to_owned(), 6), ("U2".to_owned(), 9)];
    assert_eq!(rendered.unsigned().nats.revocations, expected.into());
}

#[test]
fn changes_are_said_in_words() {
    let body = |intent: Intent, scope: Scope| {
        let mut key = signing_key(2, None);
        key.scope = Some(Box::new(scope));
        let account = account(1, Purpose::Plain, vec![key], intent);
        let rendered = render(&account, &silent(), &Market::new()).unwrap();
        rendered.unsigned().nats.clone()
    };
    let mut reader = Scope::new("reader");
    reader.permissions.publish.allow = vec!["a".into()];
    let before = body(bare(), reader.clone());
    reader.permissions.publish.allow.push("b".into());
    let after = Intent {
        limits: Limits {
            connections: Some(Limit::AtMost(3)),
            ..Limits::default()
        },
        exports: vec![Export {
            private: true,
            ..Export::new("x.>", Shared::Service)
        }],
        imports: vec![Import {
            local_subject: Some("mine.>".into()),
            tells_sender: true,
            shared: Shared::Service,
            ..import("market", "m.>")
        }],
        ..bare()
    };
    let after = body(after, reader);
    let named = |_: &str| "market".to_owned();
    assert_eq!(
        changes(&before, &after, &named),
        Changes {
            gains: [
                "connections: at most 3",
                "exports the service x.> to accounts that it gives leave",
                "imports the service m.> of account market as mine.>, which is told who sends",
                "role reader: may publish to b",
            ]
            .map(str::to_owned)
            .into(),
            loses: vec!["connections: no limit".to_owned()],
        }
    );
    assert_eq!(changes(&after, &after, &named), Changes::default());
}
