//! The layout shows the architecture: the dependency picture, the generated files, no dead files.

#![allow(clippy::unwrap_used)] // a test that cannot go on ends there

mod a_verb;
mod dev;
mod docs;
mod modules;
mod offline;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// What each crate may link of ours: the picture in ARCHITECTURE.md, arrows pointing down only.
fn picture() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("keyledger-claims", &[][..]),
        ("keyledger-pki", &[][..]),
        (
            "keyledger-domain",
            &["keyledger-claims", "keyledger-pki"][..],
        ),
        (
            "keyledger-custody",
            &["keyledger-domain", "keyledger-pki"][..],
        ),
        ("keyledger-wire", &["keyledger-domain"][..]),
        (
            "keyledger-service",
            &[
                "keyledger-claims",
                "keyledger-custody",
                "keyledger-domain",
                "keyledger-pki",
                "keyledger-wire",
            ][..],
        ),
        (
            "keyledger",
            &[
                "keyledger-custody",
                "keyledger-domain",
                "keyledger-pki",
                "keyledger-service",
                "keyledger-wire",
            ][..],
        ),
        (
            "keyledger-agent",
            &["keyledger-custody", "keyledger-domain", "keyledger-wire"][..],
        ),
        (
            "keyledger-testkit",
            &["keyledger-claims", "keyledger-custody", "keyledger-domain"][..],
        ),
    ])
}

/// The names below `[section]` of a manifest.
fn dependencies(manifest: &str, section: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.trim() == format!("[{section}]");
        } else if inside && let Some((name, _)) = line.split_once('=') {
            names.push(name.trim().trim_end_matches(".workspace").to_owned());
        }
    }
    names
}

#[test]
fn arrows_point_down_only() {
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let allowed = picture()
            .get(&*name)
            .copied()
            .unwrap_or_else(|| panic!("{name} is not in the picture"));
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        for dependency in dependencies(&manifest, "dependencies") {
            let ours = dependency == "keyledger" || dependency.starts_with("keyledger-");
            assert!(
                !ours || allowed.contains(&&*dependency),
                "{name} must not link {dependency}"
            );
        }
    }
}

#[test]
fn the_domain_links_no_clock_socket_or_runtime() {
    let manifest = fs::read_to_string(root().join("crates/keyledger-domain/Cargo.toml")).unwrap();
    for banned in [
        "tokio",
        "async-nats",
        "rand",
        "getrandom",
        "aws-lc-rs",
        "tracing",
    ] {
        let found = dependencies(&manifest, "dependencies")
            .iter()
            .any(|d| d == banned);
        assert!(!found, "keyledger-domain must not link {banned}");
    }
}

#[test]
fn subjects_md_is_what_the_wire_crate_says() {
    let path = root().join("subjects.md");
    let generated = keyledger_wire::table::subjects_md();
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == generated,
        "subjects.md is stale: write it anew with `cargo run -p keyledger -- subjects > subjects.md`"
    );
}

/// Every Rust file is a module of something: its name stands in a `mod` line, a manifest, or it is a root.
#[test]
fn there_are_no_dead_files() {
    let mut files = Vec::new();
    for top in ["crates", "tests", "examples", "fuzz"] {
        collect(&root().join(top), &mut files);
    }
    assert!(files.len() > 50, "the tree was not found");
    let texts: Vec<_> = files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    for file in &files {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let folder = file.parent().unwrap();
        if matches!(stem, "lib" | "main" | "build") {
            continue;
        }
        let (name, parents): (_, Vec<PathBuf>) = if stem == "mod" {
            let name = folder.file_name().unwrap().to_str().unwrap();
            (name, vec![folder.parent().unwrap().to_owned()])
        } else {
            (stem, vec![folder.to_owned()])
        };
        let is_verb = stem != "mod" && folder.ends_with("verbs");
        let declared = parents.iter().any(|parent| {
            ["lib.rs", "main.rs", "mod.rs"].iter().any(|root| {
                fs::read_to_string(parent.join(root)).is_ok_and(|text| {
                    text.lines().any(|line| {
                        let line = line
                            .trim_start_matches("pub ")
                            .trim_start_matches("pub(crate) ");
                        let line = line.trim_start_matches("pub(super) ");
                        // Or by its line in a table of verbs.
                        let by_table =
                            is_verb && line.trim_start().starts_with(&format!("{name} => "));
                        // Or by its line in the table of aggregates.
                        let is_aggregate = line.trim_start().contains(&format!(": {name}, "))
                            && root == &"lib.rs"
                            && stem == "mod";
                        line == format!("mod {name};") || by_table || is_aggregate
                    })
                })
            })
        });
        let relative = file.strip_prefix(root()).unwrap();
        let in_manifest = relative.ancestors().skip(1).any(|folder| {
            fs::read_to_string(root().join(folder).join("Cargo.toml"))
                .is_ok_and(|manifest| manifest.contains(&format!("{stem}.rs\"")))
        });
        // `#[path = "../support/mod.rs"]`, in whichever file of the tree.
        let tail = if stem == "mod" {
            format!("/{name}/mod.rs\"]")
        } else {
            format!("/{name}.rs\"]")
        };
        let by_path = texts
            .iter()
            .any(|text| text.contains("#[path = ") && text.contains(&tail));
        let by_convention = folder
            .file_name()
            .is_some_and(|f| f == "tests" || f == "benches" || f == "examples");
        assert!(
            declared || in_manifest || by_path || by_convention,
            "{} belongs to nothing",
            relative.display()
        );
    }
}

/// What people name with `--out`, and all else that programs write: by one function of custody's, which follows no link.
#[test]
fn files_are_written_by_one_function() {
    // A log that is added to, locks, a journal that is added to, the terminal.
    const OTHERWISE: [&str; 5] = [
        "keyledger/src/cli/up/child.rs",
        "keyledger/src/cli/up/organisation.rs",
        "keyledger-agent/src/run/journal/mod.rs",
        "keyledger-agent/src/run/lock.rs",
        "keyledger-agent/src/person/terminal.rs",
    ];
    let crates = root().join("crates");
    let mut files = Vec::new();
    for of in ["keyledger/src", "keyledger-agent/src"] {
        collect(&crates.join(of), &mut files);
    }
    assert!(files.len() > 100, "{}", files.len());
    for file in files {
        let relative = file.strip_prefix(&crates).unwrap().to_owned();
        let is_test = relative.ends_with("golden.rs") || relative.ends_with("tests.rs");
        if is_test || OTHERWISE.iter().any(|other| relative == Path::new(other)) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for otherwise in ["fs::write(", "File::create", "OpenOptions", "fs::copy("] {
            assert!(
                !code.contains(otherwise),
                "{} writes by {otherwise}: use keyledger_custody::write_output",
                relative.display()
            );
        }
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name == "target") {
                continue;
            }
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}
