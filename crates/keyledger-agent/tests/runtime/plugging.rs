//! Tokens that are plugged in and out.

use keyledger_agent::tokens::TokenSeen;
use keyledger_domain::token::{Announcement, Applet, Firmware, FormFactor, Report, Serial};
use keyledger_testkit::PATIENCE;

use crate::{
    service::Got,
    world::{SERIAL, World},
};

fn seen(serial: u32, pin_tries: u8) -> TokenSeen {
    TokenSeen {
        reader: format!("Yubico YubiKey CCID {serial}"),
        shows: Some(Announcement {
            serial: Serial::new(serial).unwrap(),
            firmware: Firmware::new(5, 7, 1),
            form_factor: FormFactor::UsbCKeychain,
            applets: vec![Applet::Piv],
            slots: Vec::new(),
            pin_tries: Some(pin_tries),
            puk_tries: Some(3),
            factory_pin: Some(true),
            restrictions: Vec::new(),
        }),
        seen_at: None,
        trouble: None,
    }
}

fn plug(world: &World, tokens: &[TokenSeen]) {
    let text = serde_json::to_string(tokens).unwrap();
    let (new, path) = (world.file("plugged.new"), world.file("plugged.json"));
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

/// The serial numbers and PIN tries that were announced.
fn announced(got: &[Got]) -> Vec<(u32, u8)> {
    let shows = got.iter().filter_map(|got| match &got.report {
        Report::Announced(shows) => Some(shows),
        _ => None,
    });
    shows
        .map(|shows| (shows.serial.number(), shows.pin_tries.unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_announced_when_it_comes_and_when_it_changes() {
    let mut world = World::new().await;
    let _agent = world.agent();
    plug(&world, &[seen(SERIAL, 3)]);
    let wait = |what: &'static str, count: usize| {
        world
            .service
            .wait(what, move |got| announced(got).len() == count)
    };
    wait("the announcement", 1).await;
    let got = world.service.got();
    assert_eq!(got[0].task, "tokens");
    assert_eq!(got[0].agent, world.nkey);
    // Somebody mistyped a PIN; then a second token comes.
    plug(&world, &[seen(SERIAL, 2)]);
    wait("the change", 2).await;
    plug(&world, &[seen(SERIAL, 2), seen(7, 5)]);
    wait("the second token", 3).await;
    assert_eq!(
        announced(&world.service.got()),
        [(SERIAL, 3), (SERIAL, 2), (7, 5)]
    );
    let status = world.status().unwrap();
    assert_eq!(status.tokens.len(), 2);
    // Pulled and plugged in again, offline, with more tries lost: only the newest is announced.
    world.server.stop().await;
    world
        .wait_for_status("offline", |s| {
            s.connection.state == keyledger_agent::run::ConnectionState::Offline
        })
        .await;
    plug(&world, &[seen(7, 5)]);
    world.wait_for_status("out", |s| s.tokens.len() == 1).await;
    for tries in [2, 1, 0] {
        plug(&world, &[seen(SERIAL, tries), seen(7, 5)]);
        world
            .wait_for_status("in", |s| {
                let shows = s.tokens.iter().filter_map(|t| t.shows.as_ref());
                shows
                    .into_iter()
                    .any(|shows| shows.pin_tries == Some(tries))
            })
            .await;
    }
    let status = world.status().unwrap();
    assert_eq!(status.announcements, 1);
    world.server.restart().await;
    world
        .service
        .wait("the newest", |got| announced(got).len() == 4)
        .await;
    assert_eq!(announced(&world.service.got())[3], (SERIAL, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_are_gone_are_told_and_looked_for_again() {
    let world = World::new().await;
    plug(&world, &[seen(SERIAL, 3)]);
    let _agent = world.agent();
    world.wait_for_status("seen", |s| s.tokens.len() == 1).await;
    std::fs::remove_file(world.file("plugged.json")).unwrap();
    let status = world
        .wait_for_status("no readers", |s| s.readers.is_some())
        .await;
    assert!(status.readers.unwrap().contains("start pcscd"));
    assert!(status.tokens.is_empty());
    plug(&world, &[seen(SERIAL, 3)]);
    world
        .wait_for_status("seen again", |s| s.tokens.len() == 1 && s.readers.is_none())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_cannot_watch_its_readers_any_more_ends() {
    let world = World::new().await;
    plug(&world, &[seen(SERIAL, 3)]);
    let mut agent = world.agent();
    world.wait_for_status("seen", |s| s.tokens.len() == 1).await;
    std::fs::write(world.file("plugged.json"), "panic").unwrap();
    assert_eq!(agent.wait(PATIENCE).await.code(), Some(1));
    let said = agent.stderr();
    assert!(
        said.contains("the thread that watches the readers has ended"),
        "{said}"
    );
}
