//! Every step of a task, cut off by everything that can cut it off: it ends provisioned, once, with nothing of the factory's.

use std::time::Duration;

use super::workshop::Workshop;

const STEPS: [&str; 7] = [
    "taken",
    "reset",
    "secrets",
    "keys",
    "openpgp",
    "certificates",
    "proof",
];

/// A token a step, all in one workshop, one after the other.
async fn at_every_step(mut cut: impl AsyncFnMut(&mut Workshop, usize)) {
    let mut shop = Workshop::open(STEPS.len()).await;
    for (index, step) in STEPS.into_iter().enumerate() {
        shop.adopt(index).await;
        let mut notices = shop.notices(index).await;
        shop.provision(index, "person").await;
        shop.until_step(&mut notices, step).await;
        cut(&mut shop, index).await;
        let row = shop.until_ended(index).await;
        assert_eq!(
            row["last_task"]["done"],
            true,
            "{step}: {row:#}\n{}",
            shop.agent_log()
        );
        shop.is_provisioned(index).await;
    }
    let _ = shop.world.verify(&shop.admin).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_agent_goes_on_where_the_token_stands() {
    at_every_step(async |shop, _| {
        shop.kill_agent();
        shop.start_agent();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pulled_token_goes_on_when_it_is_plugged_in_again() {
    at_every_step(async |shop, index| {
        shop.token(index).remove();
        tokio::time::sleep(Duration::from_millis(300)).await;
        shop.token(index).insert();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_service_takes_the_reports_when_it_is_back() {
    at_every_step(async |shop, _| {
        shop.kill_service();
        tokio::time::sleep(Duration::from_millis(300)).await;
        shop.serve().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_holds_nothing_up_for_good() {
    at_every_step(async |shop, _| {
        shop.world.server.kill9();
        tokio::time::sleep(Duration::from_millis(300)).await;
        shop.world.server.restart().await;
    })
    .await;
}
