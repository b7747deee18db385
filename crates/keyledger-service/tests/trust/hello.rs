//! A server that comes back: how long it lets in whom the others refuse.

use std::time::{Duration, Instant};

use keyledger_service::trust::{initialise, setup};
use keyledger_testkit::{Cluster, PATIENCE};
use serde_json::json;

use crate::{
    enforced::client,
    resolver::{Person, command, connect, eventually, serve, took_ms},
    support::options,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_hello_is_pushed_to_before_anything_else() {
    let home = tempfile::tempdir().unwrap();
    let organisation = initialise(options(home.path().join("acme"))).unwrap();
    let mut cluster = Cluster::operator_mode(organisation.trust_conf().parent().unwrap()).await;
    let url = cluster.server(0).url();
    let setter = connect(&organisation, "setup", &url).await;
    setup(&setter, &organisation, 3).await.unwrap();
    let service = serve(&organisation, url.clone()).await;
    let admin = client(&organisation, &url).await;
    let mut windows = Vec::new();
    for round in 0..ROUNDS {
        let name = format!("person-{round}");
        let person = Person::issue(&admin, &name).await;
        let other = cluster.server(2).url();
        person.connect(&other).await.unwrap();
        cluster.kill9(2);
        command(&admin, "user.revoke", &name, json!({ "reason": "left" })).await;
        eventually("those that are there confirm", async || {
            took_ms(&service, &name).is_some()
        })
        .await;
        let attempts = tokio::spawn(async move { accepted_for(&person, &other).await });
        cluster.restart(2).await;
        windows.push(attempts.await.unwrap());
        cluster.wait_until_healthy().await;
    }
    windows.sort_unstable();
    println!("a restarted server let the revoked in for {windows:?}");
    service.stop().await;
}

const ROUNDS: usize = 3;

/// How long a server that comes back lets somebody in: from the first time until the last.
async fn accepted_for(person: &Person, url: &str) -> Duration {
    let begin = Instant::now();
    let (mut first, mut last) = (None, None);
    let (mut let_in, mut refused, mut absent) = (0, 0, None);
    while begin.elapsed() < PATIENCE && refused < 100 {
        match person.connect(url).await {
            Ok(_) => {
                first.get_or_insert_with(Instant::now);
                last = Some(Instant::now());
                let_in += 1;
                refused = 0;
            }
            // Not there yet is no refusal.
            Err(error) if error.to_string().contains("authorization") => refused += 1,
            Err(error) => absent = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(
        refused >= 100,
        "let in {let_in} times, refused {refused} times since, last not there: {absent:?}"
    );
    match (first, last) {
        (Some(first), Some(last)) => last.duration_since(first),
        _ => Duration::ZERO,
    }
}
