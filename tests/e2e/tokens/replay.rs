//! Used message ids: whoever has one is given nothing that its first command was not given.

use keyledger_custody::CurveKey;
use keyledger_wire::Ids;
use serde_json::{Value, json};
use uuid::Uuid;

use super::workshop::{Workshop, opened};
use crate::agents::Agent;

/// What a token shows, as the agent of another workstation says.
fn announced(shop: &Workshop) -> Value {
    json!({
        "report": "announced", "serial": shop.token(0).serial(), "firmware": "5.7.1",
        "form_factor": "usb_a_keychain", "applets": ["piv"], "slots": [],
    })
}

fn wants(shop: &Workshop, what: &str, proof: Value) -> Value {
    let seal_to = CurveKey::generate().unwrap().public_nkey().to_owned();
    let mut report =
        json!({ "report": what, "serial": shop.token(0).serial(), "seal_to": seal_to });
    let proof = proof.as_object().unwrap().clone();
    report.as_object_mut().unwrap().extend(proof);
    report
}

fn is_refused(reply: &Value, reason: &str) {
    assert_eq!(reply["reason"], reason, "{reply}");
    assert!(reply["secrets"].is_null() && reply["escrowed"].is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_is_given_nothing_under_a_used_message_id() {
    let mut shop = Workshop::open(1).await;
    let lab = Agent::enrol(&shop.world, &shop.admin, "lab").await;
    shop.adopt(0).await;
    let mut notices = shop.notices(0).await;
    shop.provision(0, "person").await;
    shop.until_step(&mut notices, "certificates").await;
    shop.kill_agent();

    // The key that decrypts was given for this task of another agent, which is open.
    let used = Uuid::now_v7();
    let reply = lab.report_as("tokens", announced(&shop), used).await;
    assert_eq!(reply["status"], "accepted", "{reply}");
    let row = shop.row(0).await;
    let task = row["task"]["task"].as_str().unwrap();
    let nothing =
        json!({ "slot": "9a", "attester": "AAAA", "attestation": "AAAA", "proof": "AAAA" });
    let reply = lab
        .report_as(task, wants(&shop, "escrow_wanted", nothing), used)
        .await;
    is_refused(&reply, "message_id_reused");

    shop.start_agent();
    shop.until_ended(0).await;
    shop.is_provisioned(0).await;
    // A task that is given no secrets, at a workstation that is not the token's home.
    let verify = json!({ "workstation": "lab" });
    let filed = shop.admin.send("token.verify", &shop.name(0), verify).await;
    let task = filed.unwrap()["command_id"].as_str().unwrap().to_owned();
    let wanted = wants(&shop, "secrets_wanted", json!({}));
    let reply = lab.report_as(&task, wanted.clone(), used).await;
    is_refused(&reply, "message_id_reused");
    let reply = lab.report(&task, wanted).await;
    assert_eq!(reply["status"], "accepted", "{reply}");
    assert!(reply["secrets"].is_null(), "it goes without: {reply}");
    let _ = shop.world.verify(&shop.admin).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approver_is_given_nothing_under_the_message_id_of_another() {
    let shop = Workshop::open(1).await;
    shop.adopt(0).await;
    shop.provision(0, "service").await;
    shop.until_ended(0).await;
    let name = shop.name(0);
    let grace = shop.somebody("grace", "approver").await;
    let heidi = shop.somebody("heidi", "approver").await;
    let (hers, other) = (CurveKey::generate().unwrap(), CurveKey::generate().unwrap());
    let asks =
        |curve: &CurveKey| json!({ "reason": "PIN blocked", "seal_to": curve.public_nkey() });
    let ids = Ids::root(Uuid::now_v7());

    let done = grace
        .send_as("token.release", &name, asks(&hers), ids)
        .await;
    let given = opened(&hers, &done.unwrap());
    let again = grace
        .send_as("token.release", &name, asks(&hers), ids)
        .await;
    assert_eq!(opened(&hers, &again.unwrap()), given);
    for (who, curve) in [(&heidi, &other), (&heidi, &hers), (&grace, &other)] {
        let refused = who.send_as("token.release", &name, asks(curve), ids).await;
        is_refused(&refused.unwrap_err(), "message_id_reused");
    }

    let rotate = shop.admin.send("token.rotate-secrets", &name, json!({}));
    rotate.await.unwrap();
    let row = shop.until_ended(0).await;
    assert_eq!(row["last_task"]["done"], true, "{row:#}");
    // Whether they are erased by now or not: the new ones were released to nobody.
    let late = grace
        .send_as("token.release", &name, asks(&hers), ids)
        .await;
    match late {
        Ok(done) => assert_eq!(opened(&hers, &done), given),
        Err(refused) => is_refused(&refused, "message_id_reused"),
    }
    let _ = shop.world.verify(&shop.admin).await;
}
