//! What works on a machine without a network sees nothing of the service or of NATS.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{collect, root};

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

/// Every path in a `use` of the text, with its braces resolved: `crate::cli::openpgp::files`.
fn uses(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for after in text.split("\nuse ").skip(1) {
        let tree = after.split(';').next().unwrap_or_default();
        let tree: String = tree.split_whitespace().collect();
        spread("", &tree, &mut found);
    }
    found
}

fn spread(before: &str, tree: &str, found: &mut Vec<String>) {
    let Some((head, inside)) = tree.split_once('{') else {
        found.push(format!("{before}{tree}"));
        return;
    };
    let inside = inside
        .strip_suffix('}')
        .expect("a group of a `use` is closed");
    let (mut depth, mut start) = (0, 0);
    let ends = inside.char_indices().chain([(inside.len(), ',')]);
    for (at, character) in ends {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if start < at {
                    spread(&format!("{before}{head}"), &inside[start..at], found);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
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
            let file = file.strip_prefix(source()).unwrap().display().to_string();
            let is_shared = SHARED.contains(&&*file);
            let allowed = ALLOWED.contains(&name) && (is_shared || name != "keyledger_wire");
            assert!(allowed, "{file} names {name}");
        }
    }
}

#[test]
fn the_offline_commands_use_only_modules_that_are_held_to_the_same() {
    let allowed: BTreeSet<_> = OFFLINE
        .into_iter()
        .chain(SHARED.map(|file| file.trim_end_matches(".rs")))
        .map(|module| format!("crate::{}", module.replace('/', "::")))
        .collect();
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        let within = uses(&text)
            .into_iter()
            .filter(|it| it.starts_with("crate::"));
        for path in within {
            let known = allowed
                .iter()
                .any(|module| path == *module || path.starts_with(&format!("{module}::")));
            let file = file.strip_prefix(source()).unwrap().display().to_string();
            assert!(known, "{file} uses {path}, which may see the service");
        }
    }
}

#[test]
fn uses_are_read_through_their_braces() {
    let text = "x\nuse crate::{\n    a::{b, c::d},\n    e,\n};\nuse f::g;\n";
    assert_eq!(
        uses(text),
        ["crate::a::b", "crate::a::c::d", "crate::e", "f::g"]
    );
    assert!(Path::new(&source()).is_dir());
}
