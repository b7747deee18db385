//! A token's life where nothing goes wrong, and what must be seen nowhere.

use std::{
    collections::BTreeSet,
    fs,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use data_encoding::{BASE64, HEXLOWER};
use keyledger_custody::CurveKey;
use keyledger_domain::{
    Algorithm,
    token::{Profile, Slot, SubjectPart},
};
use keyledger_testkit::run;
use serde_json::json;

use super::workshop::{PIN, Workshop, opened};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_provisioned_verified_and_lost() {
    let shop = Workshop::open(1).await;
    shop.adopt(0).await;
    let mut profile = Profile::shipped("service").unwrap();
    let plan = profile.piv.get_mut(&Slot::AUTHENTICATION).unwrap();
    let subject = ["CN={title}", "OU=Keys, and more", "serialNumber={serial}"];
    let parts = subject.map(|part| SubjectPart::parse(part).unwrap());
    plan.certificate.as_mut().unwrap().subject = parts.to_vec();
    shop.provision_with(0, profile, None).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rsa_keys_of_a_token_are_attested_certified_and_proved() {
    let shop = Workshop::open(1).await;
    shop.adopt(0).await;
    let mut profile = Profile::shipped("service").unwrap();
    for (slot, algorithm) in [("9a", Algorithm::Rsa2048), ("9c", Algorithm::Rsa4096)] {
        let slot = slot.parse().unwrap();
        profile.piv.get_mut(&slot).unwrap().algorithm = algorithm;
    }
    shop.provision_with(0, profile, None).await;
    shop.until_ended(0).await;
    shop.is_provisioned(0).await;
    for slot in ["9a", "9c"] {
        openssl_agrees(&shop, slot, "CN=Ada Lovelace,UID=ada").await;
    }
    let name = shop.name(0);
    shop.admin
        .send("token.verify", &name, json!({}))
        .await
        .unwrap();
    let row = shop.until_ended(0).await;
    assert_eq!(row["last_task"]["done"], true, "{row:#}");
}

/// The certificates lead to the root and are for whom they should be, by a judge of another house.
pub(super) async fn openssl_agrees(shop: &Workshop, slot: &str, subject: &str) {
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
    let name = shop.name(0);
    let looker = ProcessList::watch();
    shop.provision(0, "person").await;
    shop.until_ended(0).await;
    let mut secrets = secrets(&shop, "grace").await;
    let rotate = shop.admin.send("token.rotate-secrets", &name, json!({}));
    rotate.await.unwrap();
    let row = shop.until_ended(0).await;
    assert_eq!(row["last_task"]["done"], true, "{row:#}");
    secrets.extend(self::secrets(&shop, "heidi").await);
    secrets.push(PIN.to_owned());
    assert_eq!(secrets.len(), 2 * 4 + 1);
    let mut haystacks = looker.seen();
    assert!(haystacks.iter().any(|p| holds(p, b"keyledger-agent")));
    shop.is_provisioned(0).await;

    haystacks.push(shop.agent_log().into_bytes());
    haystacks.extend(shop.world.stored().await.into_iter().map(|e| e.payload));
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
    for haystack in &haystacks {
        let text = || String::from_utf8_lossy(haystack);
        assert!(!holds(haystack, b"PRIVATE KEY"), "{}", text());
        for secret in &secrets {
            assert!(
                !holds(haystack, secret.as_bytes()),
                "{secret} in {}",
                text()
            );
            if let Ok(bytes) = HEXLOWER.decode(secret.as_bytes())
                && bytes.len() == 24
            {
                assert!(!holds(haystack, &bytes), "{secret} in {}", text());
                let base64 = BASE64.encode(&bytes);
                assert!(
                    !holds(haystack, base64.as_bytes()),
                    "{secret} in {}",
                    text()
                );
            }
        }
    }
}

/// The token's secrets as they are now, which an approver of this name is given.
async fn secrets(shop: &Workshop, approver: &str) -> Vec<String> {
    let curve = CurveKey::generate().unwrap();
    let approver = shop.somebody(approver, "approver").await;
    let body = json!({ "reason": "to look for them", "seal_to": curve.public_nkey() });
    let done = approver.send("token.release", &shop.name(0), body).await;
    let secrets = opened(&curve, &done.unwrap());
    [
        "puk",
        "management_key",
        "openpgp_admin_pin",
        "openpgp_reset_code",
    ]
    .map(|secret| secrets[secret].as_str().unwrap().to_owned())
    .to_vec()
}

/// True if the needle stands there, and, where it is a number, not within another number.
fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    let is_digit = |at: Option<&u8>| at.is_some_and(u8::is_ascii_digit);
    let is_number = needle.iter().all(u8::is_ascii_digit);
    let windows = haystack.windows(needle.len()).enumerate();
    let mut found = windows.filter(|(_, window)| *window == needle);
    found.any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|at| haystack.get(at));
        !(is_number && (is_digit(before) || is_digit(haystack.get(at + needle.len()))))
    })
}

/// What anybody may read of every process, looked at again and again.
struct ProcessList {
    stop: Arc<AtomicBool>,
    looking: std::thread::JoinHandle<BTreeSet<Vec<u8>>>,
}

impl ProcessList {
    fn watch() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let looking = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !stopped.load(Ordering::Relaxed) {
                for process in fs::read_dir("/proc").unwrap().flatten() {
                    for what in ["cmdline", "environ"] {
                        // A process may have ended by now, or be somebody else's.
                        seen.extend(fs::read(process.path().join(what)));
                    }
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            seen
        });
        Self { stop, looking }
    }

    /// Every command line and environment that was seen.
    fn seen(self) -> Vec<Vec<u8>> {
        self.stop.store(true, Ordering::Relaxed);
        self.looking.join().unwrap().into_iter().collect()
    }
}
