//! The journal's file, after a crash, a full disk, or changes by somebody else.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use keyledger_agent::{
    identity::{FileIdentity, Identity},
    run::{ConnectionState, JOURNAL_FILE, Journal, JournalError, TaskState},
};
use keyledger_domain::token::Report;
use keyledger_testkit::PATIENCE;

use crate::world::{SERIAL, World};

/// A journal that was left in the middle of a task, and the identity it belongs to.
async fn left(world: &World) -> (PathBuf, Arc<dyn Identity>) {
    world.hold("keys");
    let mut agent = world.agent();
    world.service.file(&world.nkey, "provision", SERIAL).await;
    world
        .wait_for_status("held", |s| {
            s.tasks.iter().any(|t| t.at.as_deref() == Some("keys"))
        })
        .await;
    agent.kill9();
    world.release("keys");
    let identity = FileIdentity::open(&world.file("config")).unwrap();
    (world.file("state"), Arc::new(identity))
}

fn refused(directory: &Path, identity: &Arc<dyn Identity>) -> JournalError {
    match Journal::open(directory, Arc::clone(identity)) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_last_line_is_cut_off_and_a_changed_one_is_refused() {
    let world = World::new().await;
    let (directory, identity) = left(&world).await;
    let path = directory.join(JOURNAL_FILE);
    let whole = fs::read(&path).unwrap();
    let lines: Vec<_> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    assert!(lines.len() > 8, "{} lines", lines.len());

    // Cut the last line anywhere: the lines before it are read.
    let last = lines.last().unwrap().len();
    for cut in [1, 2, last / 2, last - 1] {
        fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        Journal::open(&directory, Arc::clone(&identity))
            .ok()
            .unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole[..whole.len() - last]);
    }
    // Zeros behind the last line, as a file system leaves them that had reserved the room.
    let zeroed = [&*whole, &[0; 100]].concat();
    fs::write(&path, zeroed).unwrap();
    Journal::open(&directory, Arc::clone(&identity))
        .ok()
        .unwrap();
    assert_eq!(fs::read(&path).unwrap(), whole);

    // A changed bit in any line; a line removed, repeated or moved.
    for at in 0..lines.len() {
        let mut changed: Vec<Vec<u8>> = lines.iter().map(|line| line.to_vec()).collect();
        changed[at][20] ^= 1;
        is_refused(&directory, &identity, &changed, at + 1);
    }
    for at in 0..lines.len() - 1 {
        let mut fewer: Vec<Vec<u8>> = lines.iter().map(|line| line.to_vec()).collect();
        fewer.remove(at);
        is_refused(&directory, &identity, &fewer, at + 1);
        let mut swapped: Vec<Vec<u8>> = lines.iter().map(|line| line.to_vec()).collect();
        swapped.swap(at, at + 1);
        is_refused(&directory, &identity, &swapped, at + 1);
        let mut twice: Vec<Vec<u8>> = lines.iter().map(|line| line.to_vec()).collect();
        twice.insert(at + 1, lines[at].to_vec());
        is_refused(&directory, &identity, &twice, at + 2);
    }
    fs::write(&path, &whole).unwrap();
    // The journal of another agent.
    let other = world.file("other");
    fs::create_dir(&other).unwrap();
    let other: Arc<dyn Identity> = Arc::new(FileIdentity::make(&other).unwrap());
    let error = refused(&directory, &other).to_string();
    assert!(error.contains("journal of another agent (U"), "{error}");
    assert!(error.contains("--anew`"), "{error}");
    // A journal that names this agent, but holds a line of somebody else.
    let opened = [lines[0], b"{}\tAAAA\n"].concat();
    fs::write(&path, opened).unwrap();
    let error = format!("{:#}", anyhow::Error::from(refused(&directory, &identity)));
    assert!(error.contains("signature is not this agent's"), "{error}");
    fs::write(&path, &whole).unwrap();
    // A journal that others can read: it holds no secret in clear, but a person who can write it can stop the agent.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(
        refused(&directory, &identity),
        JournalError::File(_)
    ));
}

fn is_refused(directory: &Path, identity: &Arc<dyn Identity>, lines: &[Vec<u8>], line: usize) {
    let path = directory.join(JOURNAL_FILE);
    let bytes = lines.concat();
    fs::write(&path, &bytes).unwrap();
    let error = refused(directory, identity);
    let named = matches!(error, JournalError::Forged { line: l, .. } if l == line as u64);
    assert!(named, "line {line}: {error}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "it is left as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_says_what_of_it_was_not_delivered() {
    let mut world = World::new().await;
    world.hold("kept");
    let mut agent = world.agent();
    let task = world.service.file(&world.nkey, "provision", SERIAL).await;
    world.wait_for_hold("kept").await;
    world.server.kill9();
    world.release("kept");
    world
        .wait_for_status("with a report to deliver", |s| {
            s.tasks.iter().any(|t| t.state == TaskState::Asking)
        })
        .await;
    agent.kill9();
    let identity = FileIdentity::open(&world.file("config")).unwrap();
    let journal = Journal::open(&world.file("state"), Arc::new(identity));
    assert_eq!(journal.ok().unwrap().left(), [(task, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_with_a_forged_journal_does_not_run_and_says_what_to_do() {
    let world = World::new().await;
    let (directory, _) = left(&world).await;
    let path = directory.join(JOURNAL_FILE);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(&SERIAL.to_string(), "27182818")).unwrap();
    let mut agent = world.agent();
    assert_eq!(agent.wait(PATIENCE).await.code(), Some(1));
    let said = agent.stderr();
    assert!(
        said.contains("is not what this agent wrote there"),
        "{said}"
    );
    // The remedy works: the agent takes the task anew, and goes on from what the token shows.
    fs::rename(&path, directory.join("journal.forged")).unwrap();
    let _agent = world.agent();
    world.wait_for_empty_queue().await;
    let done = world.token(SERIAL);
    assert_eq!(done.iter().filter(|line| *line == "secrets").count(), 1);
    assert!(done.contains(&"proved".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_stands_in_it_and_nothing_of_a_task_stays() {
    let world = World::new().await;
    let (directory, _) = left(&world).await;
    let path = directory.join(JOURNAL_FILE);
    assert!(world.journal().contains("\"kept\""));
    // Keep the old file open: its name belongs to the new file by then, and what was overwritten can still be read.
    let mut old = fs::File::open(&path).unwrap();
    let _agent = world.agent();
    world
        .wait_for_status("online", |s| s.connection.state == ConnectionState::Online)
        .await;
    world.wait_for_empty_queue().await;
    let sealed = world
        .service
        .got()
        .into_iter()
        .find_map(|got| match got.report {
            Report::SecretsSealed(sealed) => Some(sealed),
            _ => None,
        });
    let sealed = sealed.unwrap();
    let puk = world.service.curve.open(&keyledger_custody::Delivery {
        sender: sealed.sender.to_string(),
        ciphertext: data_encoding::BASE64
            .decode(sealed.sealed.as_bytes())
            .unwrap(),
    });
    let puk = String::from_utf8(puk.unwrap().expose().to_vec()).unwrap();
    let now = world.journal();
    for secret in [puk.as_str(), "19283746", "\"kept\"", "\"sealed\""] {
        assert!(!now.contains(secret), "{secret}");
    }
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut old, &mut bytes).unwrap();
    assert!(bytes.len() > 1000);
    assert!(
        bytes.iter().all(|byte| *byte == 0),
        "it was not overwritten"
    );
}
