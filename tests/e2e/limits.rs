//! Limits and bad input: each is refused clearly, and nothing of it is written.

use async_nats::{HeaderMap, RequestErrorKind};
use keyledger_wire::{
    Ids,
    header::{CAUSATION_ID, CORRELATION_ID, MESSAGE_ID},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Admin, World, send_raw};

/// An Ed25519 private key in PKCS#8, made for this test with `openssl genpkey -algorithm ed25519`.
const PRIVATE_PEM: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----
";
/// A public key, of the same algorithm.
const PUBLIC: &str = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// A world that serves, has a key `taken`, and writes nothing by itself any more.
struct Limits {
    world: World,
    _service: keyledger_service::Service,
    admin: Admin,
    last: u64,
}

impl Limits {
    async fn new() -> Self {
        let world = World::new().await;
        let service = world.serve().await;
        let admin = world.administrator().await;
        let body = json!({"algorithm": "ed25519"});
        admin.send("key.generate", "taken", body).await.unwrap();
        let last = world.settled(&admin).await;
        Self {
            world,
            _service: service,
            admin,
            last,
        }
    }

    async fn send(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: impl Into<Vec<u8>>,
    ) -> Result<Value, RequestErrorKind> {
        let subject = format!("keys.commands.{subject}");
        send_raw(self.admin.client.nats(), &subject, headers, payload.into()).await
    }

    /// Holds that this is refused for `reason`, says `says`, and writes nothing.
    async fn refused(&self, subject: &str, payload: impl Into<Vec<u8>>, reason: &str, says: &str) {
        self.refused_with(HeaderMap::new(), subject, payload, reason, says)
            .await;
    }

    async fn refused_with(
        &self,
        headers: HeaderMap,
        subject: &str,
        payload: impl Into<Vec<u8>>,
        reason: &str,
        says: &str,
    ) {
        let reply = self.send(subject, headers, payload).await;
        let reply = reply.unwrap_or_else(|e| panic!("{subject}: {e:?}"));
        assert_eq!(reply["status"], "rejected", "{subject}: {reply}");
        assert_eq!(reply["reason"], reason, "{subject}: {reply}");
        assert_eq!(reply["code"].as_u64().unwrap() / 100, 4, "{reply}");
        let message = reply["message"].as_str().unwrap();
        assert!(
            message.contains(says),
            "{subject}: {message:?} lacks {says:?}"
        );
        assert_eq!(
            self.world.last().await,
            self.last,
            "{subject}: something was written"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_that_does_not_fit_its_schema_is_refused_by_field() {
    let limits = Limits::new().await;
    for (subject, payload, says) in [
        ("key.generate.a", "{", "payload"),
        ("key.generate.a", "not JSON", "payload"),
        (
            "key.generate.a",
            "[\"ed25519\"]",
            "a JSON object is expected",
        ),
        (
            "key.generate.a",
            "{\"algorithm\":\"ed25519\"} {}",
            "payload",
        ),
        ("key.generate.a", "\u{feff}{}", "payload"),
        ("key.generate.a", "", "algorithm"),
        (
            "key.generate.a",
            r#"{"algorithm":"des"}"#,
            "field algorithm",
        ),
        ("key.generate.a", r#"{"algorithm":1}"#, "field algorithm"),
        (
            "key.generate.a",
            r#"{"algorithm":"ed25519","algoritm":"x"}"#,
            "algoritm",
        ),
        (
            "key.generate.a",
            r#"{"algorithm":"ed25519","algorithm":"x25519"}"#,
            "algorithm",
        ),
        (
            "key.generate.a",
            r#"{"algorithm":"ed25519","activate":"yes"}"#,
            "field activate",
        ),
        (
            "key.generate.a",
            r#"{"algorithm":"ed25519","labels":{"team":7}}"#,
            "field labels.team",
        ),
        (
            "key.generate.a",
            r#"{"algorithm":"ed25519","labels":{"Team":"x"}}"#,
            "field labels",
        ),
        (
            "key.generate.a",
            r#"{"algorithm":"ed25519","owner":"Alice"}"#,
            "field owner",
        ),
        (
            "key.generate.a",
            r#"{"algorithm":"ed25519","activation_at":"tomorrow"}"#,
            "field activation_at",
        ),
        (
            "key.generate.a",
            r#"{"algorithm":"ed25519","rotation_period_days":-1}"#,
            "field rotation_period_days",
        ),
        ("key.revoke.taken", r#"{"reason":"x"}"#, "revocation_reason"),
        (
            "key.revoke.taken",
            r#"{"revocation_reason":"unspecified"}"#,
            "reason",
        ),
        ("key.suspend.taken", "{}", "reason"),
        ("key.destroy.taken", r#"{"reason":""}"#, "field reason"),
        ("key.destroy.taken", r#"{"reason":"   "}"#, "field reason"),
        (
            "user.issue.u",
            r#"{"account":"admin","role":"king"}"#,
            "field role",
        ),
    ] {
        limits.refused(subject, payload, "malformed", says).await;
    }
    limits
        .refused("key.generate.a", [0xff, 0xfe], "malformed", "payload")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_are_one_line_of_a_bounded_length() {
    let limits = Limits::new().await;
    for (field, most) in [
        ("title", 128),
        ("usage", 500),
        ("reason", 500),
        ("ticket", 64),
    ] {
        for bad in ["a\nb", "a\u{1b}[2Jb", "a\u{0}b", "a\u{202e}b", "a\u{7f}b"] {
            let body = json!({"algorithm": "ed25519", field: bad}).to_string();
            limits
                .refused(
                    "key.generate.a",
                    body,
                    "malformed",
                    &format!("field {field}"),
                )
                .await;
        }
        let body = json!({"algorithm": "ed25519", field: "x".repeat(most + 1)}).to_string();
        limits
            .refused(
                "key.generate.a",
                body,
                "malformed",
                &format!("at most {most}"),
            )
            .await;
    }
    let labels = |count: usize| {
        let labels: serde_json::Map<_, _> =
            (0..count).map(|n| (format!("l{n}"), json!("x"))).collect();
        json!({"algorithm": "ed25519", "labels": labels}).to_string()
    };
    limits
        .refused(
            "key.generate.a",
            labels(33),
            "malformed",
            "at most 32 labels",
        )
        .await;
    // What just fits, fits.
    let reply = limits
        .send("key.generate.a", HeaderMap::new(), labels(32))
        .await;
    assert_eq!(reply.unwrap()["status"], "accepted");
    let body = json!({"algorithm": "ed25519", "title": "x".repeat(128), "usage": "ü".repeat(250)});
    let reply = limits
        .send("key.generate.b", HeaderMap::new(), body.to_string())
        .await;
    assert_eq!(reply.unwrap()["status"], "accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_dates_and_counts_have_limits() {
    let limits = Limits::new().await;
    let generate = |more: Value| {
        let mut body = json!({"algorithm": "ed25519"});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body.to_string()
    };
    let days = generate(json!({"rotation_period_days": 0}));
    limits
        .refused(
            "key.generate.a",
            days,
            "out_of_range",
            "rotation_period_days",
        )
        .await;
    let days = generate(json!({"rotation_period_days": 7301}));
    limits
        .refused("key.generate.a", days, "out_of_range", "7300")
        .await;
    let before = generate(json!({
        "activation_at": "2040-01-02T00:00:00Z", "protect_stop_at": "2040-01-01T00:00:00Z",
    }));
    limits
        .refused("key.generate.a", before, "bad_date", "protect_stop_at")
        .await;
    let purposes = generate(json!({"purposes": ["encrypt"]}));
    let reply = limits
        .send("key.generate.a", HeaderMap::new(), purposes)
        .await
        .unwrap();
    assert_eq!(reply["reason"], "purpose_not_possible", "{reply}");
    let nobody = generate(json!({"owner": "nobody"}));
    limits
        .refused("key.generate.a", nobody, "not_found", "nobody")
        .await;
    let issue = |more: Value| {
        let nkey = nkeys::KeyPair::new_user().public_key();
        let mut body = json!({"account": "admin", "role": "auditor", "nkey": nkey});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body.to_string()
    };
    let long = issue(json!({"expires_days": 366}));
    limits
        .refused("user.issue.u", long, "out_of_range", "365")
        .await;
    let keys: Vec<_> = (0..65).map(|n| format!("k{n}")).collect();
    let many = issue(json!({"role": "service", "keys": keys}));
    limits
        .refused("user.issue.u", many, "limit_reached", "64")
        .await;
    let unknown = issue(json!({"account": "nowhere"}));
    limits
        .refused("user.issue.u", unknown, "not_found", "nowhere")
        .await;
    let question = json!({"limit": 501}).to_string();
    for tail in ["inventory.locate", "ledger.events", "accounts"] {
        let subject = format!("keys.queries.{tail}");
        let reply = send_raw(
            limits.admin.client.nats(),
            &subject,
            HeaderMap::new(),
            question.clone(),
        );
        assert_eq!(reply.await.unwrap()["reason"], "out_of_range", "{tail}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_of_more_than_64_kib_is_refused() {
    let limits = Limits::new().await;
    let padded = |bytes: usize| {
        let body = r#"{"algorithm":"ed25519"}"#;
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    limits
        .refused(
            "key.generate.a",
            padded(65_537),
            "payload_too_large",
            "65537 bytes",
        )
        .await;
    limits
        .refused(
            "key.generate.a",
            padded(130_000),
            "payload_too_large",
            "65536",
        )
        .await;
    let reply = limits
        .send("key.generate.a", HeaderMap::new(), padded(65_536))
        .await;
    assert_eq!(reply.unwrap()["status"], "accepted");
    // nats-server lets nothing larger through, whatever its own `max_payload` is.
    let reply = limits
        .send("key.generate.b", HeaderMap::new(), padded(200_000))
        .await;
    assert_eq!(reply, Err(RequestErrorKind::TimedOut));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_name_is_refused() {
    let limits = Limits::new().await;
    let generate = r#"{"algorithm":"ed25519"}"#;
    let long = "a".repeat(64);
    for name in ["Orders", "a,b", "-a", "_a", "ä", "a$b", "{{name()}}", &long] {
        let subject = format!("key.generate.{name}");
        limits
            .refused(&subject, generate, "bad_name", "is not a name")
            .await;
    }
    // No endpoint listens there, and nats-server says so at once.
    for subject in [
        "key.generate.a.b",
        "key.generate",
        "key.frobnicate.a",
        "thing.generate.a",
    ] {
        let reply = limits.send(subject, HeaderMap::new(), generate).await;
        assert_eq!(reply, Err(RequestErrorKind::NoResponders), "{subject}");
    }
    // A wildcard is no subject to publish on: whoever refuses it, nothing is written.
    for name in ["*", ">"] {
        let reply = limits
            .send(&format!("key.generate.{name}"), HeaderMap::new(), generate)
            .await;
        assert!(
            reply.as_ref().map_or(true, |r| r["reason"] == "bad_name"),
            "{name}: {reply:?}"
        );
    }
    assert_eq!(limits.world.last().await, limits.last);
    let reply = limits
        .send(
            &format!("key.generate.{}", "a".repeat(63)),
            HeaderMap::new(),
            generate,
        )
        .await;
    assert_eq!(reply.unwrap()["status"], "accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_key_and_a_wrong_state_are_refused() {
    let limits = Limits::new().await;
    limits
        .refused("key.activate.nowhere", "{}", "not_found", "nowhere")
        .await;
    limits
        .refused("key.rotate.nowhere", "{}", "not_found", "nowhere")
        .await;
    limits
        .refused(
            "user.revoke.nowhere",
            r#"{"reason":"x"}"#,
            "not_found",
            "nowhere",
        )
        .await;
    limits
        .refused(
            "principal.offboard.nowhere",
            r#"{"reason":"x"}"#,
            "not_found",
            "nowhere",
        )
        .await;
    limits
        .refused("key.resume.taken", "{}", "not_allowed", "pre-active")
        .await;
    limits
        .refused("key.rotate.taken", "{}", "not_allowed", "pre-active")
        .await;
    limits
        .refused(
            "key.generate.taken",
            r#"{"algorithm":"ed25519"}"#,
            "name_taken",
            "taken",
        )
        .await;
    limits
        .refused(
            "key.describe.taken",
            "{}",
            "nothing_to_change",
            "at least one",
        )
        .await;
    limits
        .refused("account.create.admin", "{}", "name_taken", "admin")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_in_headers_are_uuids_once() {
    let limits = Limits::new().await;
    let generate = r#"{"algorithm":"ed25519"}"#;
    let id = Uuid::now_v7().to_string();
    for header in [MESSAGE_ID, CORRELATION_ID, CAUSATION_ID, "X-Message-ID"] {
        let nil = Uuid::nil().to_string();
        for value in [
            "",
            "1",
            "not-a-uuid",
            nil.as_str(),
            "01997c3e-8a4b-7cc3-9b1e-5f6d2a7c8e9",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header, value);
            limits
                .refused_with(headers, "key.generate.a", generate, "bad_header", "UUID")
                .await;
        }
        let mut headers = HeaderMap::new();
        headers.append(header, id.as_str());
        headers.append(header, id.as_str());
        limits
            .refused_with(headers, "key.generate.a", generate, "bad_header", "twice")
            .await;
    }
    // The older spelling counts, also for telling a retry.
    let mut headers = HeaderMap::new();
    headers.insert("X-Message-ID", id.as_str());
    headers.insert("X-Correlation-ID", "018f0000-0000-7000-8000-000000000001");
    let first = limits
        .send("key.generate.a", headers.clone(), generate)
        .await
        .unwrap();
    assert_eq!(first["command_id"], *id);
    assert_eq!(
        first["correlation_id"],
        "018f0000-0000-7000-8000-000000000001"
    );
    let again = limits
        .send("key.generate.a", headers, generate)
        .await
        .unwrap();
    assert_eq!(first, again);
    let mut headers = HeaderMap::new();
    headers.insert(MESSAGE_ID, id.as_str());
    let reply = limits
        .send("key.generate.b", headers, generate)
        .await
        .unwrap();
    assert_eq!(reply["reason"], "message_id_reused");
    assert_eq!(limits.world.last().await, limits.last + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_sent_by_mistake_is_refused_and_repeated_nowhere() {
    let limits = Limits::new().await;
    let pair = nkeys::KeyPair::new_user();
    let (seed, curve) = (pair.seed().unwrap(), nkeys::XKey::new().seed().unwrap());
    let der: String = PRIVATE_PEM
        .lines()
        .filter(|l| !l.starts_with('-'))
        .collect();
    let headless = PRIVATE_PEM.replace("PRIVATE KEY", "PUBLIC KEY");
    let mut replies = String::new();
    for secret in [PRIVATE_PEM, &headless, &der, &seed] {
        for (subject, body) in [
            (
                "key.register.a",
                json!({"algorithm": "ed25519", "public_key": secret}),
            ),
            (
                "key.register.a",
                json!({"algorithm": "p-256", "public_key": secret}),
            ),
            ("key.rotate.taken", json!({"public_key": secret})),
        ] {
            let reply = limits
                .send(subject, HeaderMap::new(), body.to_string())
                .await
                .unwrap();
            assert_eq!(reply["reason"], "compromised", "{reply}");
            replies += &reply.to_string();
        }
    }
    for (field, secret) in [
        ("nkey", &seed),
        ("seal_to", &curve),
        ("nkey", &curve),
        ("seal_to", &seed),
    ] {
        let body = json!({"account": "admin", "role": "auditor", field: secret});
        limits
            .refused("user.issue.u", body.to_string(), "compromised", "SEED")
            .await;
        let reply = limits
            .send("user.issue.u", HeaderMap::new(), body.to_string())
            .await;
        replies += &reply.unwrap().to_string();
    }
    limits
        .refused(
            "key.register.a",
            json!({"algorithm": "ed25519", "public_key": PRIVATE_PEM}).to_string(),
            "compromised",
            "PRIVATE key",
        )
        .await;
    assert_eq!(limits.world.last().await, limits.last);
    let stored = limits.world.stored().await;
    let stored: Vec<_> = stored
        .iter()
        .map(|e| String::from_utf8_lossy(&e.payload))
        .collect();
    let stored = stored.join("\n");
    for secret in [&seed, &curve, &der[10..].to_owned()] {
        assert!(
            !replies.contains(secret.as_str()),
            "a reply repeats a secret: {replies}"
        );
        assert!(!stored.contains(secret.as_str()), "an event holds a secret");
    }
    // The public half is welcome.
    let body = json!({"algorithm": "ed25519", "public_key": PUBLIC}).to_string();
    let reply = limits
        .send("key.register.a", HeaderMap::new(), body)
        .await
        .unwrap();
    assert_eq!(reply["status"], "accepted", "{reply}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_and_retrying_leave_no_consumers_behind() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let ids = Ids::root(Uuid::now_v7());
    for _ in 0..150 {
        admin.ask("history.key.nats-operator", json!({})).await;
        let body = json!({"algorithm": "ed25519"});
        let again = admin.send_as("key.generate", "once", body, ids).await;
        assert_eq!(again.unwrap()["revision"], 1);
    }
    let setup = world.connect(&world.organisation.creds("setup")).await;
    let stream = async_nats::jetstream::new(setup)
        .get_stream("KEYS_EVENTS")
        .await
        .unwrap();
    let consumers = stream.cached_info().state.consumer_count;
    assert!(consumers < 10, "{consumers} consumers are left");
    service.stop().await;
}
