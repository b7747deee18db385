//! A token under an authority whose root is on a machine without a network.

use std::fs;

use serde_json::json;

use keyledger_domain::token::Profile;

use super::{life::openssl_agrees, workshop::Workshop};
use crate::authority::FarRoot;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_provisioned_under_a_root_without_a_network() {
    let shop = Workshop::open(1).await;
    let root = FarRoot::new();
    root.register(&shop.admin, "far-root").await;
    root.vouch(&shop.admin, "far-root", "far-issuing").await;
    shop.adopt(0).await;
    let profile = Profile::shipped("service").unwrap();
    shop.provision_with(0, profile, Some("far-issuing")).await;
    shop.until_ended(0).await;
    shop.is_provisioned(0).await;
    openssl_agrees(&shop, "9a", "CN=Ada Lovelace,UID=ada").await;
    // The root that openssl took is the far one.
    let taken = fs::read_to_string(shop.world.path("ca.pem")).unwrap();
    let far = shop.admin.ask("certificates.far-root", json!({})).await;
    let far = far["certificates"][0]["certificate"].as_str().unwrap();
    assert!(taken.contains(far));
}
