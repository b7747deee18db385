//! Commands signed with a person's own token: by the real CLI and the real agent, and every way to make one count that must not.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
};

use async_nats::HeaderMap;
use keyledger_claims::Creds;
use keyledger_domain::{Aggregate, Name, token::Slot};
use keyledger_testkit::{PATIENCE, run, tools};
use keyledger_wire::{
    header,
    local::{AgentReply, AgentRequest, SOCKET, Sign},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::workshop::{PIN, Workshop};
use crate::{
    credentials::issue,
    world::{eventually, send_raw},
};

/// A workshop with a token that is provisioned for Ada.
async fn provisioned() -> Workshop {
    let shop = Workshop::open(1).await;
    shop.adopt(0).await;
    shop.provision(0, "service").await;
    shop.until_ended(0).await;
    shop.is_provisioned(0).await;
    shop
}

/// The creds of an administrator that stands for Ada.
async fn administrator(shop: &Workshop, user: &str) -> PathBuf {
    let body = json!({ "account": "admin", "role": "administrator", "principal": "ada" });
    issue(&shop.world, &shop.admin, user, body).await
}

/// The name of the key in a slot of the token.
async fn key_in(shop: &Workshop, slot: &str) -> String {
    let row = shop.row(0).await;
    let keys = row["keys"].as_array().unwrap();
    let place = format!("piv.{slot}");
    let key = keys.iter().find(|key| key["place"] == *place).unwrap();
    key["key"].as_str().unwrap().to_owned()
}

/// The real CLI, beside the agent.
fn keyledger(shop: &Workshop, creds: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(tools::keyledger());
    command
        .args(arguments)
        .args(["--server", &shop.world.server.url(), "--creds"])
        .arg(creds)
        .env("HOME", shop.home())
        .env("XDG_STATE_HOME", shop.home().join("state"))
        .env("XDG_RUNTIME_DIR", shop.home())
        .current_dir(shop.home());
    command
}

/// The stored event `past` of a key.
async fn event(shop: &Workshop, key: &str, past: &str) -> Value {
    let subject = format!("keys.events.key.{key}.{past}");
    let stored = shop.world.stored().await;
    let event = stored.iter().rev().find(|event| event.subject == subject);
    serde_json::from_slice(&event.unwrap_or_else(|| panic!("no {subject}")).payload).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cli_signs_a_command_with_the_token_and_it_is_recorded_so() {
    let mut shop = provisioned().await;
    let ada = administrator(&shop, "ada-desk").await;
    let said = |arguments: &'static [&'static str]| {
        let command = || keyledger(&shop, &ada, arguments);
        async move {
            loop {
                let ended = run(command(), b"", PATIENCE).await;
                // On a busy machine pcscd loses sight of a virtual token for a moment.
                if !ended.stderr.contains("no token is plugged in here") {
                    return ended;
                }
            }
        }
    };
    let signed = said(&[
        "key",
        "generate",
        "orders-db",
        "--algorithm",
        "ed25519",
        "--reason",
        "a new shop",
        "--sign-with",
        "piv:9c",
    ])
    .await;
    let _ = signed.expect_success();
    let stamp = event(&shop, "orders-db", "generated").await["principal"].clone();
    assert_eq!(stamp["verified_by"], "token_signature", "{stamp}");
    assert_eq!(stamp["key"], key_in(&shop, "9c").await);
    assert_eq!(stamp["name"], "ada-desk");
    let asked = fs::read_to_string(shop.home().join("asked")).unwrap();
    for shown in ["generate key orders-db", "reason: a new shop", "slot 9c"] {
        assert!(asked.contains(shown), "{asked}");
    }

    let _ = said(&["key", "activate", "orders-db", "--sign-with", "piv:9a"])
        .await
        .expect_success();
    let stamp = event(&shop, "orders-db", "activated").await["principal"].clone();
    assert_eq!(stamp["key"], key_in(&shop, "9a").await);
    let _ = said(&["key", "suspend", "orders-db", "--reason", "it rests"])
        .await
        .expect_success();
    let stamp = event(&shop, "orders-db", "suspended").await["principal"].clone();
    assert_eq!(stamp["verified_by"], "request_info");
    assert_eq!(stamp["key"], Value::Null);

    // Whoever verifies knows nothing of signatures by tokens, and needs not.
    let _ = shop.world.verify(&shop.admin).await;
    let log = shop.agent_log();
    assert!(log.contains("signed a command"), "{log}");
    assert!(!log.contains(PIN));
    for event in shop.world.stored().await {
        assert!(!String::from_utf8_lossy(&event.payload).contains(PIN));
    }

    shop.kill_agent();
    let no_agent = keyledger(
        &shop,
        &ada,
        &["key", "resume", "orders-db", "--sign-with", "piv:9c"],
    );
    let told = run(no_agent, b"", PATIENCE).await.expect_failure();
    assert!(
        told.contains("no keyledger-agent is running for this user"),
        "{told}"
    );
}

/// Somebody who sends commands as they like.
struct Sender {
    nats: async_nats::Client,
    nkey: String,
}

impl Sender {
    async fn new(shop: &Workshop, creds: &PathBuf) -> Self {
        let text = fs::read_to_string(creds).unwrap();
        Self {
            nats: shop.world.connect(creds).await,
            nkey: Creds::parse(&text).unwrap().claims().sub,
        }
    }

    async fn send(&self, subject: &str, headers: HeaderMap, payload: &str) -> Value {
        send_raw(&self.nats, subject, headers, payload.to_owned())
            .await
            .unwrap()
    }
}

/// A command that the agent signs.
fn harmless(shop: &Workshop) -> Sign {
    Sign {
        serial: shop.token(0).serial().to_string().parse().unwrap(),
        slot: Slot::SIGNATURE,
        aggregate: Aggregate::Key,
        verb: "activate".to_owned(),
        name: Name::new("a").unwrap(),
        prefix: "keys".to_owned(),
        id: Uuid::now_v7(),
        user: "UADA".to_owned(),
        payload: "{}".to_owned(),
    }
}

/// Asks the agent to sign; gives its last word.
async fn ask(shop: &Workshop, sign: Sign) -> AgentReply {
    let path = shop.home().join("keyledger-agent").join(SOCKET);
    let line = serde_json::to_string(&AgentRequest::Sign(Box::new(sign))).unwrap();
    let last = tokio::task::spawn_blocking(move || {
        let mut socket = UnixStream::connect(path).unwrap();
        writeln!(socket, "{line}").unwrap();
        let lines = BufReader::new(socket).lines();
        let words = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap());
        words.last().unwrap()
    });
    last.await.unwrap()
}

/// What is signed, and so must be what is sent.
struct Signed {
    verb: &'static str,
    name: &'static str,
    payload: &'static str,
    id: Uuid,
    signature: String,
}

impl Signed {
    /// Has the agent sign with the key in slot 9c.
    async fn with(shop: &Workshop, user: &str, [verb, name, payload]: [&'static str; 3]) -> Self {
        Self::under(Uuid::now_v7(), shop, user, [verb, name, payload]).await
    }

    async fn under(
        id: Uuid,
        shop: &Workshop,
        user: &str,
        [verb, name, payload]: [&'static str; 3],
    ) -> Self {
        let sign = Sign {
            verb: verb.to_owned(),
            name: Name::new(name).unwrap(),
            id,
            user: user.to_owned(),
            payload: payload.to_owned(),
            ..harmless(shop)
        };
        let AgentReply::Signed { signature } = ask(shop, sign).await else {
            panic!("not signed\n{}", shop.agent_log());
        };
        Self {
            verb,
            name,
            payload,
            id,
            signature,
        }
    }

    fn subject(&self) -> String {
        format!("keys.commands.key.{}.{}", self.verb, self.name)
    }

    fn headers(&self, key: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::MESSAGE_ID, self.id.to_string());
        headers.insert(header::TOKEN_KEY, key);
        headers.insert(header::TOKEN_SIGNATURE, &*self.signature);
        headers
    }

    async fn send(&self, sender: &Sender, key: &str) -> Value {
        sender
            .send(&self.subject(), self.headers(key), self.payload)
            .await
    }
}

#[track_caller]
fn refused(reply: &Value, reason: &str, words: &str) {
    assert_eq!(reply["reason"], reason, "{reply}");
    let message = reply["message"].as_str().unwrap();
    assert!(message.contains(words), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_serves_for_nothing_else() {
    let shop = provisioned().await;
    let ada = Sender::new(&shop, &administrator(&shop, "ada-desk").await).await;
    let twin = Sender::new(&shop, &administrator(&shop, "ada-phone").await).await;
    let admin = Sender::new(&shop, &shop.world.organisation.creds("admin")).await;
    let key = key_in(&shop, "9c").await;
    for name in ["a", "b"] {
        let body = json!({ "algorithm": "ed25519", "activate": true });
        shop.admin.send("key.generate", name, body).await.unwrap();
    }
    let signed = Signed::with(
        &shop,
        &ada.nkey,
        ["suspend", "a", r#"{"reason":"it rests"}"#],
    )
    .await;
    // Not the whole ledger's end: the agent may still tell of a token.
    let written = async || {
        let of_a = shop.admin.ask("history.key.a", json!({})).await;
        (of_a, shop.admin.ask("history.key.b", json!({})).await)
    };
    let before = written().await;
    let bad = "bad_signature";
    let mismatch = "does not verify";

    let other = r#"{"reason":"it sleeps"}"#;
    refused(
        &ada.send(&signed.subject(), signed.headers(&key), other)
            .await,
        bad,
        mismatch,
    );
    let target = "keys.commands.key.suspend.b";
    refused(
        &ada.send(target, signed.headers(&key), signed.payload).await,
        bad,
        mismatch,
    );
    let verb = "keys.commands.key.deactivate.a";
    refused(
        &ada.send(verb, signed.headers(&key), signed.payload).await,
        bad,
        mismatch,
    );
    let mut headers = signed.headers(&key);
    headers.insert(header::MESSAGE_ID, Uuid::now_v7().to_string());
    refused(
        &ada.send(&signed.subject(), headers, signed.payload).await,
        bad,
        mismatch,
    );
    refused(&signed.send(&twin, &key).await, bad, mismatch);
    refused(
        &signed.send(&admin, &key).await,
        bad,
        "stands for no principal",
    );
    let nine_a = key_in(&shop, "9a").await;
    refused(&signed.send(&ada, &nine_a).await, bad, mismatch);
    let nine_d = key_in(&shop, "9d").await;
    refused(&signed.send(&ada, &nine_d).await, bad, "piv.9d");
    refused(&signed.send(&ada, "a").await, bad, "lies on no token");
    refused(&signed.send(&ada, "nothing").await, bad, "there is no key");

    for header in [
        header::TOKEN_KEY,
        header::TOKEN_SIGNATURE,
        header::MESSAGE_ID,
    ] {
        let mut without = HeaderMap::new();
        let mut twice = signed.headers(&key);
        for (name, values) in signed.headers(&key).iter() {
            if name.to_string() != header {
                without.insert(name.clone(), values[0].clone());
            }
        }
        refused(
            &ada.send(&signed.subject(), without, signed.payload).await,
            "bad_header",
            header,
        );
        let again = twice.get(header).unwrap().clone();
        twice.append(header, again);
        refused(
            &ada.send(&signed.subject(), twice, signed.payload).await,
            "bad_header",
            "twice",
        );
    }
    let mut garbled = signed.headers(&key);
    garbled.insert(header::TOKEN_SIGNATURE, "no base64!");
    refused(
        &ada.send(&signed.subject(), garbled, signed.payload).await,
        "bad_header",
        "base64url",
    );

    let ms = u64::try_from(crate::world::now().ms() - 700_000).unwrap();
    let long_ago = uuid::Builder::from_unix_timestamp_millis(ms, &[7; 10]).into_uuid();
    let old = Signed::under(
        long_ago,
        &shop,
        &ada.nkey,
        ["suspend", "a", "{\"reason\":\"old\"}"],
    )
    .await;
    refused(&old.send(&ada, &key).await, bad, "10 minutes ago");
    assert_eq!(written().await, before, "a refused command wrote something");

    let done = signed.send(&ada, &key).await;
    assert_eq!(done["status"], "accepted", "{done}");
    let stamp = event(&shop, "a", "suspended").await["principal"].clone();
    assert_eq!(stamp["verified_by"], "token_signature");
    let again = signed.send(&ada, &key).await;
    assert_eq!(again["cid"], done["cid"], "{again}");
    refused(
        &ada.send(&signed.subject(), signed.headers(&key), other)
            .await,
        bad,
        mismatch,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_be_signed_is_done_with_a_good_key_only() {
    let mut shop = provisioned().await;
    shop.kill_service();
    shop.serve_requiring("administrator:key.suspend").await;
    let ada = Sender::new(&shop, &administrator(&shop, "ada-desk").await).await;
    let person = json!({ "kind": "person", "title": "Bob", "email": "bob@example.org" });
    shop.admin
        .send("principal.register", "bob", person)
        .await
        .unwrap();
    let body = json!({ "account": "admin", "role": "administrator", "principal": "bob" });
    let bob = issue(&shop.world, &shop.admin, "bob-desk", body).await;
    let bob = Sender::new(&shop, &bob).await;
    for name in ["a", "b", "c"] {
        let body = json!({ "algorithm": "ed25519", "activate": true });
        shop.admin.send("key.generate", name, body).await.unwrap();
    }
    let status = shop.admin.ask("status", json!({})).await;
    assert_eq!(
        status["token_signature_required"],
        json!(["administrator:key.suspend"])
    );

    let required = "token_signature_required";
    let rests = json!({ "reason": "it rests" });
    let unsigned = shop
        .admin
        .send("key.suspend", "a", rests)
        .await
        .unwrap_err();
    refused(&unsigned, required, "--sign-with piv:9c");
    let key = key_in(&shop, "9c").await;
    let signed = Signed::with(
        &shop,
        &ada.nkey,
        ["suspend", "a", r#"{"reason":"it rests"}"#],
    )
    .await;
    assert_eq!(signed.send(&ada, &key).await["status"], "accepted");
    // A retry is not weaker than what it repeats.
    let mut headers = HeaderMap::new();
    headers.insert(header::MESSAGE_ID, signed.id.to_string());
    refused(
        &ada.send(&signed.subject(), headers, signed.payload).await,
        required,
        "--sign-with",
    );

    let bobs = Signed::with(
        &shop,
        &bob.nkey,
        ["suspend", "b", r#"{"reason":"it rests"}"#],
    )
    .await;
    refused(
        &bobs.send(&bob, &key).await,
        "bad_signature",
        "is not bob's",
    );

    let late = Signed::with(
        &shop,
        &ada.nkey,
        ["suspend", "b", r#"{"reason":"it rests"}"#],
    )
    .await;
    let later = Signed::with(
        &shop,
        &ada.nkey,
        ["suspend", "c", r#"{"reason":"it rests"}"#],
    )
    .await;
    let revoke = json!({ "revocation_reason": "key_compromise", "reason": "who knows" });
    shop.admin.send("key.revoke", &key, revoke).await.unwrap();
    refused(
        &late.send(&ada, &key).await,
        "bad_signature",
        "is compromised",
    );
    let lost = json!({ "reason": "left on the train" });
    shop.admin
        .send("token.lose", &shop.name(0), lost)
        .await
        .unwrap();
    refused(
        &later.send(&ada, &key).await,
        "bad_signature",
        "is compromised",
    );
    for name in ["b", "c"] {
        assert_eq!(shop.admin.key(name).await["state"], "active");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agent_signs_nothing_but_what_its_person_can_agree_to() {
    let shop = provisioned().await;
    let asked = || fs::read_to_string(shop.home().join("asked")).unwrap().len();
    let before = asked();
    let not_signed = |sign: Sign, words: &'static str| {
        let shop = &shop;
        async move {
            let word = ask(shop, sign).await;
            let AgentReply::Refused { why } = word else {
                panic!("{words}: {word:?}");
            };
            assert!(why.contains(words), "{why}");
        }
    };
    let prefix = "other".to_owned();
    not_signed(
        Sign {
            prefix,
            ..harmless(&shop)
        },
        "under prefix keys",
    )
    .await;
    let slot = Slot::KEY_MANAGEMENT;
    not_signed(
        Sign {
            slot,
            ..harmless(&shop)
        },
        "slots 9c and 9a",
    )
    .await;
    let verb = "activate.x\nforged".to_owned();
    not_signed(
        Sign {
            verb,
            ..harmless(&shop)
        },
        "no command",
    )
    .await;
    let serial = "7".parse().unwrap();
    not_signed(
        Sign {
            serial,
            ..harmless(&shop)
        },
        "token 7 is not plugged in",
    )
    .await;
    shop.token(0).remove();
    not_signed(harmless(&shop), "is not plugged in").await;
    // A task that waits for the token comes first.
    shop.admin
        .send("token.verify", &shop.name(0), json!({}))
        .await
        .unwrap();
    eventually("the agent has the task", || async {
        let word = ask(&shop, harmless(&shop)).await;
        matches!(word, AgentReply::Refused { why } if why.contains("a task"))
    })
    .await;
    not_signed(harmless(&shop), "a task (verify) of token").await;
    assert_eq!(asked(), before, "the person was bothered");
    shop.token(0).insert();
    shop.until_ended(0).await;
    // The agent hears of the end from the ledger, which knew first.
    eventually("it signs again", || async {
        match ask(&shop, harmless(&shop)).await {
            AgentReply::Signed { .. } => true,
            AgentReply::Refused { why } if why.contains("a task") => false,
            word => panic!("{word:?}"),
        }
    })
    .await;

    // The person says no.
    let pinentry = shop.home().join("pinentry");
    let script = fs::read_to_string(&pinentry).unwrap();
    let no = script.replace(
        "GETPIN*) ",
        "GETPIN*) echo 'ERR 83886179 Operation cancelled'; continue; ",
    );
    fs::write(&pinentry, no).unwrap();
    not_signed(harmless(&shop), "said no").await;
    let left = || shop.token(0).state().pin_tries_left;
    let total = shop.token(0).state().pin_tries;
    assert_eq!(left(), total);

    // What remembers a wrong PIN costs one try, and not all of them.
    fs::write(&pinentry, script.replace(PIN, "31415926")).unwrap();
    for tries in (1..total).rev() {
        not_signed(harmless(&shop), "was given twice, and not tried again").await;
        assert_eq!(left(), tries);
    }
    not_signed(harmless(&shop), "`keyledger token unblock ").await;
    assert_eq!(left(), 0);
    not_signed(harmless(&shop), "is blocked").await;
}
