//! What works on a machine without a network sees nothing of the service or of NATS.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{collect, modules, root};

/// What the offline commands are made of, below the binary's `src`: folders, and files.
const OFFLINE: [&str; 2] = ["cli/offline", "cli/openpgp"];
/// What else of the binary they use. Each of them is held to the same.
const SHARED: [&str; 7] = [
    "args.rs",
    "cli/passphrase.rs",
    "cli/shell.rs",
    "exit.rs",
    "output.rs",
    "table.rs",
    "when.rs",
];
/// The crates of ours that they may name. Of the wire what they share with others takes words and codes, and no connection.
const ALLOWED: [&str; 4] = [
    "keyledger_custody",
    "keyledger_domain",
    "keyledger_pki",
    "keyledger_wire",
];

fn source() -> PathBuf {
    root().join("crates/keyledger/src")
}

/// The files of the offline commands, and of what they share with others.
fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in OFFLINE {
        collect(&source().join(folder), &mut files);
    }
    assert!(files.len() > 15, "{}", files.len());
    files.extend(SHARED.map(|file| source().join(file)));
    files
}

/// A file as its path below the binary's `src`.
fn relative(file: &Path) -> String {
    let below = file.strip_prefix(source()).unwrap();
    below.display().to_string()
}

#[test]
fn the_offline_commands_name_neither_the_service_nor_nats() {
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let ours: BTreeSet<_> = words
            .filter(|word| word.starts_with("keyledger_") || *word == "async_nats")
            .collect();
        for name in ours {
            let file = relative(&file);
            let is_shared = SHARED.contains(&&*file);
            let allowed = ALLOWED.contains(&name) && (is_shared || name != "keyledger_wire");
            assert!(allowed, "{file} names {name}");
        }
    }
}

#[test]
fn the_offline_commands_use_only_files_that_are_held_to_the_same() {
    let held: BTreeSet<_> = files().iter().map(|file| relative(file)).collect();
    let ties = modules::ties(&source());
    for ((from, to), names) in &ties {
        assert!(
            !held.contains(from) || held.contains(to),
            "{from} uses {names:?} of {to}, which may see the service"
        );
    }
    // Each takes names from others or gives some: one without a tie was not read.
    let read: BTreeSet<_> = ties.keys().flat_map(|(from, to)| [from, to]).collect();
    let unread: Vec<_> = held.iter().filter(|file| !read.contains(file)).collect();
    assert!(unread.is_empty(), "{unread:?}");
}
