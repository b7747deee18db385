//! Who adds a verb is led by the compiler: it names what is missing, nothing has to be run.
//!
//! The domain is copied, a verb is added to the copy part by part, and the copy is checked.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use crate::root;

/// The line of a verb in the table of its aggregate.
const LINE: &str = "pledge => Pledge,";
/// The same of a verb that writes an event of its own.
const LINE_WITH_EVENT: &str = "pledge => Pledge writes Pledged,";

/// The payload alone.
const PAYLOAD: &str = r#"//! `key.pledge`.

use serde::{Deserialize, Serialize};

use crate::{
    event::{Event, VerbEvent},
    key::Key,
    ledger::{Deciding, Decision},
    payload::body,
    rejection::Rejection,
    senders::Senders,
    verb::{Nothing, Urgency, Verb},
};

body! { Key "pledge", optional reason;
    /// Pledge a key
    Pledge {}
}

/// A key was pledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pledged {}
"#;

/// What a verb means.
const VERB: &str = r#"
impl Verb for Pledge {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        on.key()?;
        Ok(on.writes([Pledged {}]))
    }

    fn wrote(&self, first: &Event) -> bool {
        first.type_name() == <Pledged as VerbEvent<Key>>::TYPE
    }
}
"#;

/// What its event means.
const EVENT: &str = r#"
impl VerbEvent<Key> for Pledged {
    const TYPE: &'static str = "key.v1.pledged";
    const ABOUT: &'static str = "It was pledged.";

    fn evolve(&self, _key: &mut Key) {}
}
"#;

/// The workspace, with a copy of the domain.
struct Scratch {
    folder: PathBuf,
    /// The table of the verbs of keys, as it is.
    table: String,
}

impl Scratch {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("a-verb");
        let _ = fs::remove_dir_all(&folder);
        let domain = folder.join("crates/keyledger-domain");
        fs::create_dir_all(&domain).unwrap();
        link_all(&root(), &folder, &["crates", "target", ".git"]);
        link_all(
            &root().join("crates"),
            &folder.join("crates"),
            &["keyledger-domain"],
        );
        let original = root().join("crates/keyledger-domain");
        link_all(&original, &domain, &["src"]);
        copy(&original.join("src"), &domain.join("src"));
        let table = fs::read_to_string(domain.join("src/key/verbs/mod.rs")).unwrap();
        Self { folder, table }
    }

    /// Adds a line to the table, and the file of the verb.
    fn with(&self, line: &str, file: Option<&[&str]>) -> &Self {
        let verbs = self.folder.join("crates/keyledger-domain/src/key/verbs");
        let first = "verbs! { Key;";
        assert!(self.table.contains(first), "the table has another form");
        let table = self.table.replace(first, &format!("{first}\n    {line}"));
        fs::write(verbs.join("mod.rs"), table).unwrap();
        match file {
            Some(parts) => fs::write(verbs.join("pledge.rs"), parts.concat()).unwrap(),
            None => drop(fs::remove_file(verbs.join("pledge.rs"))),
        }
        self
    }

    /// What the compiler says: nothing if it is satisfied.
    fn check(&self) -> String {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let checked = Command::new(cargo)
            .args(["check", "--offline", "--locked", "--quiet", "--lib"])
            .args(["--package", "keyledger-domain"])
            .current_dir(&self.folder)
            .env(
                "CARGO_TARGET_DIR",
                Path::new(env!("CARGO_TARGET_TMPDIR")).join("a-verb-target"),
            )
            .env_remove("RUSTFLAGS")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert_eq!(checked.status.success(), !said.contains("error"), "{said}");
        said
    }
}

/// Links everything in `from` into `to`, but what is named.
fn link_all(from: &Path, to: &Path, but: &[&str]) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if but.iter().all(|but| *but != name) {
            symlink(entry.path(), to.join(name)).unwrap();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn compiling_names_what_a_new_verb_lacks() {
    let scratch = Scratch::new();
    for (line, file, expected) in [
        // A line, and no file.
        (LINE, None, &["file not found for module `pledge`"][..]),
        // A payload that means nothing.
        (
            LINE,
            Some(&[PAYLOAD][..]),
            &["Pledge: Verb` is not satisfied"],
        ),
        // A verb without its parts.
        (
            LINE,
            Some(&[PAYLOAD, "impl Verb for Pledge {}"]),
            &["missing: `Made`, `Gives`, `SENDERS`, `URGENCY`, `decide`, `wrote`"],
        ),
        // An event that stands in no table.
        (
            LINE,
            Some(&[PAYLOAD, VERB, EVENT]),
            &["`event::InTable` is not implemented for `Pledged`"],
        ),
        // An event of which nobody says what it means.
        (
            LINE_WITH_EVENT,
            Some(&[PAYLOAD, VERB]),
            &["Pledged: VerbEvent<"],
        ),
        // Nothing is missing.
        (LINE_WITH_EVENT, Some(&[PAYLOAD, VERB, EVENT]), &[]),
    ] {
        let said = scratch.with(line, file).check();
        if expected.is_empty() {
            assert!(!said.contains("error"), "{said}");
        }
        for expected in expected {
            assert!(said.contains(expected), "{expected} in:\n{said}");
        }
    }
}
