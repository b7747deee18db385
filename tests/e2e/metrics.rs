//! What an instance counts about itself, as Prometheus reads it and as a query.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use serde_json::json;

use crate::world::World;

/// The answer to a request on the port, with its head.
fn read(at: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    let request = format!("{request} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The value of a metric, as it is written.
fn value(text: &str, metric: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(metric));
    let value = line.unwrap_or_else(|| panic!("no {metric} in:\n{text}"));
    value.trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_and_administrators_see_what_is_counted() {
    const GENERATED: &str =
        r#"keyledger_commands_total{aggregate="key",verb="generate",outcome="accepted"}"#;
    const TAKEN: &str =
        r#"keyledger_commands_total{aggregate="key",verb="generate",outcome="name_taken"}"#;
    let world = World::new().await;
    let mut service = world.serve().await;
    let at = service.serve_metrics("127.0.0.1:0".parse().unwrap());
    let at = at.await.unwrap();
    let admin = world.administrator().await;
    let body = json!({ "algorithm": "ed25519", "title": "never in a metric" });
    admin
        .send("key.generate", "orders-db", body.clone())
        .await
        .unwrap();
    let refused = admin
        .send("key.generate", "orders-db", body)
        .await
        .unwrap_err();
    assert_eq!(refused["reason"], "name_taken");
    let before = world.settled(&admin).await;

    let answer = tokio::task::spawn_blocking(move || read(at, "GET /metrics"));
    let answer = answer.await.unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains("application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    // Other tests may run in this process, whose instances count together.
    assert!(value(text, GENERATED) >= 1.0 && value(text, TAKEN) >= 1.0);
    let seconds = r#"keyledger_command_duration_seconds_count{aggregate="key",verb="generate"}"#;
    assert!(value(text, seconds) >= 2.0);
    assert!(value(text, "keyledger_batch_events_count") >= 1.0);
    assert!(value(text, "keyledger_append_duration_seconds_count") >= 1.0);
    assert_eq!(value(text, "keyledger_ledger_sequence"), before as f64);
    assert_eq!(value(text, r#"keyledger_servers{kind="answering"}"#), 1.0);
    assert_eq!(
        value(text, r#"keyledger_effects_pending{kind="task"}"#),
        0.0
    );
    assert!(value(text, r#"keyledger_requests_waiting{kind="revocations"}"#) >= 0.0);
    assert!(text.ends_with("# EOF\n"), "{text}");
    for secret in ["orders-db", "never in a metric", "admin\""] {
        assert!(!text.contains(secret), "{secret} in:\n{text}");
    }

    let asked = admin.ask("metrics", json!({})).await;
    assert!(value(asked["text"].as_str().unwrap(), GENERATED) >= 1.0);
    assert!(asked["instance"].as_str().is_some_and(|id| !id.is_empty()));
    for (request, status) in [("GET /", "404"), ("POST /metrics", "405")] {
        let answer = tokio::task::spawn_blocking(move || read(at, request));
        let answer = answer.await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    service.stop().await;
    assert!(
        TcpStream::connect(at).is_err(),
        "it listens although the service has stopped"
    );
}
