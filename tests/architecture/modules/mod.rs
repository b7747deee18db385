//! No circles among the files of a crate.
//!
//! File A is tied to file B if A names something that B defines: in a `use`, or by a path in a type, an expression, a
//! pattern, an attribute or the arguments of a macro. Who hands a name on (`pub use child::Name`) is passed over: the
//! tie leads to the file that defines the name. Naming a module alone (`use crate::key;`, `mod key;`) ties nothing,
//! and neither does calling a method. What only tests have (`#[cfg(test)]`, `#[test]`) is not read. Macros of the crate are not
//! expanded, but what they define and which modules they declare is found by its form, where they are called: `Name { … }`, and names
//! that files have.
//!
//! A circle is a set of files in which each leads to every other. One circle is natural: the file of a module
//! (`a/mod.rs`, and likewise `lib.rs` and `main.rs`) with files below its folder, where the parent calls its children
//! and these use what the parent itself defines. So such a parent is taken away from a circle *if all others of the circle lie
//! below its folder*, and what is left must have no circle by the same rule. Children that are tied to each other in a
//! circle are therefore reported, and so is a parent that depends on a file outside its folder which depends on it.

mod graph;
mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use self::source::Source;
use crate::root;

/// The circles of today. This list only shrinks: who breaks a circle strikes it here, and none is added.
const CIRCLES: &[&[&str]] = &[];

/// Which names the files of the crate whose sources lie in `folder` take from each other: the first of a pair from the second.
pub(super) fn ties(folder: &Path) -> BTreeMap<(String, String), BTreeSet<String>> {
    let source = Source::read(folder);
    let name = |file: usize| source.files[file].clone();
    graph::ties(&source)
        .into_iter()
        .map(|((from, to), names)| ((name(from), name(to)), names))
        .collect()
}

/// A circle, as its files below `crates/`, and what ties them.
type Found = BTreeMap<BTreeSet<String>, String>;

/// The circles of the crate whose sources lie in `folder`; `prefix` stands before the names of its files.
fn circles(folder: &Path, prefix: &str) -> Found {
    let source = Source::read(folder);
    let ties = graph::ties(&source);
    let name = |file: usize| format!("{prefix}{}", source.files[file]);
    let mut found = Found::new();
    for circle in graph::circles(&source, &ties) {
        let mut text = String::new();
        for ((from, to), names) in &ties {
            if circle.contains(from) && circle.contains(to) {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                let (from, to) = (name(*from), name(*to));
                writeln!(text, "  {from} -> {to}: {}", names.join(", ")).unwrap();
            }
        }
        found.insert(circle.into_iter().map(name).collect(), text);
    }
    found
}

#[test]
fn the_files_of_a_crate_stand_in_no_circle() {
    let mut found = Found::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        found.extend(circles(&path.join("src"), &format!("{name}/src/")));
    }
    let known: BTreeSet<BTreeSet<String>> = CIRCLES
        .iter()
        .map(|circle| circle.iter().map(|&file| file.to_owned()).collect())
        .collect();
    let mut faults = String::new();
    for (circle, ties) in &found {
        if !known.contains(circle) {
            writeln!(faults, "a circle of {} files:\n{ties}", circle.len()).unwrap();
        }
    }
    for circle in &known {
        if !found.contains_key(circle) {
            writeln!(faults, "strike from the list of circles: {circle:?}").unwrap();
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

/// A crate of these files, and its circles as their files.
fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    circles(folder.path(), "")
        .into_keys()
        .map(|circle| circle.into_iter().collect())
        .collect()
}

#[test]
fn a_circle_is_found_however_its_ties_are_written() {
    for tie in [
        "use crate::a::A;",
        "use crate::{a::{self, A as _}};",
        "use super::a; fn f(_: a::A) {}",
        "fn f() { use super::a::A; }",
        "use super::*; fn f(_: a::A) {}",
        "use super::a::*; struct B2(A);",
        "fn f() -> Vec<crate::a::A> { vec![] }",
        "fn f(x: u8) { assert!(x == crate::a::A::X); }",
        "#[serde(with = \"crate::a::A\")] struct C;",
        "mod inner { use super::super::a::A; }",
        "fn f() { a_macro!() }",
    ] {
        let a = "macro_rules! a_macro { () => {} } pub struct A; fn g(_: crate::b::B) {}";
        let b = format!("{tie} pub struct B;");
        let found = circles_of(&[("lib.rs", "mod a; mod b;"), ("a.rs", a), ("b.rs", &b)]);
        assert_eq!(found, [["a.rs", "b.rs"]], "{tie}");
    }
}

#[test]
fn what_is_no_tie_makes_no_circle() {
    for no_tie in [
        "use crate::a;",
        "pub(in crate::a) struct C;",
        "#[cfg(test)] mod tests { use crate::a::A; }",
        "#[test] fn t() { crate::a::A; }",
        "use other::a::A; fn f(_: A) {}",
        "fn f(x: X) { x.a().a; matches!(x, a) }",
        "use other::prelude::*; use another::*; fn f(_: A) {}",
    ] {
        let a = "pub struct A; fn g(_: crate::b::B) {}";
        let b = format!("{no_tie} pub struct B;");
        let found = circles_of(&[("lib.rs", "mod a; mod b;"), ("a.rs", a), ("b.rs", &b)]);
        assert!(found.is_empty(), "{no_tie}: {found:?}");
    }
}

#[test]
fn a_name_that_is_handed_on_leads_to_the_file_that_defines_it() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a/mod.rs", "mod deep; pub use deep::*; pub struct Unused;"),
        ("a/deep.rs", "pub struct Deep(crate::b::B);"),
        ("b.rs", "pub struct B; fn f(_: crate::a::Deep) {}"),
    ];
    assert_eq!(circles_of(&files), [["a/deep.rs", "b.rs"]]);
}

#[test]
fn what_macros_define_and_declare_is_found() {
    let files = [
        ("lib.rs", "mod table; mod p; mod q;"),
        (
            "table.rs",
            "macro_rules! table { ($($m:ident,)+) => { $(mod $m; pub use $m::*;)+ pub enum All {} } }
             macro_rules! body { ($n:ident $f:tt) => { pub struct $n $f } }",
        ),
        ("p/mod.rs", "table! { one, }"),
        ("p/one.rs", "body! { One { q: crate::q::Q } }"),
        (
            "q.rs",
            "pub struct Q; fn f(_: crate::p::One, _: crate::p::All) {}",
        ),
    ];
    assert_eq!(circles_of(&files), [["p/one.rs", "q.rs"]]);
}

#[test]
fn modules_that_a_table_in_a_macro_declares_are_read() {
    let files = [
        (
            "lib.rs",
            "macro_rules! all { ($make:ident) => { $make! { P: p; Q: q; } } }
             macro_rules! modules { ($($n:ident: $m:ident;)+) => { $(mod $m;)+ } }
             all! { modules }",
        ),
        ("p.rs", "pub struct P(crate::q::Q);"),
        ("q.rs", "pub struct Q(crate::p::P);"),
    ];
    assert_eq!(circles_of(&files), [["p.rs", "q.rs"]]);
}

#[test]
fn a_parent_may_stand_in_a_circle_with_its_own_children_only() {
    let parent = "mod one; mod two; pub struct P; fn f(_: one::One) {}";
    let one = "pub struct One(super::P);";
    let alone = [
        ("lib.rs", "mod p;"),
        ("p/mod.rs", parent),
        ("p/one.rs", one),
        ("p/two.rs", "pub struct Two(super::one::One);"),
    ];
    assert!(circles_of(&alone).is_empty());

    let siblings = [
        ("lib.rs", "mod p;"),
        ("p/mod.rs", parent),
        ("p/one.rs", "pub struct One(super::P, super::two::Two);"),
        ("p/two.rs", "pub struct Two(super::one::One);"),
    ];
    assert_eq!(circles_of(&siblings), [["p/one.rs", "p/two.rs"]]);

    let stranger = [
        ("lib.rs", "mod p; mod q;"),
        ("p/mod.rs", "mod one; pub struct P; fn f(_: crate::q::Q) {}"),
        ("p/one.rs", one),
        ("q.rs", "pub struct Q(crate::p::one::One);"),
    ];
    assert_eq!(circles_of(&stranger), [["p/mod.rs", "p/one.rs", "q.rs"]]);
}
