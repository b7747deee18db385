//! Every target on the files of its corpus, without an engine.

#![allow(clippy::unwrap_used)] // a test that cannot go on ends there

mod seeds;

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
};

use keyledger_fuzz::{TARGETS, Target};

/// The files of a target's folders.
fn files(target: &Target) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = target
        .folders()
        .filter_map(|folder| fs::read_dir(folder).ok());
    let paths = entries.flatten().map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect()
}

#[test]
fn every_target_takes_what_it_is_made_for_and_endures_the_rest() {
    let mut accepted = BTreeMap::new();
    for target in &TARGETS {
        let accepted: &mut usize = accepted.entry(target.name).or_default();
        for (path, bytes) in files(target) {
            let taken = catch_unwind(AssertUnwindSafe(|| (target.accepts)(&bytes)));
            let taken =
                taken.unwrap_or_else(|_| panic!("{} panics on {}", target.name, path.display()));
            *accepted += usize::from(taken);
        }
    }
    // A target that accepts no file shows nothing: it stops at the first byte of everything.
    let lost: Vec<_> = accepted.iter().filter(|(_, count)| **count == 0).collect();
    assert!(
        lost.is_empty(),
        "write the corpus again, with UPDATE_CORPUS=1: {lost:?}"
    );
}

#[test]
fn what_is_made_today_is_accepted() {
    let update = std::env::var_os("UPDATE_CORPUS").is_some();
    for target in &TARGETS {
        for (name, bytes) in seeds::of(target.name) {
            assert!(
                (target.accepts)(&bytes),
                "{} does not accept {name}",
                target.name
            );
            if update {
                fs::create_dir_all(target.corpus()).unwrap();
                fs::write(target.corpus().join(name), bytes).unwrap();
            }
        }
    }
}
