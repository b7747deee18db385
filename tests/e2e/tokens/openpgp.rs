//! A person's token with OpenPGP keys: bound by a certify key that never meets the network, and gone with the token.

use data_encoding::BASE64;
use keyledger_custody::{
    CurveKey, Delivery,
    openpgp::{CertifyKey, EscrowedKey, NewCertifyKey, ProvenSubkey, UserId},
};
use keyledger_domain::Timestamp;
use keyledger_wire::Client;
use serde_json::{Value, json};

use super::workshop::Workshop;
use crate::{
    credentials::issue,
    world::{Admin, now},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persons_openpgp_keys_are_bound_and_gone_with_the_token() {
    let shop = Workshop::open(1).await;
    let admin = &shop.admin;
    // A second before: what is signed next must be newer.
    let begun = Timestamp::from_seconds(now().seconds() - 5);
    let id = UserId::new("Ada Lovelace <ada@example.org>").unwrap();
    let NewCertifyKey {
        key, certificate, ..
    } = CertifyKey::generate(&[id], begun, begun.plus_days(100)).unwrap();
    let published = json!({ "openpgp": certificate.to_armored() });
    admin
        .send("principal.publish", "ada", published)
        .await
        .unwrap();
    shop.adopt(0).await;
    shop.provision(0, "person").await;
    shop.until_ended(0).await;
    shop.is_provisioned(0).await;

    let row = shop.row(0).await;
    let made = row["openpgp"].as_array().unwrap();
    let subkeys: Vec<(ProvenSubkey, Timestamp)> = made
        .iter()
        .map(|key| {
            let bind = key["bind"].as_str().unwrap();
            (serde_json::from_str(bind).unwrap(), now().plus_days(90))
        })
        .collect();
    assert_eq!(subkeys.len(), 3);
    let bound = key.bind(&certificate, &subkeys, now()).unwrap();
    let published = json!({ "openpgp": bound.to_armored() });
    admin
        .send("principal.publish", "ada", published)
        .await
        .unwrap();
    // The one before may not come back: it lacks what was said since.
    let older = json!({ "openpgp": certificate.to_armored() });
    let refusal = admin
        .send("principal.publish", "ada", older)
        .await
        .unwrap_err();
    assert_eq!(refusal["reason"], "bad_value", "{refusal}");

    let lines = |keys: Value| keys["lines"].as_array().unwrap().len();
    // Slot 9a, and [A].
    assert_eq!(
        lines(admin.ask("ssh.authorized_keys.ada", json!({})).await),
        2
    );
    let lost = json!({ "reason": "left on the train" });
    admin.send("token.lose", &shop.name(0), lost).await.unwrap();
    assert_eq!(
        lines(admin.ask("ssh.authorized_keys.ada", json!({})).await),
        0
    );
    let found = admin.ask("openpgp.show.ada", json!({})).await;
    assert_eq!(found["to_revoke"].as_array().unwrap().len(), 3, "{found}");
    let _ = shop.world.verify(admin).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_token_of_a_person_decrypts_with_one_key_of_custody() {
    let shop = Workshop::open(3).await;
    let admin = &shop.admin;
    for index in [0, 1] {
        shop.adopt(index).await;
        shop.provision(index, "person").await;
        shop.until_ended(index).await;
        shop.is_provisioned(index).await;
    }
    let decrypts = |index: usize| shop.token(index).state().openpgp.decrypt.unwrap();
    let (first, second) = (decrypts(0), decrypts(1));
    assert!(!first.generated && !second.generated, "it was imported");
    assert_eq!(first.public_key, second.public_key);
    assert_eq!(first.fingerprint, second.fingerprint);
    let key = key_that_decrypts(&shop, 0).await;
    assert_eq!(key_that_decrypts(&shop, 1).await, key);
    let shown = admin.key(&key).await;
    assert_eq!(shown["custodian"], "software", "{shown:#}");
    assert_eq!(shown["owner"], "ada");
    assert_eq!(shown["state"], "active");
    let fingerprint = data_encoding::HEXLOWER.encode(&first.fingerprint);
    assert_eq!(shown["labels"]["openpgp-fingerprint"], fingerprint);

    for index in [0, 1] {
        let lost = json!({ "reason": "left on the train" });
        let name = shop.name(index);
        admin.send("token.lose", &name, lost).await.unwrap();
    }
    assert_eq!(admin.key(&key).await["state"], "compromised");
    let found = recovered(&shop, &key).await;
    assert_eq!(found.public().to_spki(), first.public_key);
    assert_eq!(*found.fingerprint().as_bytes(), *first.fingerprint);
    shop.adopt(2).await;
    shop.provision(2, "person").await;
    shop.until_ended(2).await;
    shop.is_provisioned(2).await;
    assert_ne!(decrypts(2).fingerprint, first.fingerprint);
    let next = key_that_decrypts(&shop, 2).await;
    assert_ne!(next, key);
    assert_eq!(admin.key(&next).await["state"], "active");
    let _ = shop.world.verify(admin).await;
}

/// The key aggregate in the place for it.
async fn key_that_decrypts(shop: &Workshop, index: usize) -> String {
    let row = shop.row(index).await;
    let keys = row["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["place"] == "openpgp.encrypt");
    key.unwrap()["key"].as_str().unwrap().to_owned()
}

/// What an approver is given when the tokens are gone; an administrator is not.
async fn recovered(shop: &Workshop, key: &str) -> EscrowedKey {
    let curve = CurveKey::generate().unwrap();
    let asks = json!({ "reason": "both are lost", "key": key, "seal_to": curve.public_nkey() });
    let refused = shop
        .admin
        .send("principal.recover-key", "ada", asks.clone())
        .await;
    assert_eq!(refused.unwrap_err()["reason"], "unauthorised");
    let body = json!({ "account": "admin", "role": "approver" });
    let creds = issue(&shop.world, &shop.admin, "grace", body).await;
    let approver = Admin {
        client: Client::new(
            shop.world.connect(&creds).await,
            shop.world.organisation.prefix(),
        ),
    };
    let done = approver.send("principal.recover-key", "ada", asks).await;
    let done = done.unwrap();
    let text = |field: &str| done["secrets"][0][field].as_str().unwrap().to_owned();
    let opened = curve.open(&Delivery {
        sender: text("sender"),
        ciphertext: BASE64.decode(text("sealed").as_bytes()).unwrap(),
    });
    EscrowedKey::from_delivered(&opened.unwrap()).unwrap()
}
