//! Every event type ever written still reads. The files of `tests/corpus` are never edited: a new type or a new
//! version of one is a new file, the stored bytes exactly as the service of that day wrote them.

use std::{collections::BTreeMap, fs, path::PathBuf};

use keyledger_domain::{Event, EventCid, Record};
use serde_json::Value;

fn corpus() -> BTreeMap<String, Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect()
}

fn types() -> impl Iterator<Item = &'static str> {
    Event::types().map(|(name, _)| name)
}

#[test]
fn every_type_has_a_file() {
    let corpus = corpus();
    for name in types() {
        assert!(corpus.contains_key(name), "write tests/corpus/{name}.json");
    }
}

#[test]
fn every_file_reads_and_means_the_same_when_it_is_written_again() {
    for (name, bytes) in corpus() {
        let record = Record::read(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        // Once a v2 lifts a v1, the newer type stands here instead: compare what was lifted.
        assert_eq!(record.event.type_name(), name);
        let again: Value = serde_json::from_slice(&record.to_bytes()).unwrap();
        let stored: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(again, stored, "{name}");
        assert_eq!(
            EventCid::of(&record.to_bytes()),
            EventCid::of(&bytes),
            "{name}"
        );
    }
}

#[test]
fn no_file_was_edited() {
    // The CIDs of the files as they were added. Add a line for a new file; never change one.
    let listed: BTreeMap<_, _> = include_str!("../corpus/CIDS")
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let found: BTreeMap<_, _> = corpus()
        .into_iter()
        .map(|(name, bytes)| (name, EventCid::of(&bytes).to_string()))
        .collect();
    let found: BTreeMap<_, _> = found.iter().map(|(n, c)| (&**n, &**c)).collect();
    assert_eq!(found, listed);
}
