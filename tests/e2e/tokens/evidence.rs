//! Evidence that does not fit: the token is put into quarantine, and nobody relies on its keys.

use keyledger_testkit::token::Fault;

use super::workshop::Workshop;

/// What is forged, and the word by which the ledger names it.
fn forgeries() -> [(Fault, &'static str); 4] {
    [
        (Fault::AttestsOtherSerial { slot: 0x9a }, "is of token"),
        (Fault::AttestsOtherKey { slot: 0x9a }, "another key"),
        (
            Fault::AttestsUnderUnknownRoot,
            "the attestation does not hold",
        ),
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
        let profile = if index == 3 {
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
