//! The agent without a network, without a service, or with a service that rejects reports.

use std::time::Duration;

use keyledger_agent::run::{ConnectionState, TaskState};
use keyledger_domain::token::{Report, Step};
use keyledger_testkit::PATIENCE;

use crate::{
    service::{Answer, content, taken},
    world::{SERIAL, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_goes_on_without_a_network_and_is_reported_later() {
    let mut world = World::new().await;
    world.hold("kept");
    let _agent = world.agent();
    let task = world.service.file(&world.nkey, "provision", SERIAL).await;
    world.wait_for_hold("kept").await;
    world.server.kill9();
    world
        .wait_for_status("offline", |s| {
            s.connection.state == ConnectionState::Offline
        })
        .await;
    world.release("kept");
    // The walk goes on until it needs an answer, and no further.
    let status = world
        .wait_for_status("asking", |s| {
            s.tasks.iter().any(|t| t.state == TaskState::Asking)
        })
        .await;
    assert_eq!(status.tasks[0].undelivered, 1, "{status:#?}");
    world.server.restart().await;
    world.wait_for_empty_queue().await;
    let reports = world.service.of(task);
    let sealed = reports
        .iter()
        .filter(|got| matches!(got.report, Report::SecretsSealed(_)));
    assert_eq!(sealed.count(), 1);
    let done = world.token(SERIAL);
    assert_eq!(done.iter().filter(|line| *line == "begun").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_offline_comes_in_order_and_once() {
    let mut world = World::new().await;
    world.hold("taken");
    let mut agent = world.agent();
    let task = world.service.file(&world.nkey, "provision", SERIAL).await;
    world
        .wait_for_status("held", |s| {
            s.tasks.iter().any(|t| t.at.as_deref() == Some("taken"))
        })
        .await;
    world
        .service
        .wait("the prompt", |got| {
            got.iter().any(|g| g.task == task.to_string())
        })
        .await;
    world.server.stop().await;
    world.hold("kept");
    world.release("taken");
    world
        .wait_for_status("held", |s| {
            s.tasks.iter().any(|t| t.at.as_deref() == Some("kept"))
        })
        .await;
    // Killed while offline: its reports are on disk.
    agent.kill9();
    world.release("kept");
    let _agent = world.agent();
    world
        .wait_for_status("asking", |s| {
            s.tasks.iter().any(|t| t.state == TaskState::Asking)
        })
        .await;
    world.server.restart().await;
    world.wait_for_empty_queue().await;
    let mut reports = world.service.of(task);
    reports.dedup_by_key(|got| got.message);
    let steps: Vec<_> = reports
        .iter()
        .filter_map(|got| match &got.report {
            Report::Progressed(progress) if progress.prompt.is_none() => Some(progress.step),
            _ => None,
        })
        .collect();
    use Step::{Keys, Proof, Secrets, Taken};
    // Two runs: the first reached the secrets, the second began again, and reported once more when the PIN was chosen.
    assert_eq!(
        steps,
        [Taken, Secrets, Taken, Secrets, Secrets, Keys, Proof]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_starts_offline_connects_when_it_can() {
    let mut world = World::new().await;
    world.server.stop().await;
    let _agent = world.agent();
    world
        .wait_for_status("offline", |s| {
            s.connection.state == ConnectionState::Offline
        })
        .await;
    world.server.restart().await;
    world
        .wait_for_status("online", |s| s.connection.state == ConnectionState::Online)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_queue_it_waits_for_the_service_to_make_one() {
    let world = World::without_queue().await;
    let _agent = world.agent();
    let status = world
        .wait_for_status("connected", |s| {
            s.connection.state == ConnectionState::NoQueue && s.connection.trouble.is_some()
        })
        .await;
    let trouble = status.connection.trouble.unwrap();
    assert!(trouble.contains("the service makes it"), "{trouble}");
    world.make_queue().await;
    world
        .wait_for_status("online", |s| s.connection.state == ConnectionState::Online)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_ready_is_asked_again_under_the_same_id() {
    let world = World::new().await;
    let mut tries = 0;
    world.service.rule(move |got| {
        if got.task == "tokens" {
            return content(got);
        }
        tries += 1;
        match tries {
            1 | 4 => Answer::Refuse(503),
            2 => Answer::Refuse(507),
            _ => content(got),
        }
    });
    let _agent = world.agent();
    let task = world.service.file(&world.nkey, "verify", SERIAL).await;
    world.wait_for_empty_queue().await;
    let ids: Vec<_> = world.service.of(task).iter().map(|g| g.message).collect();
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[1], ids[2]);
    assert_eq!(ids[3], ids[4]);
    assert_eq!(ids.len(), 6, "{ids:?}"); // taken (3), proof (2), proved
    let status = world.status().unwrap();
    assert!(status.refused.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_refuses_for_good_is_not_sent_again() {
    let world = World::new().await;
    world.service.rule(|got| match &got.report {
        Report::Progressed(progress) if progress.step == Step::Keys => Answer::Refuse(409),
        _ => content(got),
    });
    let mut agent = world.agent();
    let task = world.service.file(&world.nkey, "provision", SERIAL).await;
    world.wait_for_empty_queue().await;
    // A rejected report that was only told ends nothing.
    let refused = |got: &crate::service::Got| matches!(&got.report, Report::Progressed(p) if p.step == Step::Keys);
    let count = world.service.of(task).iter().filter(|g| refused(g)).count();
    assert_eq!(count, 2, "with the prompt to touch, each once");
    let status = world.status().unwrap();
    assert_eq!(status.refused.len(), 1, "{status:#?}");
    assert_eq!(status.refused[0].count, 2);
    assert_eq!(status.refused[0].report, "progressed");
    assert!(status.refused[0].reason.contains("not_allowed"));
    // It is still known after a restart.
    agent.kill9();
    let _agent = world.agent();
    let status = world
        .wait_for_status("started again", |s| !s.refused.is_empty())
        .await;
    assert_eq!(status.refused[0].task, Some(task));
    assert_eq!(status.refused[0].count, 2);
    // It is forgotten when a later task of the token has gone well.
    world.service.rule(content);
    world.service.file(&world.nkey, "verify", SERIAL).await;
    world.wait_for_empty_queue().await;
    world
        .wait_for_status("clean", |s| s.refused.is_empty() && s.tasks.is_empty())
        .await;
    assert!(!world.journal().contains("not_allowed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_cancelled_task_nobody_is_asked() {
    let world = World::new().await;
    world.service.rule(|got| match &got.report {
        Report::Progressed(progress) if progress.prompt.is_some() => taken(false),
        _ => content(got),
    });
    let _agent = world.agent();
    world.service.file(&world.nkey, "provision", SERIAL).await;
    world.wait_for_empty_queue().await;
    let status = world.wait_for_status("idle", |s| s.tasks.is_empty()).await;
    assert!(!world.file("asked").exists(), "the person was asked");
    assert!(!world.token(SERIAL).contains(&"secrets".to_owned()));
    assert!(status.ended[0].fault.is_some(), "{status:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_person_says_is_not_used_for_a_task_that_was_cancelled_meanwhile() {
    let world = World::new().await;
    let mut asked = false;
    world.service.rule(move |got| match &got.report {
        Report::Progressed(progress) if progress.prompt.is_some() => {
            asked = true;
            content(got)
        }
        Report::Progressed(_) if asked => Answer::Gone,
        _ => content(got),
    });
    let _agent = world.agent();
    world.service.file(&world.nkey, "provision", SERIAL).await;
    world.wait_for_empty_queue().await;
    let status = world.wait_for_status("idle", |s| s.tasks.is_empty()).await;
    assert!(world.file("asked").exists());
    assert!(!world.token(SERIAL).contains(&"secrets".to_owned()));
    let fault = status.ended[0].fault.as_ref().unwrap();
    assert!(fault.starts_with("task_not_open"), "{fault}");
    assert_eq!(status.refused.len(), 1, "{status:#?}");
}

/// No walk waits for a report that is only told. Yet its answer may say that the task is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_only_tells_learns_that_its_task_was_cancelled() {
    let world = World::new().await;
    world.hold("keys");
    let _agent = world.agent();
    let task = world.service.file(&world.nkey, "provision", SERIAL).await;
    world
        .wait_for_status("held", |s| {
            s.tasks.iter().any(|t| t.at.as_deref() == Some("keys"))
        })
        .await;
    world.service.rule(|got| match &got.report {
        Report::Progressed(_) => Answer::Gone,
        _ => content(got),
    });
    world.release("keys"); // the next it says is a prompt to touch
    world.wait_for_empty_queue().await;
    let status = world.wait_for_status("idle", |s| s.tasks.is_empty()).await;
    assert_eq!(status.ended[0].task, task);
    assert!(!world.token(SERIAL).contains(&"proved".to_owned()));
    assert_eq!(status.refused.len(), 1, "{status:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_evidence_is_refused_is_over() {
    let world = World::new().await;
    world.service.rule(|got| match &got.report {
        Report::Proved(_) => Answer::Refuse(422),
        _ => content(got),
    });
    let _agent = world.agent();
    let task = world.service.file(&world.nkey, "verify", SERIAL).await;
    world.wait_for_empty_queue().await;
    let status = world.wait_for_status("idle", |s| s.tasks.is_empty()).await;
    assert_eq!(status.ended[0].task, task);
    assert!(
        status.ended[0]
            .fault
            .as_ref()
            .unwrap()
            .contains("not_allowed")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_ended_at_the_service_is_left() {
    let world = World::new().await;
    world.hold("keys");
    let _agent = world.agent();
    let task = world.service.file(&world.nkey, "provision", SERIAL).await;
    world
        .wait_for_status("held", |s| {
            s.tasks.iter().any(|t| t.at.as_deref() == Some("keys"))
        })
        .await;
    // The task was withdrawn: the answer to the next report says so, and the walk that waits for the token ends.
    world.service.rule(|_| taken(false));
    world.release("keys");
    world.wait_for_empty_queue().await;
    world.wait_for_status("idle", |s| s.tasks.is_empty()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!world.token(SERIAL).contains(&"proved".to_owned()));
    let proved = world.service.of(task);
    assert!(!proved.iter().any(|g| matches!(g.report, Report::Proved(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_in_order_and_goes_on_after() {
    let world = World::new().await;
    world.hold("proof");
    let mut agent = world.agent();
    let task = world.service.file(&world.nkey, "verify", SERIAL).await;
    world
        .wait_for_status("held", |s| {
            s.tasks.iter().any(|t| t.at.as_deref() == Some("proof"))
        })
        .await;
    let ended = tokio::time::timeout(Duration::from_secs(3), agent.terminate()).await;
    assert_eq!(ended.unwrap().code(), Some(0), "{}", agent.stderr());
    assert!(world.status().is_none(), "the socket is gone");
    assert_eq!(world.token(SERIAL).last().unwrap(), "left");
    world.release("proof");
    let _agent = world.agent();
    world
        .service
        .wait("the proof", |got| {
            got.iter()
                .any(|g| g.task == task.to_string() && matches!(g.report, Report::Proved(_)))
        })
        .await;
    world.wait_for_empty_queue().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_do_not_share_one_state() {
    let world = World::new().await;
    let _first = world.agent();
    world.wait_for_status("up", |_| true).await;
    let mut second = world.agent();
    let ended = second.wait(PATIENCE).await;
    assert_eq!(ended.code(), Some(1));
    assert!(
        second.stderr().contains("another agent runs already"),
        "{}",
        second.stderr()
    );
    // The first still answers: its socket was left alone.
    assert!(world.status().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_are_told() {
    let world = World::new().await;
    let stranger = crate::trust::Organisation::new();
    world.settings(&stranger.agent_jwt(&world.nkey));
    let _agent = world.agent();
    let status = world
        .wait_for_status("refused", |s| s.connection.trouble.is_some())
        .await;
    assert_eq!(status.connection.state, ConnectionState::Offline);
    let trouble = status.connection.trouble.unwrap().to_lowercase();
    assert!(trouble.contains("authorization"), "{trouble}");
    assert!(trouble.contains("enrol"), "{trouble}");
}
