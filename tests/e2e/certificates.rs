//! The organisation's authorities in daily use, judged by `openssl`: lists of every authority of a chain, one certificate revoked by
//! its serial number, requests of others, names that nothing burns.

use std::fs;

use serde_json::{Value, json};

use crate::{
    authority::Desk,
    world::{Admin, World},
};

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// A root, and an authority below it.
async fn organisation(desk: &Desk<'_>) {
    let _ = desk
        .done([
            "create root --subject CN=Root,O=Example",
            "create issuing --subject Issuing --issuer root",
            "chain root --leaf --out root.pem",
            "chain issuing --leaf --out issuing.pem",
        ])
        .await;
}

/// A key to be certified.
async fn key(admin: &Admin, name: &str) {
    let body = json!({ "algorithm": "p-256", "activate": true });
    admin.send("key.generate", name, body).await.unwrap();
}

/// What `openssl` says of the web server's chain, with the list of each authority in it.
async fn judged(desk: &Desk<'_>) -> Result<String, String> {
    let _ = desk
        .done(["crl root --out root.crl", "crl issuing --out issuing.crl"])
        .await;
    let verify = "verify -x509_strict -crl_check_all -CAfile root.pem -CRLfile root.crl -CRLfile issuing.crl -untrusted issuing.pem \
                  web.pem";
    let run = desk.openssl(verify).await;
    let said = format!("{}{}", run.stdout, run.stderr);
    if run.code == Some(0) {
        Ok(said)
    } else {
        Err(said)
    }
}

#[tokio::test]
async fn every_list_of_a_chain_passes_until_one_certificate_is_revoked() {
    let world = World::new().await;
    let _service = world.serve().await;
    let admin = world.administrator().await;
    let desk = Desk::new(&world);
    organisation(&desk).await;
    key(&admin, "web").await;
    let certify = "certify web --issuer issuing --subject www.example.org --usage server_auth --dns www.example.org --ip 192.0.2.7 \
                   --days";
    let said = desk.ca(&format!("{certify} 4000d")).await.expect_success();
    assert!(said.contains("CUT SHORT"), "{said}");
    let renewed = desk.ca(&format!("{certify} 90d --json")).await;
    let renewed = json_of(&renewed.expect_success());
    assert!(
        renewed["certificate"]["cut_short_from"].is_null(),
        "{renewed}"
    );
    let _ = desk.done(["chain web --leaf --out web.pem"]).await;
    let said = judged(&desk).await.unwrap();
    assert!(said.contains("OK"), "{said}");
    let text = desk.openssl("x509 -in web.pem -noout -text").await;
    assert!(text.expect_success().contains("IP Address:192.0.2.7"));

    let serial = renewed["certificate"]["serial"].as_str().unwrap();
    let revoke = format!(
        "revoke issuing --serial {} --revocation-reason superseded --reason renamed",
        serial.to_uppercase()
    );
    let _ = desk.done([&revoke]).await;
    let said = judged(&desk).await.unwrap_err();
    assert!(said.contains("certificate revoked"), "{said}");
    assert_eq!(
        admin.ask("inventory.show.web", json!({})).await["state"],
        "active"
    );
    let listed = desk
        .ca("certificates issuing --json")
        .await
        .expect_success();
    let listed = json_of(&listed);
    let states: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["state"])
        .collect();
    assert!(
        states.contains(&&json!("revoked")) && states.contains(&&json!("valid")),
        "{listed}"
    );
    assert_eq!(listed[0]["names"], json!(["www.example.org", "192.0.2.7"]));
    let shown = desk.ca("list").await.expect_success();
    assert!(
        shown.contains("CN=Root,O=Example") && shown.contains("itself"),
        "{shown}"
    );
    let shown = desk.ca("show issuing --json").await.expect_success();
    assert_eq!(json_of(&shown)["listed"], 1);
    let _ = world.verify(&admin).await;
}

#[tokio::test]
async fn authorities_renew_their_certificates_and_what_they_issued_goes_on() {
    let world = World::new().await;
    let _service = world.serve().await;
    let admin = world.administrator().await;
    let desk = Desk::new(&world);
    organisation(&desk).await;
    key(&admin, "web").await;
    let certify = "certify web --issuer issuing --subject www.example.org --days 90d";
    let _ = desk.done([certify, "chain web --leaf --out web.pem"]).await;
    let before = json_of(&desk.done(["show root --json"]).await);
    let said = desk.done(["renew root"]).await;
    assert!(said.contains("certified root"), "{said}");
    let _ = desk.done(["renew issuing --days 400d"]).await;
    let after = json_of(&desk.done(["show root --json"]).await);
    assert_ne!(after["serial"], before["serial"]);
    for same in ["subject", "path_length", "issuer"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    // The old certificate of the web server under the new one of the root, and the other way round.
    let said = judged(&desk).await.unwrap();
    assert!(said.contains("OK"), "{said}");
    let _ = desk
        .done([
            "chain root --leaf --out root.pem",
            "chain issuing --leaf --out issuing.pem",
        ])
        .await;
    let said = judged(&desk).await.unwrap();
    assert!(said.contains("OK"), "{said}");
    let refused = desk.ca("renew web").await.expect_failure();
    assert!(refused.contains("web is no authority"), "{refused}");
    let refused = desk.ca("renew root --request r").await.expect_failure();
    assert!(refused.contains("leave --request out"), "{refused}");
    let _ = world.verify(&admin).await;
}

#[tokio::test]
async fn what_cannot_be_certified_takes_no_name() {
    let world = World::new().await;
    let _service = world.serve().await;
    let _admin = world.administrator().await;
    let desk = Desk::new(&world);
    for (line, words) in [
        (
            format!("create root --subject {}", "x".repeat(65)),
            "1 to 64",
        ),
        (
            "create root --subject CN=Root,XX=Example".to_owned(),
            "no \"XX\" here",
        ),
        ("create root --subject Root --days 7301d".to_owned(), "7300"),
    ] {
        let refused = desk.ca(&line).await.expect_failure();
        assert!(refused.contains(words), "{line}: {refused}");
        assert!(!world.has_key("root").await, "{line}");
    }
    let _ = desk.done(["create root --subject Root"]).await;
    // A root that another has the key of, and whose certificate holds for too long.
    let _ = desk
        .openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.key -subj /CN=Far -days 9000 -out far.pem -addext keyUsage=critical,keyCertSign,cRLSign")
        .await
        .expect_success();
    let refused = desk
        .ca("register far --certificate far.pem")
        .await
        .expect_failure();
    assert!(refused.contains("7300 days at most"), "{refused}");
    assert!(!world.has_key("far").await);
}

#[tokio::test]
async fn a_request_of_somebody_else_is_certified_under_a_name_of_its_own() {
    let world = World::new().await;
    let _service = world.serve().await;
    let admin = world.administrator().await;
    let desk = Desk::new(&world);
    organisation(&desk).await;
    let _ = desk
        .openssl("req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.key -subj /CN=whatever -out web.csr")
        .await
        .expect_success();
    let certify = "certify web --csr web.csr --issuer issuing --subject www.example.org --usage server_auth --dns www.example.org \
                   --days 36h";
    let _ = desk.done([certify]).await;
    let _ = desk.done(["chain web --leaf --out web.pem"]).await;
    let said = judged(&desk).await.unwrap();
    assert!(said.contains("OK"), "{said}");
    // Again, over the key that is known now; and not under a name of another key.
    let _ = desk.done([certify]).await;
    key(&admin, "other").await;
    let refused = desk
        .ca(&certify.replace("certify web", "certify other"))
        .await
        .expect_failure();
    assert!(
        refused.contains("is not the key of the request"),
        "{refused}"
    );
    // The service itself looks at the request.
    let csr = fs::read_to_string(desk.path("web.csr")).unwrap();
    let body = json!({ "issuer": "issuing", "subject": "Other", "days": 3, "request": csr });
    let refused = admin.send("key.certify", "other", body).await.unwrap_err();
    let said = refused["message"].as_str().unwrap();
    assert!(
        said.contains("field request") && said.contains("another public key"),
        "{said}"
    );
}

#[tokio::test]
async fn rsa_keys_of_custody_and_of_others_are_certified_and_openssl_agrees() {
    let world = World::new().await;
    let _service = world.serve().await;
    let admin = world.administrator().await;
    let desk = Desk::new(&world);
    organisation(&desk).await;
    for bits in [2_048, 4_096] {
        let algorithm = format!("rsa-{bits}");
        let (own, theirs) = (format!("own-{bits}"), format!("theirs-{bits}"));
        let body = json!({ "algorithm": algorithm, "activate": true });
        admin.send("key.generate", &own, body).await.unwrap();
        let request = format!(
            "req -new -newkey rsa:{bits} -nodes -keyout {theirs}.key -subj /CN=x -out {theirs}.csr"
        );
        let _ = desk.openssl(&request).await.expect_success();
        for (name, csr) in [
            (&own, String::new()),
            (&theirs, format!("--csr {theirs}.csr ")),
        ] {
            let certify = format!(
                "certify {name} {csr}--issuer issuing --subject {name}.example.org --usage server_auth --dns {name}.example.org --days 36h"
            );
            let _ = desk.done([&*certify]).await;
            let chain = format!("chain {name} --leaf --out web.pem");
            let _ = desk.done([&*chain]).await;
            let said = judged(&desk).await.unwrap();
            assert!(said.contains("OK"), "{said}");
            let shown = desk.openssl("x509 -in web.pem -noout -text").await;
            let length = format!("Public-Key: ({bits} bit)");
            assert!(shown.expect_success().contains(&length), "{name}");
            let row = admin.key(name).await;
            assert_eq!(row["algorithm"], *algorithm, "{row}");
        }
    }
    let request = "req -new -newkey rsa:2560 -nodes -keyout odd.key -subj /CN=x -out odd.csr";
    let _ = desk.openssl(request).await.expect_success();
    let certify =
        "certify odd --csr odd.csr --issuer issuing --subject odd --usage client_auth --days 36h";
    let refused = desk.ca(certify).await.expect_failure();
    assert!(
        refused.contains("2560") && refused.contains("RSA of 2048, 3072 or 4096 bits"),
        "{refused}"
    );
    assert!(!world.has_key("odd").await);
}

#[tokio::test]
async fn nothing_in_a_ledger_stops_a_list() {
    let world = World::new().await;
    let _service = world.serve().await;
    let admin = world.administrator().await;
    let desk = Desk::new(&world);
    organisation(&desk).await;
    key(&admin, "web").await;
    let certify = "certify web --issuer issuing --subject www.example.org --days 90d";
    let _ = desk.done([certify]).await;
    let revoke = |at: &str| json!({ "revocation_reason": "key_compromise", "reason": "stolen", "compromise_occurred_at": at });
    let refused = admin
        .send("key.revoke", "web", revoke("0226-11-20T00:00:00Z"))
        .await
        .unwrap_err();
    assert_eq!(refused["reason"], "bad_date");
    let deactivate = json!({ "reason": "over" });
    admin
        .send("key.deactivate", "issuing", deactivate.clone())
        .await
        .unwrap();
    let refused = admin
        .send("key.destroy", "issuing", deactivate)
        .await
        .unwrap_err();
    assert_eq!(refused["reason"], "in_use");
    let _ = desk.done(["crl issuing --out issuing.crl"]).await;
}
