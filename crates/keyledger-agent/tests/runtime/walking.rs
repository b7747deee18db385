//! Tasks from the queue to their end.

use std::time::Duration;

use keyledger_agent::run::{ConnectionState, TaskState};
use keyledger_domain::token::{Prompt, Report};
use keyledger_testkit::PATIENCE;

use crate::{
    service::{Answer, Got, content},
    world::{SERIAL, World},
};

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
            "progressed", // it was chosen: is the task still open?
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
    // An announcement belongs to no task.
    let got = world.service.got();
    let announced: Vec<_> = got.iter().filter(|got| got.task == "tokens").collect();
    assert_eq!(announced.len(), 1);
    assert!(matches!(announced[0].report, Report::Announced(_)));
    let mut ids: Vec<_> = reports.iter().map(|got| got.message).collect();
    ids.dedup();
    assert_eq!(ids.len(), reports.len());
    assert_eq!(
        world.token(SERIAL),
        ["begun", "secrets", "keys", "proved", "left"]
    );
    // No secret is left, neither sealed nor in clear.
    let journal = world.journal();
    assert!(!journal.contains("\"kept\"") && !journal.contains("\"taken\""));
    assert!(journal.contains(&format!("{{\"ended\":{{\"task\":\"{task}\"}}}}")));
    let status = world.wait_for_status("idle", |s| s.tasks.is_empty()).await;
    assert!(status.refused.is_empty());
    assert!(matches!(reports[2].report, Report::SecretsSealed(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_worked_on_at_once_and_each_on_one_task_at_a_time() {
    let world = World::new().await;
    world.hold("taken");
    let agent = world.agent();
    let first = world.service.file(&world.nkey, "provision", SERIAL).await;
    let second = world.service.file(&world.nkey, "verify", SERIAL).await;
    let other = world.service.file(&world.nkey, "verify", 7).await;
    let status = world
        .wait_for_status("two walks", |s| {
            let held = s.tasks.iter().filter(|t| t.at.as_deref() == Some("taken"));
            s.tasks.len() == 3 && held.count() == 2
        })
        .await;
    let of = |task| status.tasks.iter().find(|t| t.task == task).unwrap();
    assert_eq!(of(first).state, TaskState::Walking);
    assert_eq!(of(other).state, TaskState::Walking);
    assert_eq!(of(second).state, TaskState::Waiting);
    assert_eq!(of(first).prompt, Some(Prompt::InsertToken));
    // Longer than the queue waits for a sign of life: the task is not given again.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    world.release("taken");
    world.wait_for_empty_queue().await;
    assert_eq!(
        world.token(SERIAL),
        [
            "begun",
            "held at taken",
            "secrets",
            "keys",
            "proved",
            "left",
            "begun",
            "proved",
            "left"
        ]
    );
    let log = agent.stderr();
    assert!(!log.to_lowercase().contains("permission"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_with_a_fault_is_walked_again_while_it_is_open() {
    let world = World::new().await;
    let mut proofs = 0;
    world.service.rule(move |got| {
        proofs += usize::from(matches!(got.report, Report::Proved(_)));
        let Answer::Reply(mut reply) = content(got) else {
            unreachable!("it is content")
        };
        if proofs == 1 && !reply.task_open {
            reply.task_open = true;
            reply.fault = Some("one touch was missing".to_owned());
        }
        Answer::Reply(reply)
    });
    let _agent = world.agent();
    world.service.file(&world.nkey, "verify", SERIAL).await;
    world
        .wait_for_status("told", |s| {
            let trouble = s.tasks.first().and_then(|t| t.trouble.as_deref());
            trouble == Some("one touch was missing")
        })
        .await;
    world.wait_for_empty_queue().await;
    let begun = world.token(SERIAL);
    assert_eq!(begun.iter().filter(|line| *line == "begun").count(), 2);
}

/// The figure is for a debug build, which is larger. The test shows that memory does not grow with the number of tasks.
#[tokio::test(flavor = "multi_thread")]
async fn it_stays_small() {
    let world = World::new().await;
    let agent = world.agent();
    for serial in 1..=40 {
        world.service.file(&world.nkey, "provision", serial).await;
    }
    world.wait_for_empty_queue().await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    let peak_kib: u32 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(peak_kib < 40 * 1024, "{peak}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_can_be_chosen_on_the_terminal() {
    let world = World::new().await;
    // First a mistake: the PIN is too short.
    let mut agent = world.agent_on_terminal(b"1928\n19283746\n19283746\n");
    world.service.file(&world.nkey, "provision", SERIAL).await;
    world.wait_for_empty_queue().await;
    assert!(world.token(SERIAL).contains(&"proved".to_owned()));
    for said in [
        "Choose a PIN for token 31415926",
        "The PIN must have 8 digits.",
        "Type the new PIN once more.",
    ] {
        agent.wait_for_line(said, PATIENCE).await;
    }
    assert!(!world.file("asked").exists(), "pinentry was not asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_sees_that_the_serial_number_is_to_be_typed() {
    let world = World::new().await;
    let place = world.file("asked");
    let (seen, was_seen) = std::sync::mpsc::channel();
    world.service.rule(move |got| {
        if let Report::Progressed(progress) = &got.report
            && progress.prompt == Some(Prompt::ConfirmReset)
        {
            seen.send(!place.exists()).unwrap();
        }
        content(got)
    });
    let _agent = world.agent();
    let task = world.service.file(&world.nkey, "reset", SERIAL).await;
    world.wait_for_empty_queue().await;
    assert!(world.token(SERIAL).contains(&"reset".to_owned()));
    assert_eq!(was_seen.try_iter().collect::<Vec<_>>(), [true]);
    // And once more after the PIN was typed, to ask whether the task is still open.
    let prompts: Vec<_> = world
        .service
        .of(task)
        .iter()
        .filter_map(|got| match &got.report {
            Report::Progressed(progress) => Some(progress.prompt),
            _ => None,
        })
        .collect();
    assert_eq!(prompts, [None, Some(Prompt::ConfirmReset), None, None]);
}

/// The server holds a request for tasks for 30 s, and the agent repeats it.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_taken_at_once_however_long_there_was_none() {
    let world = World::without_queue().await;
    world.make_queue_that_waits(Duration::from_secs(60)).await;
    let _agent = world.agent();
    world
        .wait_for_status("online", |s| s.connection.state == ConnectionState::Online)
        .await;
    for (serial, idle_s) in [(1, 13), (2, 21)] {
        tokio::time::sleep(Duration::from_secs(idle_s)).await;
        let task = world.service.file(&world.nkey, "verify", serial).await;
        // Do not ask for its status: that would wake the agent.
        let is_there = |got: &[Got]| got.iter().any(|got| got.task == task.to_string());
        let taken = world.service.wait("its first report", is_there);
        tokio::time::timeout(Duration::from_secs(5), taken)
            .await
            .expect("it is taken at once");
    }
}
