//! OpenPGP beside PIV on the same reader.

use std::fs;
use std::time::Duration;

use keyledger_testkit::token::{Algorithm, Fault, Touch, TouchFlag, VirtualTokens, When};
use keyledger_testkit::{PATIENCE, Run, run};

use crate::client::{Raw, generate, open_as_administrator};
use crate::gpg::Gpg;

const ADMIN: &str = "00200083083132333435363738";
const PIN: &str = "0020008106313233343536";
const SELECT: &str = "00a4040006d27600012401";

#[tokio::test]
async fn gpg_makes_keys_on_it_signs_decrypts_and_serves_ssh() {
    let tokens = VirtualTokens::start(2);
    let token = tokens.token(1);
    let gpg = Gpg::new(&tokens, &token);
    let status = gpg.ok(&["--card-status"]).await;
    assert!(status.contains("Serial number ....: 01000002"), "{status}");
    assert!(status.contains("Manufacturer .....: Yubico"), "{status}");

    let curves = ["admin", "key-attr", "2", "1", "2", "1", "2", "1", "quit"];
    let _ = gpg.talk(&["--edit-card"], &curves).await.expect_success();
    let made = gpg
        .talk(
            &["--edit-card"],
            &[
                "admin",
                "generate",
                "n",
                "0",
                "y",
                "Alice",
                "alice@example.org",
                "",
                "O",
                "quit",
            ],
        )
        .await;
    assert!(made.stdout.contains("KEY_CREATED"), "{made}");
    let state = token.state().openpgp;
    let [sign, decrypt, authenticate] = [&state.sign, &state.decrypt, &state.authenticate]
        .map(|key| key.as_ref().expect("gpg makes all three"));
    assert_eq!(sign.algorithm, Algorithm::Ed25519);
    assert_eq!(decrypt.algorithm, Algorithm::X25519);
    assert!(sign.generated && authenticate.generated);
    let fingerprint = data_encoding::HEXUPPER.encode(&sign.fingerprint);
    assert!(made.stdout.contains(&fingerprint), "{fingerprint}: {made}");

    sign_and_decrypt(&gpg).await;
    assert!(token.state().openpgp.signatures > state.signatures);

    let socket = gpg
        .run("gpgconf", &["--list-dirs", "agent-ssh-socket"], "")
        .await;
    let socket = socket.expect_success();
    let ssh = async |program: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new(program);
        command.args(arguments).env("SSH_AUTH_SOCK", socket.trim());
        run(command, b"", PATIENCE).await.expect_success()
    };
    let listed = ssh("ssh-add", &["-L"]).await;
    let exported = gpg.ok(&["--export-ssh-key", "alice@example.org"]).await;
    let key = |line: &str| line.split(' ').nth(1).unwrap().to_owned();
    assert_eq!(key(&listed), key(&exported));
    let [public, message] = ["ssh.pub", "message"].map(|name| gpg.path(name).display().to_string());
    fs::write(&public, &exported).unwrap();
    let _ = ssh(
        "ssh-keygen",
        &["-Y", "sign", "-n", "test", "-f", &public, &message],
    )
    .await;
    let mut check = std::process::Command::new("ssh-keygen");
    check.args([
        "-Y",
        "check-novalidate",
        "-n",
        "test",
        "-s",
        &format!("{message}.sig"),
    ]);
    let said = run(check, &fs::read(&message).unwrap(), PATIENCE).await;
    assert!(said.expect_success().contains("Good \"test\" signature"));
}

#[tokio::test]
async fn scdaemon_holds_it_until_asked_to_let_go() {
    let tokens = VirtualTokens::start(2);
    let token = tokens.token(0);
    let gpg = Gpg::new(&tokens, &token);
    gpg.ok(&["--card-status"]).await;
    let ask = async || {
        let mut command = tokens.ykman(&token);
        command.args(["piv", "info"]);
        run(command, b"", Duration::from_secs(60)).await
    };
    let _ = ask().await.expect_failure();
    let _ = gpg
        .run("gpg-connect-agent", &["scd killscd", "/bye"], "")
        .await
        .expect_success();
    // It lets go when it has ended, which nobody waits for.
    let mut free = ask().await;
    for _ in 0..10 {
        if free.code == Some(0) {
            break;
        }
        free = ask().await;
    }
    let _ = free.expect_success();
}

#[tokio::test]
async fn gpg_moves_keys_of_every_algorithm_to_it() {
    let tokens = VirtualTokens::start(2);
    let token = tokens.token(0);
    for (sign, encrypt, expected) in [
        (
            "ed25519/cert,sign",
            "cv25519",
            [Algorithm::Ed25519, Algorithm::X25519],
        ),
        (
            "nistp256/cert,sign",
            "nistp256",
            [Algorithm::P256, Algorithm::P256],
        ),
        (
            "nistp384/cert,sign",
            "nistp384",
            [Algorithm::P384, Algorithm::P384],
        ),
        (
            "rsa2048/cert,sign",
            "rsa2048",
            [Algorithm::Rsa2048, Algorithm::Rsa2048],
        ),
    ] {
        let mut reset = tokens.ykman(&token);
        reset.args(["openpgp", "reset", "-f"]);
        let _ = run(reset, b"", Duration::from_secs(60))
            .await
            .expect_success();
        let gpg = Gpg::new(&tokens, &token);
        let (algorithm, usage) = sign.split_once('/').unwrap();
        let without = ["--pinentry-mode", "loopback", "--passphrase", ""];
        let quick = |rest: &[&'static str]| [&without, rest].concat();
        gpg.ok(&[
            &quick(&["--quick-gen-key", "alice@example.org"])[..],
            &[algorithm, usage, "0"],
        ]
        .concat())
            .await;
        let listed = gpg.ok(&["--with-colons", "--list-keys"]).await;
        let line = listed.lines().find(|line| line.starts_with("fpr")).unwrap();
        let fingerprint = line.split(':').nth(9).unwrap();
        gpg.ok(&[
            &without[..],
            &["--quick-add-key", fingerprint, encrypt, "encr", "0"],
        ]
        .concat())
            .await;
        let moved = gpg
            .talk(
                &["--edit-key", "alice@example.org"],
                &["keytocard", "y", "1", "key 1", "keytocard", "2", "save"],
            )
            .await;
        let state = token.state().openpgp;
        let keys = [state.sign, state.decrypt].map(|key| key.unwrap_or_else(|| panic!("{moved}")));
        assert_eq!(
            keys.each_ref().map(|key| key.algorithm),
            expected,
            "{moved}"
        );
        assert!(keys.iter().all(|key| !key.generated));
        sign_and_decrypt(&gpg).await;
    }
}

#[tokio::test]
async fn ykman_manages_it_and_resets_it() {
    let tokens = VirtualTokens::start(2);
    let token = tokens.token(0);
    let ykman = async |arguments: &[&str]| -> Run {
        let mut command = tokens.ykman(&token);
        command.arg("openpgp").args(arguments);
        run(command, b"", Duration::from_secs(60)).await
    };
    let ok = async |arguments: &[&str]| ykman(arguments).await.expect_success();

    let info = ok(&["info"]).await;
    assert!(info.contains("OpenPGP version:            3.4"), "{info}");
    ok(&[
        "access",
        "set-retries",
        "-a",
        "12345678",
        "-f",
        "5",
        "4",
        "6",
    ])
    .await;
    ok(&["access", "change-pin", "-P", "123456", "-n", "246810"]).await;
    ok(&[
        "access",
        "change-reset-code",
        "-a",
        "12345678",
        "-r",
        "99887766",
    ])
    .await;
    ok(&[
        "access",
        "change-admin-pin",
        "-a",
        "12345678",
        "-n",
        "87654321",
    ])
    .await;
    assert!(token.openpgp_pin_is("246810") && token.openpgp_admin_pin_is("87654321"));
    assert!(token.openpgp_reset_code_is("99887766"));
    ok(&["access", "unblock-pin", "-r", "99887766", "-n", "135791"]).await;
    assert!(token.openpgp_pin_is("135791"));
    ok(&["keys", "set-touch", "-a", "87654321", "-f", "sig", "cached"]).await;
    let state = token.state().openpgp;
    assert_eq!(
        (
            state.pin_tries_left,
            state.reset_code_tries_left,
            state.admin_pin_tries_left
        ),
        (5, 4, 6)
    );
    let _ = ykman(&["access", "change-pin", "-P", "000000", "-n", "111111"])
        .await
        .expect_failure();
    assert_eq!(token.state().openpgp.pin_tries_left, 4);

    ok(&["reset", "-f"]).await;
    let state = token.state().openpgp;
    assert!(state.pin_is_factory && state.admin_pin_is_factory);
    assert_eq!(state.pin_tries_left, 3);
}

#[test]
fn a_key_with_a_touch_flag_blinks() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let raw = Raw::open(&token);
        let ok = |command: &str| {
            let answer = raw.ask(command);
            assert!(answer.ends_with("9000"), "{command}: {answer}");
        };
        ok(SELECT);
        ok(ADMIN);
        ok("00da00c10a162b06010401da470f01"); // Ed25519
        ok("0047800002b600");
        ok("00da00d6020220"); // fixed
        assert_eq!(raw.ask("00da00d6020020"), "6982", "fixed is fixed");
        let sign = "002a9e9a0568656c6c6f";
        assert_eq!(raw.ask(sign), "6982", "no PIN");
        ok(PIN);
        token.touch(Touch::TimedOut);
        assert_eq!(raw.ask(sign), "6982");
        assert_eq!(token.state().openpgp.signatures, 0);
        token.touch(Touch::Given);
        ok(sign);
        let state = token.state();
        assert_eq!((state.touches, state.openpgp.signatures), (1, 1));
        assert_eq!(state.openpgp.sign.unwrap().touch, TouchFlag::Fixed);

        ok("00da00c40100"); // the PIN for every signature
        ok(sign);
        assert_eq!(raw.ask(sign), "6982");
    });
}

#[test]
fn neither_applet_changes_the_other_and_both_survive_a_removal() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        use yubikey::piv::{AlgorithmId, SlotId};
        generate(&mut client, SlotId::Signature, AlgorithmId::EccP256);
        drop(client);
        let raw = Raw::open(&token);
        raw.ask(SELECT);
        assert_eq!(raw.ask(ADMIN), "9000");
        assert!(raw.ask("0047800002b600").starts_with("7f49"));
        // A PIN of one applet is nothing to the other, nor after coming back.
        raw.ask("00a4040005a000000308");
        assert_eq!(raw.ask("00200080"), "63c3");
        raw.ask(SELECT);
        assert_eq!(raw.ask("0047800002b800"), "6982");
        assert_eq!(raw.ask(ADMIN), "9000");

        token.fault(Fault::Remove {
            instruction: 0x47,
            nth: 1,
            when: When::Before,
        });
        raw.attempt("0047800002b800").unwrap_err();
        let state = token.state();
        assert!(state.openpgp.decrypt.is_none());
        assert_eq!(state.openpgp.sign.unwrap().algorithm, Algorithm::Rsa2048);
        assert!(state.slots.contains_key(&0x9c));
        token.insert();
        let raw = Raw::open(&token);
        raw.ask(SELECT);
        assert!(raw.ask("0047810002b600").starts_with("7f49"));
    });
}

async fn sign_and_decrypt(gpg: &Gpg) {
    fs::write(gpg.path("message"), "for Alice only").unwrap();
    gpg.ok(&["--detach-sign", "-o", "signature", "message"])
        .await;
    gpg.ok(&["--verify", "signature", "message"]).await;
    gpg.ok(&["-r", "alice@example.org", "-e", "-o", "sealed", "message"])
        .await;
    assert_eq!(gpg.ok(&["-d", "sealed"]).await, "for Alice only");
}

#[test]
fn the_crate_openpgp_card_makes_a_key_uses_it_and_resets() {
    use openpgp_card::ocard::algorithm::AlgoSimple;
    use openpgp_card::ocard::data::{Fingerprint, TouchPolicy};
    use openpgp_card::ocard::{KeyType, OpenPGP};
    use p256::pkcs8::DecodePublicKey as _;

    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut cards = card_backend_pcsc::PcscBackend::cards(None).unwrap();
        let mut card = OpenPGP::new(cards.next().unwrap().unwrap()).unwrap();
        let mut card = card.transaction().unwrap();
        let about = card.application_related_data().unwrap();
        let identifier = about.application_id().unwrap();
        assert_eq!(identifier.ident(), "0006:01000001");
        assert_eq!(card.firmware_version().unwrap(), [5, 7, 1]);

        card.verify_pw3(b"12345678".to_vec().into()).unwrap();
        let signing = KeyType::Signing;
        let algorithm = AlgoSimple::Curve25519
            .matching_algorithm_attributes(&mut card, signing)
            .unwrap();
        card.set_algorithm_attributes(signing, &algorithm).unwrap();
        let fingerprint = |_: &_, _, _| Ok(Fingerprint::from([7; 20]));
        card.generate_key(fingerprint, signing).unwrap();
        let about = card.application_related_data().unwrap();
        assert_eq!(
            about.fingerprints().unwrap().signature(),
            Some(&[7; 20].into())
        );
        let mut flag = about.uif_pso_cds().unwrap().unwrap();
        flag.set_touch_policy(TouchPolicy::On);
        card.set_uif_pso_cds(&flag).unwrap();

        card.verify_pw1_sign(b"123456".to_vec().into()).unwrap();
        let signature = card
            .pso_compute_digital_signature(b"hello".to_vec())
            .unwrap();
        let key = token.state().openpgp.sign.unwrap();
        assert_eq!(key.touch, TouchFlag::On);
        let verifier = ed25519_dalek::VerifyingKey::from_public_key_der(&key.public_key).unwrap();
        let signature = ed25519_dalek::Signature::from_slice(&signature).unwrap();
        verifier.verify_strict(b"hello", &signature).unwrap();

        card.factory_reset().unwrap();
        let state = token.state().openpgp;
        assert!(state.sign.is_none() && state.pin_is_factory && state.admin_pin_is_factory);
        assert_eq!((state.pin_tries_left, state.admin_pin_tries_left), (3, 3));
    });
}
