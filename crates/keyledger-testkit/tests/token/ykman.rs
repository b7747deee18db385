//! Yubico's own client as a judge.

use std::path::Path;
use std::time::Duration;

use keyledger_testkit::token::{Algorithm, PinPolicy, TouchPolicy, VirtualTokens};
use keyledger_testkit::{Run, run};

const KEY: &str = "010203040506070801020304050607080102030405060708";

#[tokio::test]
async fn ykman_knows_it_for_a_yubikey() {
    let tokens = VirtualTokens::start(2);
    let info = ykman(&tokens, &["info"]).await.expect_success();
    assert!(info.contains("Firmware version: 5.7.1"), "{info}");
    assert!(info.contains("Serial number: 1000001"), "{info}");
    let piv = ykman(&tokens, &["piv", "info"]).await.expect_success();
    assert!(piv.contains("PIN tries remaining:      3/3"), "{piv}");
    assert!(piv.contains("Management key algorithm: AES192"), "{piv}");
    assert!(piv.contains("Using default PIN!"), "{piv}");
}

#[tokio::test]
async fn ykman_provisions_it() {
    let tokens = VirtualTokens::start(2);
    let token = tokens.token(0);
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str| files.path().join(name).display().to_string();
    let ok = async |arguments: &[&str]| ykman(&tokens, arguments).await.expect_success();

    ok(&[
        "piv",
        "access",
        "set-retries",
        "-m",
        KEY,
        "-P",
        "123456",
        "-f",
        "5",
        "4",
    ])
    .await;
    ok(&[
        "piv",
        "access",
        "change-pin",
        "-P",
        "123456",
        "-n",
        "246810",
    ])
    .await;
    ok(&[
        "piv",
        "access",
        "change-puk",
        "-p",
        "12345678",
        "-n",
        "13579135",
    ])
    .await;
    let key = "0102030405060708".repeat(4);
    ok(&[
        "piv",
        "access",
        "change-management-key",
        "-m",
        KEY,
        "-a",
        "aes256",
        "-n",
        &key,
        "-f",
    ])
    .await;
    assert!(token.management_key_is(&[1, 2, 3, 4, 5, 6, 7, 8].repeat(4)));
    ok(&[
        "piv",
        "keys",
        "generate",
        "-m",
        &key,
        "-a",
        "ed25519",
        "--pin-policy",
        "once",
        "--touch-policy",
        "cached",
        "9a",
        &file("9a.pem"),
    ])
    .await;
    ok(&[
        "piv",
        "certificates",
        "generate",
        "-m",
        &key,
        "-P",
        "246810",
        "-s",
        "CN=alice",
        "9a",
        &file("9a.pem"),
    ])
    .await;
    ok(&["piv", "certificates", "export", "9a", &file("9a.crt")]).await;
    openssl_verifies_itself(Path::new(&file("9a.crt"))).await;
    ok(&["piv", "keys", "attest", "9a", &file("attestation.pem")]).await;
    ok(&["piv", "keys", "move", "-m", &key, "9a", "82"]).await;

    let state = token.state();
    assert!(token.pin_is("246810") && token.puk_is("13579135"));
    assert_eq!((state.pin_tries, state.puk_tries), (5, 4));
    let slot = &state.slots[&0x82];
    assert_eq!(slot.algorithm, Algorithm::Ed25519);
    assert_eq!(slot.pin_policy, PinPolicy::Once);
    assert_eq!(slot.touch_policy, TouchPolicy::Cached);
    assert_eq!(state.touches, 1);

    let info = ok(&["piv", "info"]).await;
    assert!(info.contains("PIN tries remaining:      5/5"), "{info}");
    assert!(!info.contains("default"), "{info}");
    ok(&["piv", "reset", "-f"]).await;
    let state = token.state();
    assert!(state.slots.is_empty() && state.pin_is_factory && state.management_key_is_factory);
}

async fn ykman(tokens: &VirtualTokens, arguments: &[&str]) -> Run {
    let mut command = tokens.ykman(&tokens.token(0));
    command.args(arguments);
    run(command, b"", Duration::from_secs(60)).await
}

async fn openssl_verifies_itself(certificate: &Path) {
    let mut command = std::process::Command::new("openssl");
    command
        .arg("verify")
        .arg("-CAfile")
        .arg(certificate)
        .arg(certificate);
    let verified = run(command, b"", Duration::from_secs(10)).await;
    assert!(verified.expect_success().contains("OK"));
}
