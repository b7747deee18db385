//! The README and the book do what they say: the shell blocks of each page are a session beside a `keyledger up` of its own.
//!
//! What stands behind the three backticks says what becomes of a block:
//!
//! | words | the block |
//! |---|---|
//! | `sh` | is run, and must succeed |
//! | `sh exit 3` | is run, and must end with this code |
//! | `sh start` | is started, and goes on until the page ends |
//! | `sh until` | is run again and again until it succeeds |
//! | `sh norun, WHY` | is not run |
//!
//! A block in an HTML comment is run too; readers do not see it.

use std::{collections::BTreeSet, fs, path::PathBuf};

use keyledger_testkit::{FreePort, files_below, tools};

use crate::world::World;

/// A test for each page with something to run.
macro_rules! pages {
    ($($name:ident: $path:literal)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                play($path).await;
            }
        )*

        #[test]
        fn every_page_is_played() {
            assert_eq!(pages_to_run(), BTreeSet::from([$($path.to_owned()),*]));
        }
    };
}

pages! {
    readme: "README.md"
    first_steps: "docs/src/first-steps.md"
    concepts: "docs/src/concepts.md"
    walk_through: "docs/src/production/walk-through.md"
    operate: "docs/src/production/operate.md"
    backup: "docs/src/production/backup.md"
    upgrades: "docs/src/production/upgrades.md"
    onboard_a_service: "docs/src/guides/onboard-a-service.md"
    revoke: "docs/src/guides/revoke.md"
    a_person_leaves: "docs/src/guides/a-person-leaves.md"
    a_leaked_key: "docs/src/guides/a-leaked-key.md"
    yubikeys: "docs/src/guides/yubikeys.md"
    openpgp_and_ssh: "docs/src/guides/openpgp-and-ssh.md"
    an_internal_ca: "docs/src/guides/an-internal-ca.md"
    audit: "docs/src/guides/audit.md"
    upgrade_accounts: "docs/src/guides/upgrade-accounts.md"
    roles: "docs/src/reference/roles.md"
    exit_codes: "docs/src/reference/exit-codes.md"
    json: "docs/src/reference/json.md"
}

/// What becomes of a block.
#[derive(Debug, PartialEq, Eq)]
enum BlockKind {
    Run { exit: i32 },
    Start,
    Until,
    NoRun,
}

impl BlockKind {
    /// Of a block's first line, without the backticks; nothing where it is no shell's.
    fn read(words: &str) -> Option<Self> {
        let rest = words.strip_prefix("sh")?;
        Some(match rest.trim() {
            "" => Self::Run { exit: 0 },
            "start" => Self::Start,
            "until" => Self::Until,
            rest if rest.starts_with("norun, ") => Self::NoRun,
            rest => {
                let code = rest.strip_prefix("exit ").and_then(|c| c.parse().ok());
                let exit = code.unwrap_or_else(|| panic!("a block cannot be `{words}`"));
                Self::Run { exit }
            }
        })
    }
}

/// The shell blocks of a page, in order.
fn blocks(text: &str) -> Vec<(BlockKind, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(words) = line.strip_prefix("```") else {
            continue;
        };
        let known = ["ini", "json", "rust", "text", "toml"];
        let kind = BlockKind::read(words);
        assert!(
            kind.is_some() || known.contains(&words),
            "a block is `{words}`, neither sh nor one of {known:?}"
        );
        let inside = lines.by_ref().take_while(|line| *line != "```");
        let inside = inside.collect::<Vec<_>>().join("\n");
        found.extend(kind.map(|kind| (kind, inside)));
    }
    found
}

async fn play(page: &str) {
    let text = fs::read_to_string(tools::repository().join(page)).unwrap();
    let mut world = World::new().await;
    world.link("nats-config", &tools::repository().join("nats-config"));
    world.link("bin/nats-server", &tools::nats_server());
    world.link("bin/keyledger-agent", &tools::keyledger_agent());
    // Where a page starts a server of its own.
    let port = FreePort::find();
    for (kind, block) in blocks(&text) {
        let block = block.replace("4222", &port.to_string());
        match kind {
            BlockKind::Run { exit } => {
                let run = world.run(&format!("set -eo pipefail\n{block}")).await;
                assert_eq!(run.code, Some(exit), "{page} has\n{block}\n{run}");
            }
            BlockKind::Start => world.start(&block),
            BlockKind::Until => world.until(&block).await,
            BlockKind::NoRun => {}
        }
    }
    world.close().await;
}

/// The pages that have something to run.
fn pages_to_run() -> BTreeSet<String> {
    let root = tools::repository();
    let mut pages = vec![root.join("README.md")];
    pages.extend(files_below(&root.join("docs/src"), "md"));
    let runs = |page: &PathBuf| {
        let blocks = blocks(&fs::read_to_string(page).unwrap());
        blocks.iter().any(|(kind, _)| *kind != BlockKind::NoRun)
    };
    let pages = pages.into_iter().filter(runs);
    pages
        .map(|page| page.strip_prefix(&root).unwrap().display().to_string())
        .collect()
}
