//! Tasks that do not come from the ledger, or are not for this agent: none of them is walked.

use async_nats::HeaderMap;
use keyledger_domain::token::{FailureCode, Report};
use keyledger_wire::header;
use nkeys::KeyPair;
use serde_json::json;

use crate::world::{SERIAL, World};

#[tokio::test(flavor = "multi_thread")]
async fn no_forged_task_is_walked_or_ends_one_of_the_ledger() {
    let world = World::new().await;
    let agent = world.agent();
    let service = &world.service;
    let stranger = KeyPair::new_account();

    // Changed on the way: another serial number under the ledger's signature.
    let (_, record, headers) = service.task(&world.nkey, "reset", SERIAL, |_| {});
    let changed = record.replace(&SERIAL.to_string(), "27182818");
    service.publish("reset", changed.clone(), headers).await;
    // The same with a CID that fits, but a signature that does not.
    let mut fitted = service.sign(&changed, &stranger);
    fitted.insert(header::SIGNER, service.signer.public_key());
    service.publish("reset", changed, fitted).await;
    // Without a signature; not even JSON.
    let (_, record, _) = service.task(&world.nkey, "reset", SERIAL, |_| {});
    service.publish("reset", record, HeaderMap::new()).await;
    let rubbish = "\u{0}rubbish".to_owned();
    let headers = service.sign(&rubbish, &service.signer);
    service.publish("reset", rubbish, headers).await;
    // From the ledger, but for another agent, or no task.
    let other = KeyPair::new_user().public_key();
    let (_, record, headers) = service.task(&other, "reset", SERIAL, |_| {});
    service.publish("reset", record, headers).await;
    let (_, record, headers) = service.task(&world.nkey, "reset", SERIAL, |record| {
        record["data"]["workstation"] = json!("bobs-laptop");
    });
    service.publish("reset", record, headers).await;
    let (_, record, headers) = service.task(&world.nkey, "reset", SERIAL, |record| {
        record["type"] = json!("token.v1.task_refiled");
    });
    service.publish("reset", record, headers).await;

    world.wait_for_empty_queue().await;
    assert!(service.got().is_empty(), "{:#?}", service.got());
    assert!(world.token(SERIAL).is_empty());
    assert!(world.token(27_182_818).is_empty());
    let status = world.status().unwrap();
    assert!(status.tasks.is_empty());
    let trouble = status.connection.trouble.unwrap();
    assert!(trouble.contains("not walked"), "{trouble}");
    let log = agent.stderr();
    for said in [
        "its bytes are not those of its CID",
        "its signature is not by",
        "it has no Keyledger-Cid",
        "it is no event of the ledger",
        "it is for alice-laptop, agent U",
        "it is for bobs-laptop",
    ] {
        assert!(log.contains(said), "{said}:\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_that_the_enrolment_does_not_name_is_told_to_the_service() {
    let world = World::new().await;
    let _agent = world.agent();
    // As after a rotation of the ledger's signing key.
    let (task, record, _) = world.service.task(&world.nkey, "verify", SERIAL, |_| {});
    let rotated = KeyPair::new_account();
    let headers = world.service.sign(&record, &rotated);
    world.service.publish("verify", record, headers).await;
    world.wait_for_empty_queue().await;
    let reports = world.service.of(task);
    let [got] = &*reports else {
        panic!("{reports:#?}");
    };
    let Report::Failed(failure) = &got.report else {
        panic!("{got:#?}");
    };
    assert_eq!(failure.code, FailureCode::Untrusted);
    assert!(failure.detail.as_str().contains(&rotated.public_key()));
    assert!(world.token(SERIAL).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forger_cannot_end_a_task_that_is_walked() {
    let world = World::new().await;
    world.hold("proof");
    let _agent = world.agent();
    let (task, record, headers) = world.service.task(&world.nkey, "verify", SERIAL, |_| {});
    world
        .service
        .publish("verify", record.clone(), headers)
        .await;
    world
        .wait_for_status("held", |s| {
            s.tasks.iter().any(|t| t.at.as_deref() == Some("proof"))
        })
        .await;
    let forged = world.service.sign(&record, &KeyPair::new_account());
    world.service.publish("verify", record, forged).await;
    world
        .wait_for_status("told apart", |s| s.connection.trouble.is_some())
        .await;
    world.release("proof");
    world.wait_for_empty_queue().await;
    let reports = world.service.of(task);
    assert!(
        !reports
            .iter()
            .any(|g| matches!(g.report, Report::Failed(_))),
        "{reports:#?}"
    );
    assert!(world.token(SERIAL).contains(&"proved".to_owned()));
}
