use keyledger_claims::{
    AccountBody, AccountClaims, KeyPairSigner, Signer as _, account::Import, subject,
};
use keyledger_domain::Role;
use keyledger_wire::{Prefix, questions::QUESTIONS};
use nkeys::KeyPair;

use super::*;

fn prefixes() -> [Prefix; 2] {
    ["keys", "acme.security.keys"].map(|prefix| prefix.parse().unwrap())
}

fn pair() -> KeyPairSigner {
    KeyPairSigner::new(KeyPair::new_account())
}

/// The account claims of a client, and of the service.
fn importing(prefix: &Prefix) -> [AccountClaims; 2] {
    let (service, views, client) = (pair(), pair(), pair());
    let exporter = |of| Exporter {
        nkey: KeyPairSigner::public_nkey(of),
        signer: of,
    };
    let nkey = client.public_nkey();
    let to_client = client_imports(
        prefix,
        nkey,
        exporter(&service),
        exporter(&views),
        1_700_000_000,
    )
    .unwrap();
    let to_service = service_imports(prefix, nkey, exporter(&views), 1_700_000_000).unwrap();
    [to_client, to_service].map(|imports| {
        AccountClaims::with_body(
            nkey,
            1,
            AccountBody {
                imports,
                ..AccountBody::new()
            },
        )
    })
}

fn local(import: &Import) -> &str {
    if import.local_subject.is_empty() {
        &import.subject
    } else {
        &import.local_subject
    }
}

#[test]
fn exports_are_private_and_never_overlap() {
    for prefix in prefixes() {
        for exports in [service_exports(&prefix), views_exports(&prefix)] {
            assert!(exports.iter().all(|export| export.token_req));
            for (at, one) in exports.iter().enumerate() {
                for other in &exports[at + 1..] {
                    assert!(
                        !subject::overlaps(&one.subject, &other.subject),
                        "{one:?} {other:?}"
                    );
                }
            }
            let body = AccountBody {
                exports,
                ..AccountBody::new()
            };
            assert!(body.validate().is_empty(), "{:?}", body.validate());
        }
    }
}

#[test]
fn imports_hold_against_their_activations() {
    for prefix in prefixes() {
        for claims in importing(&prefix) {
            assert!(claims.validate().is_empty(), "{:?}", claims.validate());
        }
    }
}

#[test]
fn every_import_is_of_something_exported() {
    for prefix in prefixes() {
        let mut exports = service_exports(&prefix);
        exports.extend(views_exports(&prefix));
        for import in importing(&prefix)
            .into_iter()
            .flat_map(|claims| claims.nats.imports)
        {
            let found = exports.iter().any(|export| {
                export.kind == import.kind && subject::covers(&export.subject, &import.subject)
            });
            assert!(found, "{import:?}");
        }
    }
}

#[test]
fn commands_questions_and_watches_tell_who_sends_them() {
    let prefix = Prefix::default();
    let [client, _] = importing(&prefix);
    let shared: Vec<_> = client
        .nats
        .imports
        .iter()
        .filter(|i| i.share)
        .map(local)
        .collect();
    let watch = "$JS.keys.API.CONSUMER.CREATE.KV_KEYS_INVENTORY.>";
    let unwatch = "$JS.keys.API.CONSUMER.DELETE.KV_KEYS_INVENTORY.$1";
    assert_eq!(
        shared,
        ["keys.commands.>", "keys.queries.>", watch, unwatch]
    );
}

#[test]
fn a_client_may_neither_make_write_nor_purge_the_inventory() {
    for prefix in prefixes() {
        let [client, _] = importing(&prefix);
        for import in &client.nats.imports {
            let subject = &import.subject;
            assert!(!subject.starts_with("$KV."), "{subject}");
            for forbidden in ["$JS.API.STREAM.CREATE.x", "$JS.API.STREAM.PURGE.x"] {
                let verb = forbidden.strip_suffix('x').unwrap();
                assert!(!subject.starts_with(verb), "{subject}");
            }
        }
    }
}

/// Whoever makes a consumer says what the server publishes in the bucket's account, and where.
#[test]
fn a_client_reaches_no_consumer_of_jetstream() {
    for prefix in prefixes() {
        let [client, _] = importing(&prefix);
        for import in &client.nats.imports {
            let subject = &import.subject;
            for forbidden in ["$JS.API.CONSUMER.", "$JS.FC.", "$JS.ACK.", "$JS.API.>"] {
                assert!(!subject.starts_with(forbidden), "{subject}");
            }
        }
        for role in Role::OF_CLIENTS {
            let publish = role_template(&prefix, role).publish.allow;
            assert!(!publish.iter().any(|s| s.starts_with("$JS.FC")), "{role}");
        }
    }
}

#[test]
fn a_user_hears_its_own_answers_only() {
    for prefix in prefixes() {
        for role in Role::ALL {
            let subscribe = role_template(&prefix, role).subscribe.allow;
            let inboxes = subscribe
                .iter()
                .filter(|s| s.starts_with("_INBOX") || s.starts_with("deliver"));
            for inbox in inboxes {
                assert!(inbox.ends_with(".{{subject()}}.>"), "{role}: {inbox}");
            }
        }
        for grants in [
            service_grants(&prefix, "UOWN"),
            setup_grants(&prefix, "UOWN"),
            system_grants("UOWN"),
        ] {
            let inboxes = grants.subscribe.iter().filter(|s| s.starts_with("_INBOX"));
            assert!(inboxes.eq(["_INBOX.UOWN.>"]), "{grants:?}");
        }
    }
}

#[test]
fn only_an_administrator_commands_everything() {
    let prefix = Prefix::default();
    let commands = |role| {
        let publish = role_template(&prefix, role).publish.allow;
        let commands: Vec<_> = publish
            .into_iter()
            .filter(|s| s.starts_with("keys.commands."))
            .collect();
        commands
    };
    assert_eq!(commands(Role::Administrator), ["keys.commands.>"]);
    let approver = [
        "keys.commands.request.>",
        "keys.commands.principal.recover-key.*",
        "keys.commands.token.release.*",
    ];
    assert_eq!(commands(Role::Approver), approver);
    assert!(commands(Role::Agent).is_empty());
    assert!(commands(Role::Auditor).is_empty());
    let service = commands(Role::Service);
    let verbs = [
        "generate",
        "register",
        "activate",
        "suspend",
        "resume",
        "deactivate",
        "rotate",
        "describe",
    ];
    assert_eq!(service.len(), 2 * verbs.len());
    for verb in verbs {
        assert!(
            service.contains(&format!("keys.commands.key.{verb}.{{{{name()}}}}")),
            "{verb}"
        );
    }
    assert!(service.contains(&"keys.commands.key.rotate.{{name()}}".to_owned()));
    assert!(service.contains(&"keys.commands.key.rotate.{{tag(key)}}".to_owned()));
    assert!(
        !service
            .iter()
            .any(|s| s.contains(".destroy.") || s.contains(".revoke."))
    );
}

#[test]
fn no_role_reaches_the_material() {
    for prefix in prefixes() {
        let material = prefix.material_bucket();
        for role in Role::ALL {
            let template = role_template(&prefix, role);
            let subjects = template
                .publish
                .allow
                .iter()
                .chain(&template.subscribe.allow);
            for subject in subjects {
                assert!(
                    !subject.contains(&material) && subject != ">",
                    "{role}: {subject}"
                );
            }
        }
    }
}

#[test]
fn the_service_can_neither_change_nor_shorten_the_ledger() {
    for prefix in prefixes() {
        let stream = prefix.events_stream();
        let publish = service_grants(&prefix, "U").publish;
        for what in [
            "CREATE",
            "UPDATE",
            "DELETE",
            "PURGE",
            "MSG.DELETE",
            "RESTORE",
        ] {
            let subject = format!("$JS.API.STREAM.{what}.{stream}");
            let may = publish
                .iter()
                .find(|allowed| subject::covers(allowed, &subject));
            assert_eq!(may, None, "{subject}");
        }
        let material = Prefix::bucket_stream(&prefix.material_bucket());
        let may = |what: &str| publish.contains(&format!("$JS.API.STREAM.{what}.{material}"));
        assert!(may("MSG.DELETE") && !may("DELETE") && !may("UPDATE") && !may("PURGE"));
    }
}

#[test]
fn a_service_asks_for_its_own_keys_timelines_only() {
    for prefix in prefixes() {
        let publish = role_template(&prefix, Role::Service).publish.allow;
        let timelines: Vec<_> = publish
            .iter()
            .filter(|subject| subject.contains(".history."))
            .collect();
        assert_eq!(timelines.len(), 2, "{timelines:?}");
        assert!(timelines.iter().all(|subject| subject.contains("{{")));
    }
}

#[test]
fn a_role_may_ask_what_each_question_says_that_it_may() {
    use Role::{Administrator, Agent, Approver, Auditor, Service};
    for prefix in prefixes() {
        for role in [Administrator, Approver, Auditor, Service, Agent] {
            let publish = role_template(&prefix, role).publish.allow;
            for question in QUESTIONS {
                let asked = prefix.query(&question.tail_of_key("{{name()}}"));
                let may = publish
                    .iter()
                    .any(|allowed| subject::covers(allowed, &asked));
                assert_eq!(may, question.askers.include(role), "{role}: {asked}");
            }
        }
    }
}

#[test]
fn an_agent_acknowledges_its_own_tasks_and_no_other_agents_in_either_form() {
    let prefix = Prefix::default();
    let publish = role_template(&prefix, Role::Agent).publish.allow;
    let own = "UOWN";
    let publish: Vec<_> = publish
        .iter()
        .map(|subject| subject.replace("{{subject()}}", own))
        .collect();
    let may = |subject: &str| {
        publish
            .iter()
            .any(|allowed| subject::covers(allowed, subject))
    };
    let is_exported = |subject: &str| {
        let exports = service_exports(&prefix);
        exports
            .iter()
            .any(|export| subject::covers(&export.subject, subject))
    };
    for form in [
        "$JS.ACK.KEYS_TASKS.{}.1.7.7.1790000000000000000.0",
        "$JS.ACK._.szMpdrwD.KEYS_TASKS.{}.1.7.7.1790000000000000000.0",
        "$JS.ACK.hub.szMpdrwD.KEYS_TASKS.{}.1.7.7.1790000000000000000.0.more",
    ] {
        let (own, other) = (form.replace("{}", own), form.replace("{}", "UOTHER"));
        assert!(may(&own) && is_exported(&own), "{own}");
        assert!(!may(&other), "{other}");
        assert!(!may(&own.replace("KEYS_TASKS", "KEYS_EVENTS")), "{own}");
    }
    // Nine tokens are the first form: here the stream and another agent stand where the second has domain and account.
    let disguised = format!("$JS.ACK.KEYS_TASKS.UOTHER.KEYS_TASKS.{own}.7.7.0");
    assert!(!may(&disguised), "{disguised}");
}
