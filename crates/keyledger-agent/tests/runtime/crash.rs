//! Kills the agent at every report, before and after the answer: nothing is lost, and nothing is done twice.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use data_encoding::BASE64;
use keyledger_custody::Delivery;
use keyledger_domain::token::Report;

use crate::{
    service::{Answer, Got, content},
    world::{SERIAL, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_task_survives_kill_at_each_report() {
    let world = World::new().await;
    let mut serial = SERIAL;
    for at in 0..9 {
        for answered in [false, true] {
            serial += 1;
            killed_at(&world, serial, at, answered).await;
        }
    }
}

/// Kills the agent when the `at`th report of a task comes, answered or not, and starts it again.
async fn killed_at(world: &World, serial: u32, at: usize, answered: bool) {
    let seen = Arc::new(Mutex::new(0));
    let count = Arc::clone(&seen);
    world.service.rule(move |got| {
        if got.task == "tokens" {
            return content(got);
        }
        let mut count = count.lock().unwrap();
        *count += 1;
        if *count == at + 1 && !answered {
            Answer::Silence
        } else {
            content(got)
        }
    });
    let mut agent = world.agent();
    let task = world.service.file(&world.nkey, "provision", serial).await;
    let is_there = |got: &[Got]| got.iter().filter(|g| g.task == task.to_string()).count() > at;
    world
        .service
        .wait("the report to be killed at", is_there)
        .await;
    if answered {
        tokio::time::sleep(Duration::from_millis(5)).await; // about when the answer is noted
    }
    agent.kill9();
    let _agent = world.agent();
    world.wait_for_empty_queue().await;
    let context = format!("killed at {at}, answered: {answered}");
    let reports = world.service.of(task);
    // One message id, one report.
    let mut by_id: HashMap<_, &Report> = HashMap::new();
    for got in &reports {
        let first = by_id.entry(got.message).or_insert(&got.report);
        assert_eq!(**first, got.report, "{context}");
    }
    // Reports with the same content are the same report.
    for name in ["keys_made", "proved"] {
        let mut ids: Vec<_> = reports
            .iter()
            .filter(|got| got.report.name() == name)
            .map(|got| got.message)
            .collect();
        ids.dedup();
        assert_eq!(ids.len(), 1, "{context}: {name} has {ids:?}");
    }
    // Each sealed secret is the one that was kept.
    let sealed = reports.iter().filter_map(|got| match &got.report {
        Report::SecretsSealed(sealed) => Some(sealed),
        _ => None,
    });
    let mut puks: Vec<_> = sealed
        .map(|sealed| {
            let delivery = Delivery {
                sender: sealed.sender.to_string(),
                ciphertext: BASE64.decode(sealed.sealed.as_bytes()).unwrap(),
            };
            let puk = world.service.curve.open(&delivery).unwrap();
            String::from_utf8(puk.expose().to_vec()).unwrap()
        })
        .collect();
    puks.dedup();
    assert_eq!(puks.len(), 1, "{context}: {puks:?}");
    assert!(!world.journal().contains(&puks[0]), "{context}");
    let done = world.token(serial);
    for step in ["secrets", "keys"] {
        assert!(done.contains(&step.to_owned()), "{context}: {done:?}");
    }
}
