use keyledger_claims::{AccountClaims, account::Import, subject};
use keyledger_domain::{
    Role,
    account::intent::{self, Permissions, Subjects},
};
use keyledger_wire::{Prefix, questions::QUESTIONS};

use super::*;
use crate::trust::fixture::Fixture;

fn prefixes() -> [Prefix; 2] {
    ["keys", "acme.security.keys"].map(|prefix| prefix.parse().unwrap())
}

/// The account claims of a client in the newest version.
fn client(prefix: &Prefix) -> AccountClaims {
    Fixture::new(prefix, TemplateVersion::NEWEST).claims("admin")
}

fn may(prefix: &Prefix, role: Role) -> Permissions {
    super::role(prefix, TemplateVersion::NEWEST, role).permissions
}

fn texts(subjects: &Subjects) -> Vec<String> {
    subjects.allow.iter().map(ToString::to_string).collect()
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
        for version in TemplateVersion::ALL {
            let fixture = Fixture::new(&prefix, version);
            for account in ["keys", "views"] {
                let body = fixture.claims(account).nats;
                assert!(body.exports.iter().all(|export| export.token_req));
                for (at, one) in body.exports.iter().enumerate() {
                    for other in &body.exports[at + 1..] {
                        assert!(
                            !subject::overlaps(&one.subject, &other.subject),
                            "{one:?} {other:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn every_account_of_every_version_is_valid() {
    for prefix in prefixes() {
        for version in TemplateVersion::ALL {
            let fixture = Fixture::new(&prefix, version);
            for account in fixture.names() {
                let issues = fixture.claims(account).validate();
                assert!(issues.is_empty(), "{version} {account}: {issues:?}");
            }
        }
    }
}

/// Accounts are upgraded one after the other, the exporters first: what the others import still must be there.
#[test]
fn every_import_is_of_something_exported_in_that_version_and_in_later_ones() {
    for prefix in prefixes() {
        for version in TemplateVersion::ALL {
            let fixture = Fixture::new(&prefix, version);
            let later = TemplateVersion::ALL.into_iter().filter(|it| *it >= version);
            for exporting in later.map(|later| Fixture::new(&prefix, later)) {
                let exports: Vec<_> = ["keys", "views"]
                    .map(|account| exporting.claims(account).nats.exports)
                    .concat();
                for import in fixture
                    .names()
                    .flat_map(|account| fixture.claims(account).nats.imports)
                {
                    let found = exports.iter().any(|export| {
                        export.kind == import.kind
                            && subject::covers(&export.subject, &import.subject)
                    });
                    assert!(found, "{import:?}");
                }
            }
        }
    }
}

#[test]
fn an_account_imports_from_those_that_its_purpose_says_only() {
    let prefix = Prefix::default();
    for version in TemplateVersion::ALL {
        let fixture = Fixture::new(&prefix, version);
        for account in fixture.names() {
            let purpose = fixture.account(account).purpose;
            let imports = template(&prefix, version, purpose, "A").imports;
            for import in imports {
                let intent::Exporter::Account(from) = &import.from else {
                    panic!("{import:?}");
                };
                let from = fixture.account(from.as_str()).purpose;
                assert!(
                    purpose.imports_from().contains(&from),
                    "{account}: {from:?}"
                );
            }
        }
    }
}

#[test]
fn commands_questions_and_watches_tell_who_sends_them() {
    let prefix = Prefix::default();
    let client = client(&prefix);
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
        for import in &client(&prefix).nats.imports {
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
        for import in &client(&prefix).nats.imports {
            let subject = &import.subject;
            for forbidden in ["$JS.API.CONSUMER.", "$JS.FC.", "$JS.ACK.", "$JS.API.>"] {
                assert!(!subject.starts_with(forbidden), "{subject}");
            }
        }
        for role in Role::OF_CLIENTS {
            let publish = texts(&may(&prefix, role).publish);
            assert!(!publish.iter().any(|s| s.starts_with("$JS.FC")), "{role}");
        }
    }
}

#[test]
fn a_user_hears_its_own_answers_only() {
    for prefix in prefixes() {
        for role in Role::ALL {
            let subscribe = texts(&may(&prefix, role).subscribe);
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
        let publish = texts(&may(&prefix, role).publish);
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
            let Permissions {
                publish, subscribe, ..
            } = may(&prefix, role);
            for subject in texts(&publish).iter().chain(&texts(&subscribe)) {
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
        let publish = texts(&may(&prefix, Role::Service).publish);
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
            let publish = texts(&may(&prefix, role).publish);
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
    let publish = texts(&may(&prefix, Role::Agent).publish);
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
        let exports = sharing::service_exports(&prefix, TemplateVersion::NEWEST);
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

#[test]
fn the_second_version_gives_agents_the_acknowledgement_with_domain_and_account() {
    let prefix = Prefix::default();
    let subject = "$JS.ACK.hub.szMpdrwD.KEYS_TASKS.{{subject()}}.1.7.7.1790000000000000000.0";
    let may = |version| {
        let allowed = texts(
            &super::role(&prefix, version, Role::Agent)
                .permissions
                .publish,
        );
        allowed.iter().any(|it| subject::covers(it, subject))
    };
    assert!(!may(TemplateVersion::V1) && may(TemplateVersion::V2));
}
