//! Evidence that does not fit: the token is put into quarantine, and nobody relies on its keys.

use keyledger_custody::CurveKey;
use keyledger_testkit::token::Fault;
use serde_json::{Value, json};

use super::workshop::Workshop;

/// What is forged, and the word by which the ledger names it.
fn forgeries() -> [(Fault, &'static str); 3] {
    [
        (Fault::AttestsOtherSerial { slot: 0x9a }, "is of token"),
        (Fault::AttestsOtherKey { slot: 0x9a }, "another key"),
        (Fault::AttestsWithoutTouch { slot: 0x9c }, "touch policy"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_with_forged_attestations_is_quarantined() {
    let count = forgeries().len();
    let shop = Workshop::open(count).await;
    for (index, (fault, _)) in forgeries().into_iter().enumerate() {
        shop.adopt(index).await;
        shop.token(index).fault(fault);
        // Touch is asked for by the administrator's profile only.
        let profile = if index == 2 {
            "offline-root"
        } else {
            "service"
        };
        shop.provision(index, profile).await;
    }
    for (index, (fault, word)) in forgeries().into_iter().enumerate() {
        let row = shop.until_ended(index).await;
        assert_eq!(
            row["state"],
            "quarantined",
            "{fault:?}: {row:#}\n{}",
            shop.agent_log()
        );
        let said = row["fault"].as_str().unwrap();
        assert!(said.contains(word), "{fault:?}: {said}");
        assert_eq!(row["keys"], serde_json::Value::Null, "{fault:?}");
    }
    let _ = shop.world.verify(&shop.admin).await;
}

/// It may be newer than the service: what is on it stays until somebody is believed to vouch for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_nobody_is_known_to_vouch_for_is_left_as_it_is() {
    let shop = Workshop::open(1).await;
    shop.adopt(0).await;
    shop.provision(0, "service").await;
    shop.until_ended(0).await;
    shop.is_provisioned(0).await;
    let before = shop.token(0).state();
    shop.token(0).fault(Fault::AttestsUnderUnknownRoot);
    shop.provision(0, "service").await;
    let row = shop.until_ended(0).await;
    assert_eq!(row["state"], "provisioned", "{row:#}");
    assert_eq!(row["last_task"]["done"], false, "{row:#}");
    let said = row["fault"].as_str().unwrap();
    let authority = "no trusted authority is called CN=Yubico PIV Attestation Z 1";
    assert!(said.contains(authority), "{said}");
    assert!(said.contains("keyledger token trust add FILE"), "{said}");
    let after = shop.token(0).state();
    assert_eq!((after.slots, after.objects), (before.slots, before.objects));
    shop.is_provisioned(0).await;
    let _ = shop.world.verify(&shop.admin).await;
}

/// Whoever has the workstation has the agent's nkey, and all that the ledger says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_of_an_earlier_task_proves_nothing() {
    let mut shop = Workshop::open(1).await;
    shop.adopt(0).await;
    shop.provision(0, "service").await;
    shop.until_ended(0).await;
    shop.is_provisioned(0).await;
    let (evidence, keys_made) = earlier(&shop).await;
    shop.kill_agent();

    let name = shop.name(0);
    let filed = shop
        .admin
        .send("token.verify", &name, json!({}))
        .await
        .unwrap();
    let task = filed["command_id"].as_str().unwrap();
    let thief = shop.as_agent().await;
    // Keys are made in no task but a provisioning.
    let refusal = thief.report(task, keys_made).await;
    assert_ne!(refusal["status"], "accepted", "{refusal}");
    let reply = thief.report(task, evidence).await;
    assert_eq!(reply["state"], "quarantined", "{reply}");
    assert!(
        reply["fault"].as_str().unwrap().contains("nonce"),
        "{reply}"
    );
    let _ = shop.world.verify(&shop.admin).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_the_agents_nkey_but_not_the_token_is_given_no_key_of_custody() {
    let mut shop = Workshop::open(1).await;
    shop.adopt(0).await;
    shop.provision(0, "person").await;
    shop.until_ended(0).await;
    shop.is_provisioned(0).await;
    let (evidence, _) = earlier(&shop).await;
    shop.kill_agent();

    shop.provision(0, "person").await;
    let row = shop.row(0).await;
    let task = row["task"]["task"].as_str().unwrap();
    let thief = shop.as_agent().await;
    let curve = CurveKey::generate().unwrap();
    let mut wanted = json!({
        "report": "escrow_wanted", "serial": evidence["serial"], "seal_to": curve.public_nkey(),
    });
    // Without a word of proof; and with all that the ledger has of the same key.
    let reply = thief.report(task, wanted.clone()).await;
    assert_eq!(reply["reason"], "malformed", "{reply}");
    let proof = &evidence["slots"][0];
    wanted["attester"] = evidence["attester"].clone();
    for field in ["slot", "attestation", "proof"] {
        wanted[field] = proof[field].clone();
    }
    let reply = thief.report(task, wanted).await;
    assert_eq!(reply["state"], "quarantined", "{reply}");
    let fault = reply["fault"].as_str().unwrap();
    assert!(fault.contains("did not prove itself"), "{fault}");
    assert_eq!(reply["escrowed"], Value::Null);
    let history = format!("history.token.{}", shop.name(0));
    let history = shop.admin.ask(&history, json!({})).await;
    let given = history.as_array().unwrap().iter();
    let given = given.filter(|e| e["event"] == "escrowed_key_released");
    assert_eq!(given.count(), 1, "only the agent's own");
    let _ = shop.world.verify(&shop.admin).await;
}

/// What the agent reported at the end of its task, out of the ledger; and a report of keys made of it.
async fn earlier(shop: &Workshop) -> (Value, Value) {
    let stored = shop.world.stored().await;
    let event = stored
        .iter()
        .find(|e| e.subject.ends_with(".provisioned"))
        .unwrap();
    let event: Value = serde_json::from_slice(&event.payload).unwrap();
    let mut evidence = event["data"]["evidence"].clone();
    let keys: Vec<_> = evidence["slots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|slot| json!({ "slot": slot["slot"], "attestation": slot["attestation"] }))
        .collect();
    let made = json!({
        "report": "keys_made", "serial": evidence["serial"], "attester": evidence["attester"], "keys": keys,
    });
    evidence["report"] = "proved".into();
    (evidence, made)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_yubico_did_not_publish_cannot_be_trusted() {
    let shop = Workshop::open(1).await;
    let admin = &shop.admin;
    let operator = admin.ask("operator", json!({})).await;
    let operator = operator["name"].as_str().unwrap();
    let history = format!("history.operator.{operator}");
    let before = admin.ask(&history, json!({})).await;

    let stranger = json!({ "certificates": shop.tokens.attestation_root_pem() });
    let refused = admin.send("operator.trust", operator, stranger).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused["reason"], "bad_value", "{refused}");
    let said = refused["message"].as_str().unwrap();
    assert!(said.contains("no pin for"), "{said}");

    let embedded =
        include_str!("../../../crates/keyledger-pki/src/x509/yubico/piv-attestation-a-1.pem");
    let again = json!({ "certificates": embedded });
    let done = admin.send("operator.trust", operator, again).await;
    assert_eq!(done.unwrap()["status"], "accepted");
    // Not the whole ledger's end: the agent may still tell of a token.
    assert_eq!(admin.ask(&history, json!({})).await, before);

    let trusted = admin.ask("tokens.trust", json!({})).await;
    let origins = trusted["authorities"].as_array().unwrap().iter();
    let origins: Vec<_> = origins.map(|it| it["origin"].as_str().unwrap()).collect();
    assert_eq!(origins, ["embedded", "embedded", "embedded", "test"]);
}
