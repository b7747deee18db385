//! Answers that do not come: how long they are waited for, and what is said then.

use std::time::{Duration, Instant};

use crate::{fake::Fake, support::Shell};

#[test]
fn a_question_is_waited_for_as_long_as_was_asked_for() {
    let fake = Fake::mute();
    let begun = Instant::now();
    let run = Shell::new().line(&format!("ledger verify --timeout 6s --server {}", fake.url));
    assert_eq!(run.code, 4, "{}", run.stderr);
    assert!(run.stderr.contains("no answer on"), "{}", run.stderr);
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(6), "{took:?}");
    assert_eq!(fake.asked(), ["keys.queries.ledger.head"]);
}

#[test]
fn a_command_without_an_answer_may_be_repeated() {
    let fake = Fake::mute();
    let run = Shell::new().line(&format!(
        "key activate x --timeout 300ms --server {}",
        fake.url
    ));
    assert_eq!(run.code, 4, "{}", run.stderr);
    assert!(run.stderr.contains("--message-id"), "{}", run.stderr);
}
