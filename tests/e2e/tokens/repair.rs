//! What goes wrong in a token's life, and how it is put right: a blocked PIN, secrets that were given away.

use std::time::Duration;

use keyledger_custody::CurveKey;
use keyledger_testkit::{
    run,
    token::{Fault, When},
};
use serde_json::json;

use super::workshop::{PIN, Workshop, opened};

/// A wrong PIN as often as it takes.
async fn block_the_pin(shop: &Workshop) {
    for _ in 0..6 {
        let mut ykman = shop.tokens.ykman(&shop.token(0));
        ykman.args([
            "piv",
            "access",
            "change-pin",
            "-P",
            "11111111",
            "-n",
            "22222222",
        ]);
        let tried = run(ykman, b"", Duration::from_secs(60)).await;
        assert_ne!(tried.code, Some(127), "{}", tried.stderr);
        if shop.token(0).state().pin_tries_left == 0 {
            return;
        }
    }
    panic!("the PIN is not blocked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_pin_is_unblocked_and_released_secrets_are_made_anew() {
    let shop = Workshop::open(1).await;
    shop.adopt(0).await;
    shop.provision(0, "service").await;
    shop.until_ended(0).await;
    shop.is_provisioned(0).await;
    let name = shop.name(0);
    block_the_pin(&shop).await;

    shop.admin
        .send("token.unblock", &name, json!({}))
        .await
        .unwrap();
    let row = shop.until_ended(0).await;
    assert_eq!(
        row["last_task"]["done"],
        true,
        "{row:#}\n{}",
        shop.agent_log()
    );
    assert!(shop.token(0).pin_is(PIN));
    shop.is_provisioned(0).await;

    // Nobody but an approver is given them, whoever else may command everything.
    let curve = CurveKey::generate().unwrap();
    let body = json!({ "reason": "PIN blocked", "seal_to": curve.public_nkey() });
    let refusal = shop.admin.send("token.release", &name, body.clone()).await;
    assert_eq!(refusal.unwrap_err()["reason"], "unauthorised");
    let approver = shop.somebody("grace", "approver").await;
    let done = approver.send("token.release", &name, body).await.unwrap();
    let before = opened(&curve, &done);
    assert!(shop.token(0).puk_is(before["puk"].as_str().unwrap()));

    shop.admin
        .send("token.rotate-secrets", &name, json!({}))
        .await
        .unwrap();
    let row = shop.until_ended(0).await;
    assert_eq!(
        row["last_task"]["done"],
        true,
        "{row:#}\n{}",
        shop.agent_log()
    );
    assert!(!shop.token(0).puk_is(before["puk"].as_str().unwrap()));
    let again = json!({ "reason": "to see", "seal_to": curve.public_nkey() });
    let done = approver.send("token.release", &name, again).await.unwrap();
    let after = opened(&curve, &done);
    assert!(shop.token(0).puk_is(after["puk"].as_str().unwrap()));
    let history = shop
        .admin
        .ask(&format!("history.token.{name}"), json!({}))
        .await;
    let released = history
        .as_array()
        .unwrap()
        .iter()
        .filter(|e| e["event"] == "secrets_released");
    // Twice to the approver, and to the agent for each of the two tasks.
    assert_eq!(released.count(), 4);
    let _ = shop.world.verify(&shop.admin).await;
}

/// A verification is given the management key at the token's home, and nothing else of what is in custody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verification_sees_a_management_key_that_somebody_changed() {
    let mut shop = Workshop::open(1).await;
    shop.adopt(0).await;
    shop.provision(0, "service").await;
    shop.until_ended(0).await;
    shop.is_provisioned(0).await;
    let (name, curve) = (shop.name(0), CurveKey::generate().unwrap());
    let approver = shop.somebody("grace", "approver").await;
    let body = json!({ "reason": "to change it", "seal_to": curve.public_nkey() });
    let done = approver.send("token.release", &name, body).await.unwrap();
    let known = opened(&curve, &done);

    shop.kill_agent();
    let filed = shop.admin.send("token.verify", &name, json!({})).await;
    let task = filed.unwrap()["command_id"].as_str().unwrap().to_owned();
    let wanted = json!({
        "report": "secrets_wanted", "serial": shop.token(0).serial(), "seal_to": curve.public_nkey(),
    });
    let reply = shop.as_agent().await.report(&task, wanted).await;
    let given = opened(&curve, &json!({ "secrets": [reply["secrets"].clone()] }));
    let expected = json!({
        "management_key": known["management_key"],
        "management_key_algorithm": known["management_key_algorithm"],
    });
    assert_eq!(given, expected);

    // The very same task finds it to be the token's; the next one does not.
    shop.start_agent();
    let row = shop.until_ended(0).await;
    assert_eq!(
        row["last_task"]["done"],
        true,
        "{row:#}\n{}",
        shop.agent_log()
    );
    let mut ykman = shop.tokens.ykman(&shop.token(0));
    ykman.args(["piv", "access", "change-management-key", "-f", "-m"]);
    ykman.arg(known["management_key"].as_str().unwrap());
    ykman.args(["-n", "0102030405060708010203040506070801020304050607ff"]);
    let changed = run(ykman, b"", Duration::from_secs(60)).await;
    let _ = changed.expect_success();
    shop.admin
        .send("token.verify", &name, json!({}))
        .await
        .unwrap();
    let row = shop.until_ended(0).await;
    assert_eq!(row["last_task"]["done"], false, "{row:#}");
    let fault = row["fault"].as_str().unwrap();
    assert!(fault.contains("none that custody has"), "{fault}");
    let _ = shop.world.verify(&shop.admin).await;
}

/// What the cancelled task set is doubtful to the ledger, and the token has it: the agent is given that too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_whose_rotation_was_cancelled_half_way_is_rotated_again() {
    let shop = Workshop::open(1).await;
    shop.adopt(0).await;
    shop.provision(0, "service").await;
    shop.until_ended(0).await;
    shop.is_provisioned(0).await;
    let (name, token) = (shop.name(0), shop.token(0));
    token.fault(Fault::Remove {
        instruction: 0x24, // CHANGE REFERENCE DATA: the management key was set before
        nth: 1,
        when: When::After,
    });
    shop.admin
        .send("token.rotate-secrets", &name, json!({}))
        .await
        .unwrap();
    for _ in 0..600 {
        if !token.state().inserted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!token.state().inserted, "{}", shop.agent_log());
    let cancel = json!({ "reason": "there is no time for it" });
    shop.admin
        .send("token.cancel", &name, cancel)
        .await
        .unwrap();
    token.insert();

    // The agent ends the one before it takes the next.
    for verb in ["token.rotate-secrets", "token.unblock"] {
        shop.admin.send(verb, &name, json!({})).await.unwrap();
        let row = shop.until_ended(0).await;
        assert_eq!(
            row["last_task"]["done"],
            true,
            "{verb}: {row:#}\n{}",
            shop.agent_log()
        );
        shop.is_provisioned(0).await;
    }
    let curve = CurveKey::generate().unwrap();
    let approver = shop.somebody("grace", "approver").await;
    let body = json!({ "reason": "to see", "seal_to": curve.public_nkey() });
    let done = approver.send("token.release", &name, body).await.unwrap();
    let known = opened(&curve, &done);
    assert!(token.puk_is(known["puk"].as_str().unwrap()));
    let _ = shop.world.verify(&shop.admin).await;
}
