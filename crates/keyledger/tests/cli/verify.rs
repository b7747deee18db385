//! `keyledger ledger verify` on a good export, and on four that were tampered with.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::support::{Run, Shell};

/// An export with its signed head: the genesis events that `init` writes are one.
struct Export {
    shell: Shell,
    lines: Vec<String>,
}

impl Export {
    fn new() -> Self {
        let shell = Shell::new();
        let text = fs::read_to_string(shell.organisation("acme").join("genesis.jsonl")).unwrap();
        Self {
            shell,
            lines: text.lines().map(str::to_owned).collect(),
        }
    }

    fn write(&self) -> PathBuf {
        let path = self.shell.home.path().join("ledger.jsonl");
        fs::write(&path, self.lines.join("\n") + "\n").unwrap();
        path
    }

    fn verify(&self, options: &str) -> Run {
        let path = self.write();
        self.shell
            .line(&format!("ledger verify {} {options}", path.display()))
    }

    /// Holds that it does not verify, for `fault` at `sequence`.
    fn broken(&self, fault: &str, sequence: u64) -> Run {
        let run = self.verify("--json");
        assert_eq!(run.code, 5, "{}", run.stderr);
        let said: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(said["verified"], false);
        assert_eq!(
            (said["fault"].as_str(), said["sequence"].as_u64()),
            (Some(fault), Some(sequence)),
            "{said}"
        );
        assert!(
            run.stderr
                .contains(&format!("broken at sequence {sequence}, keys.events.")),
            "{}",
            run.stderr
        );
        run
    }

    /// Line `at` as JSON; line 0 is the header, so events stand at their sequences.
    fn event(&self, at: usize) -> Value {
        serde_json::from_str(&self.lines[at]).unwrap()
    }
}

#[test]
fn a_good_export_verifies() {
    let export = Export::new();
    let run = export.verify("");
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.starts_with("verified "), "{}", run.stdout);
    assert!(
        run.stdout.contains("compare it, or give --operator"),
        "{}",
        run.stdout
    );

    let report: Value = serde_json::from_str(&export.verify("--json").stdout).unwrap();
    assert_eq!(report["verified"], true);
    assert_eq!(report["head_verified"], true);
    assert_eq!(report["operator_pinned"], false);
    let operator = report["operator"].as_str().unwrap();
    let pinned = export.verify(&format!("--operator {operator}"));
    assert!(pinned.stdout.contains("(as expected)"), "{}", pinned.stdout);
    assert!(export.verify("--dir acme").stdout.contains("(as expected)"));
}

#[test]
fn the_directory_around_says_which_operator_is_expected() {
    let export = Export::new();
    fs::rename(
        export.shell.home.path().join("acme"),
        export.shell.home.path().join(".keyledger"),
    )
    .unwrap();
    let run = export.verify("");
    assert!(run.stdout.contains("(as expected)"), "{}", run.stdout);
    // Another organisation's is refused, and the way out said.
    let other = Export::new();
    fs::write(export.write(), other.lines.join("\n") + "\n").unwrap();
    let run = export.shell.line("ledger verify ledger.jsonl");
    assert_eq!(run.code, 5, "{}", run.stdout);
    assert!(
        run.stderr
            .contains(".keyledger names the expected operator")
            && run.stderr.contains("--operator"),
        "{}",
        run.stderr
    );
}

#[test]
fn an_earlier_export_of_another_ledger_is_called_so() {
    let (export, other) = (Export::new(), Export::new());
    let kept = other.write();
    let run = export.verify(&format!("--earlier {}", kept.display()));
    assert_eq!(run.code, 5, "{}", run.stderr);
    assert!(
        run.stderr.contains("is an export of another ledger"),
        "{}",
        run.stderr
    );
}

#[test]
fn standard_input_is_an_export_too() {
    let export = Export::new();
    let file = fs::File::open(export.write()).unwrap();
    let output = export
        .shell
        .command(["ledger", "verify", "-"])
        .stdin(file)
        .output()
        .unwrap();
    assert!(output.status.success());
}

#[test]
fn a_removed_event_is_found() {
    let mut export = Export::new();
    export.lines.remove(3);
    let run = export.broken("removed", 4);
    assert!(
        run.stderr
            .contains("an event was removed before it: sequence 3"),
        "{}",
        run.stderr
    );
}

#[test]
fn an_altered_event_is_found() {
    let mut export = Export::new();
    let mut event = export.event(3);
    let payload = event["payload"].as_str().unwrap().replace("Acme", "Evil");
    assert_ne!(
        event["payload"],
        payload.as_str(),
        "the operator's title stands there"
    );
    event["payload"] = payload.into();
    export.lines[3] = event.to_string();
    export.broken("altered", 3);
}

#[test]
fn reordered_events_are_found() {
    let mut export = Export::new();
    let kept = export.write().with_file_name("kept.jsonl");
    fs::copy(export.write(), &kept).unwrap();
    let kept = kept.display();
    export.lines.swap(3, 4);
    let run = export.broken("reordered", 4);
    for run in [run, export.verify(&format!("--earlier {kept}"))] {
        assert_eq!(run.code, 5, "{}", run.stderr);
        let said = "out of order: sequence 3 belongs before it, and stands further down, on line 5";
        assert!(run.stderr.contains(said), "{}", run.stderr);
        assert!(!run.stderr.contains("removed"), "{}", run.stderr);
    }
    // Renumbered, so that only what they say tells.
    for at in [3, 4] {
        let mut event = export.event(at);
        event["sequence"] = at.into();
        export.lines[at] = event.to_string();
    }
    let run = export.verify("--json");
    assert_eq!(run.code, 5, "{}", run.stdout);
}

#[test]
fn a_reinserted_event_is_found() {
    let mut export = Export::new();
    let mut event = export.event(2);
    let last = export.lines.len() - 1;
    event["sequence"] = last.into();
    export.lines.insert(last, event.to_string());
    let run = export.broken("reinserted", u64::try_from(last).unwrap());
    assert!(
        run.stderr.contains("the same event stands at sequence 2"),
        "{}",
        run.stderr
    );
}

#[test]
fn an_export_that_was_cut_off_is_no_export() {
    let mut export = Export::new();
    export.lines.pop();
    let run = export.verify("--json");
    assert_eq!(run.code, 5);
    let said: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(said["fault"], "not_an_export");
    assert!(
        run.stderr.contains("ends without a signed head"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_byte_that_is_no_text_breaks_an_export() {
    let export = Export::new();
    let path = export.write();
    let mut bytes = fs::read(&path).unwrap();
    let third = export.lines[0].len() + export.lines[1].len() + 2;
    bytes[third + 5] = 0xff;
    fs::write(&path, bytes).unwrap();
    let run = export
        .shell
        .line(&format!("ledger verify {} --json", path.display()));
    assert_eq!(run.code, 5, "{}", run.stderr);
    let said: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (said["verified"].as_bool(), said["fault"].as_str()),
        (Some(false), Some("not_an_export"))
    );
    assert_eq!(said["line"], 3, "{said}");
    assert!(run.stderr.contains("line 3: "), "{}", run.stderr);
}

#[test]
fn another_operator_is_refused() {
    let export = Export::new();
    let other = export.shell.organisation("other");
    let run = export.verify(&format!("--dir {}", other.display()));
    assert_eq!(run.code, 5);
    assert!(
        run.stderr.contains("was expected: another ledger?"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_file_that_is_not_there_is_an_error_of_its_own() {
    let run = Shell::new().line("ledger verify nowhere.jsonl");
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("opening nowhere.jsonl"),
        "{}",
        run.stderr
    );
}
