//! A token's life where nothing goes wrong, and what must be seen nowhere.

use std::{fs, process::Command, time::Duration};

use data_encoding::BASE64;
use keyledger_domain::token::{Profile, Slot, SubjectPart};
use keyledger_testkit::run;
use serde_json::json;

use super::workshop::{PIN, Workshop};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_provisioned_verified_and_lost() {
    let shop = Workshop::open(1).await;
    shop.adopt(0).await;
    let mut profile = Profile::shipped("service").unwrap();
    let plan = profile.piv.get_mut(&Slot::AUTHENTICATION).unwrap();
    let subject = ["CN={title}", "OU=Keys, and more", "serialNumber={serial}"];
    let parts = subject.map(|part| SubjectPart::parse(part).unwrap());
    plan.certificate.as_mut().unwrap().subject = parts.to_vec();
    shop.provision_with(0, profile).await;
    shop.until_ended(0).await;
    shop.is_provisioned(0).await;
    let name = shop.name(0);
    let ours = format!("CN=Ada Lovelace,OU=Keys\\, and more,serialNumber={name}");
    openssl_agrees(&shop, "9a", &ours).await;
    openssl_agrees(&shop, "9c", "CN=Ada Lovelace,UID=ada").await;

    shop.admin
        .send("token.verify", &name, json!({}))
        .await
        .unwrap();
    let row = shop.until_ended(0).await;
    assert_eq!(row["last_task"]["done"], true, "{row:#}");
    assert_eq!(row["fault"], serde_json::Value::Null);

    let keys: Vec<String> = row["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|k| k["key"].as_str().unwrap().to_owned())
        .collect();
    let lines = shop.admin.ask("ssh.authorized_keys.ada", json!({})).await;
    assert_eq!(lines["lines"].as_array().unwrap().len(), 1, "{lines}");
    shop.admin
        .send(
            "token.lose",
            &name,
            json!({ "reason": "left on the train" }),
        )
        .await
        .unwrap();
    for key in &keys {
        assert_eq!(shop.admin.key(key).await["state"], "compromised");
    }
    let lines = shop.admin.ask("ssh.authorized_keys.ada", json!({})).await;
    assert_eq!(lines["lines"], json!([]));
    let crl = shop
        .admin
        .ask("certificates.crl.issuing-ca", json!({}))
        .await;
    let file = shop.world.path("list.crl");
    fs::write(
        &file,
        BASE64
            .decode(crl["crl"].as_str().unwrap().as_bytes())
            .unwrap(),
    )
    .unwrap();
    let mut openssl = Command::new("openssl");
    openssl
        .args(["crl", "-inform", "DER", "-noout", "-text", "-in"])
        .arg(&file);
    let text = run(openssl, b"", Duration::from_secs(60))
        .await
        .expect_success()
        .to_lowercase();
    for key in row["keys"].as_array().unwrap() {
        if let Some(serial) = key["certificate_serial"].as_str() {
            assert!(text.contains(serial), "{serial} is not in\n{text}");
        }
    }
    let _ = shop.world.verify(&shop.admin).await;
}

/// The certificates lead to the root and are for whom they should be, by a judge of another house.
async fn openssl_agrees(shop: &Workshop, slot: &str, subject: &str) {
    let pem = |certified: &serde_json::Value| {
        let der = certified["certificate"].as_str().unwrap();
        format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n")
    };
    let row = shop.row(0).await;
    let mut keys = row["keys"].as_array().unwrap().iter();
    let place = format!("piv.{slot}");
    let on_it = keys.find(|key| key["place"] == place).unwrap();
    let key = on_it["key"].as_str().unwrap();
    let found = shop
        .admin
        .ask(&format!("certificates.{key}"), json!({}))
        .await;
    let chain = found["chain"].as_array().unwrap();
    assert_eq!(chain.len(), 2, "{found:#}");
    let path = |name: &str| shop.world.path(name);
    fs::write(path("leaf.pem"), pem(&found["certificates"][0])).unwrap();
    fs::write(path("issuing.pem"), pem(&chain[0])).unwrap();
    fs::write(path("ca.pem"), pem(&chain[1])).unwrap();
    let mut openssl = Command::new("openssl");
    openssl
        .args(["verify", "-x509_strict", "-CAfile"])
        .arg(path("ca.pem"));
    openssl
        .arg("-untrusted")
        .arg(path("issuing.pem"))
        .arg(path("leaf.pem"));
    let _ = run(openssl, b"", Duration::from_secs(60))
        .await
        .expect_success();
    let mut openssl = Command::new("openssl");
    openssl
        .args(["x509", "-noout", "-subject", "-nameopt", "RFC2253", "-in"])
        .arg(path("leaf.pem"));
    let shown = run(openssl, b"", Duration::from_secs(60))
        .await
        .expect_success();
    assert_eq!(shown.trim(), format!("subject={subject}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_of_a_token_is_written_down_in_clear() {
    let shop = Workshop::open(1).await;
    shop.adopt(0).await;
    shop.provision(0, "service").await;
    shop.until_ended(0).await;
    shop.is_provisioned(0).await;
    // The PUK is in custody only: an approver is given it, sealed; here the root key opens it as a thief would.
    let mut haystacks = vec![shop.agent_log().into_bytes()];
    for event in shop.world.stored().await {
        haystacks.push(event.payload);
    }
    let mut folders = vec![shop.home().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != "pinentry") && path.is_file() {
                haystacks.push(fs::read(path).unwrap());
            }
        }
    }
    assert!(haystacks.len() > 20);
    let holds = |bytes: &[u8], needle: &[u8]| bytes.windows(needle.len()).any(|w| w == needle);
    for haystack in &haystacks {
        assert!(
            !holds(haystack, PIN.as_bytes()),
            "{}",
            String::from_utf8_lossy(haystack)
        );
        assert!(!holds(haystack, b"PRIVATE KEY"));
    }
}
