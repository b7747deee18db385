//! Tasks from the queue to their end.

use keyledger_agent::run::ConnectionState;
use keyledger_domain::token::Report;

use crate::world::{SERIAL, World};

fn names(reports: &[crate::service::Got]) -> Vec<&'static str> {
    reports.iter().map(|got| got.report.name()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_walked_reported_and_acknowledged() {
    let world = World::new().await;
    let _agent = world.agent();
    world
        .wait_for_status("online", |s| s.connection.state == ConnectionState::Online)
        .await;
    let task = world.service.file(&world.nkey, "provision", SERIAL).await;
    world.wait_for_empty_queue().await;
    let reports = world.service.of(task);
    assert_eq!(
        names(&reports),
        [
            "progressed",
            "progressed",
            "secrets_sealed",
            "progressed", // choose a PIN
            "progressed",
            "progressed", // touch
            "keys_made",
            "progressed",
            "proved"
        ]
    );
    for got in &reports {
        assert_eq!(got.correlation, task.to_string());
        assert_eq!(got.agent, world.nkey);
    }
    let mut ids: Vec<_> = reports.iter().map(|got| got.message).collect();
    ids.dedup();
    assert_eq!(ids.len(), reports.len());
    assert_eq!(
        world.token(SERIAL),
        ["begun", "secrets", "keys", "proved", "left"]
    );
    // Nothing of it is left, sealed or not.
    let journal = world.journal();
    assert!(!journal.contains("\"kept\"") && !journal.contains("\"taken\""));
    assert!(journal.contains(&format!("{{\"ended\":{{\"task\":\"{task}\"}}}}")));
    let status = world.wait_for_status("idle", |s| s.tasks.is_empty()).await;
    assert!(status.refused.is_empty());
    assert!(matches!(reports[2].report, Report::SecretsSealed(_)));
}
