//! The documents: every internal link leads somewhere, every page stands in the book's summary.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use keyledger_testkit::files_below;

use crate::root;

/// The book's pages.
fn book() -> PathBuf {
    root().join("docs/src")
}

fn documents() -> Vec<PathBuf> {
    let mut found = [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "nats-config/README.md",
    ]
    .map(|name| root().join(name))
    .to_vec();
    found.extend(files_below(&book(), "md"));
    found
}

/// The lines of a document that are no code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

/// Where the links and includes of a document lead.
fn targets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        for (begin, end) in [("](", ')'), ("{{#include ", '}')] {
            for (at, _) in line.match_indices(begin) {
                let rest = &line[at + begin.len()..];
                found.extend(rest.split_once(end).map(|(target, _)| target.to_owned()));
            }
        }
    }
    found
}

/// The anchors of a document: its headings, written as mdBook and GitHub write them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            let kept = words.chars().filter_map(|c| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                _ => None,
            });
            kept.collect()
        })
        .collect()
}

/// What is wrong with a link, if anything is.
fn fault(document: &Path, target: &str) -> Option<&'static str> {
    if target.starts_with("https://") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() {
        document.to_owned()
    } else {
        document.parent().unwrap().join(file)
    };
    let Ok(path) = path.canonicalize() else {
        return Some("there is no such file");
    };
    let inside = |path: &Path| path.starts_with(book().canonicalize().unwrap());
    let is_included = path.ends_with("subjects.md");
    if inside(&document.canonicalize().unwrap()) && !inside(&path) && !is_included {
        return Some("it leads out of the book");
    }
    let is_there = || anchors(&fs::read_to_string(&path).unwrap()).contains(anchor);
    (!anchor.is_empty() && !is_there()).then_some("there is no such heading")
}

#[test]
fn every_link_leads_somewhere() {
    let mut links = 0;
    let mut wrong = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for target in targets(&text) {
            links += 1;
            if let Some(fault) = fault(&document, &target) {
                wrong.push(format!("{}: {target}: {fault}", document.display()));
            }
        }
    }
    assert!(links > 60, "only {links} links were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_stands_in_the_summary() {
    let summary = book().join("SUMMARY.md");
    let listed = targets(&fs::read_to_string(&summary).unwrap());
    let listed: BTreeSet<_> = listed.iter().map(|target| book().join(target)).collect();
    let missing: Vec<_> = files_below(&book(), "md")
        .into_iter()
        .filter(|page| *page != summary && !listed.contains(page))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// With `UPDATE_SCENARIOS=1` in the environment they are written anew.
#[test]
fn schemas_in_the_book_are_what_the_wire_crate_says() {
    let schemas = keyledger_wire::schemas::schemas();
    let answer = &schemas["subjects"]["keys.commands.key.activate.*"]["answer"];
    for (file, schema) in [
        ("acknowledgement.json", answer),
        ("refusal.json", &schemas["refusal"]),
    ] {
        let path = book().join("reference").join(file);
        let generated = format!("{schema:#}\n");
        if std::env::var_os("UPDATE_SCENARIOS").is_some_and(|v| !v.is_empty()) {
            fs::write(&path, generated).unwrap();
        } else {
            let stored = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                stored == generated,
                "{file} is stale: UPDATE_SCENARIOS=1 writes it anew"
            );
        }
    }
}

#[test]
fn wrong_links_are_found() {
    let page = book().join("concepts.md");
    assert_eq!(fault(&page, "guides/revoke.md#a-user"), None);
    assert_eq!(fault(&page, "#custody"), None);
    assert_eq!(fault(&page, "https://example.org"), None);
    assert_eq!(fault(&page, "nowhere.md"), Some("there is no such file"));
    assert_eq!(fault(&page, "#nowhere"), Some("there is no such heading"));
    assert_eq!(
        fault(&page, "../../README.md"),
        Some("it leads out of the book")
    );
}
