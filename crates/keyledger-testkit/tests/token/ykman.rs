//! Yubico's own client, and OpenSC, as judges.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use keyledger_testkit::token::{Algorithm, PinPolicy, TouchPolicy, VirtualTokens};
use keyledger_testkit::{PATIENCE, Run, run};

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

#[tokio::test]
async fn opensc_and_ssh_find_its_key_and_sign_with_it() {
    let tokens = VirtualTokens::start(2);
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str| files.path().join(name).display().to_string();
    let (public, message, signature) = (file("9a.pem"), file("message"), file("signature"));
    std::fs::write(&message, "to be signed").unwrap();
    for arguments in [
        &[
            "keys", "generate", "-m", KEY, "-a", "eccp256", "9a", &public,
        ][..],
        &[
            "certificates",
            "generate",
            "-m",
            KEY,
            "-P",
            "123456",
            "-s",
            "CN=alice",
            "9a",
            &public,
        ],
    ] {
        let arguments = [&["piv"], arguments].concat();
        let _ = ykman(&tokens, &arguments).await.expect_success();
    }
    let ok = async |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).envs([tokens.env()]);
        let done = run(command, b"", Duration::from_secs(60)).await;
        done.expect_success()
    };
    let sign = [
        "--slot-index",
        "0",
        "-l",
        "-p",
        "123456",
        "--sign",
        "-m",
        "ECDSA-SHA256",
    ];
    let how = [
        "--id",
        "01",
        "--signature-format",
        "openssl",
        "-i",
        &message,
        "-o",
        &signature,
    ];
    let _ = ok("pkcs11-tool", &[&sign[..], &how].concat()).await;
    let check = [
        "dgst",
        "-sha256",
        "-verify",
        &public,
        "-signature",
        &signature,
        &message,
    ];
    assert!(ok("openssl", &check).await.contains("Verified OK"));
    let keys = ok("ssh-keygen", &["-D", opensc_module()]).await;
    assert!(keys.contains("ecdsa-sha2-nistp256 AAAA"), "{keys}");
}

/// Debian's places; the library carries no path that a program could be asked for.
fn opensc_module() -> &'static str {
    [
        "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so",
        "/usr/lib/aarch64-linux-gnu/opensc-pkcs11.so",
    ]
    .into_iter()
    .find(|path| Path::new(path).exists())
    .expect("OpenSC's PKCS#11 module: apt-get install opensc opensc-pkcs11")
}

async fn ykman(tokens: &VirtualTokens, arguments: &[&str]) -> Run {
    let mut command = tokens.ykman(&tokens.token(0));
    command.args(arguments);
    run(command, b"", Duration::from_secs(60)).await
}

async fn openssl_verifies_itself(certificate: &Path) {
    let mut command = Command::new("openssl");
    command
        .arg("verify")
        .arg("-CAfile")
        .arg(certificate)
        .arg(certificate);
    let verified = run(command, b"", PATIENCE).await;
    assert!(verified.expect_success().contains("OK"));
}
