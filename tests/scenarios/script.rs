//! The form of a scenario, and playing it.
//!
//! ```text
//! # A remark.
//! $ keyledger key destroy orders-db --reason tried --yes
//! ! error: destroy key orders-db: not_allowed: …
//! !  help: the state does not allow it; …
//! ? 3
//! ```
//!
//! | line | means |
//! |---|---|
//! | `$ command` | run it in a shell |
//! | `& command` | start it, and go on |
//! | `<` | what was started last has ended by itself |
//! | `^C` | interrupt what was started last |
//! | `~ command` | run it until it succeeds; what it prints is of no interest |
//! | `! text` | what it printed on standard error |
//! | `? code` | its exit code, if that is not 0 |
//! | `# text` | a remark |
//! | anything else | what it printed on standard output; `\` before a line that would mean something |
//!
//! The shell has `keyledger` and `nats` on its `PATH`, and the variables that [`World`] sets. What differs from run to
//! run is replaced as [`normalise`](crate::normalise) says.

use std::{fmt::Write as _, fs, path::PathBuf};

use keyledger_testkit::Run;

use crate::{normalise::Normaliser, world::World};

/// Plays a scenario from its first line to its last, and holds what was printed against the file.
pub(crate) async fn play(name: &str) {
    let file = folder().join(format!("{name}.scenario"));
    let expected = fs::read_to_string(&file).unwrap();
    let mut world = World::new().await;
    let normaliser = Normaliser::new(&world);
    let mut actual = String::new();
    for line in expected.lines().filter(|line| is_kept(line)) {
        // The steps are set apart by an empty line.
        let apart = !actual.is_empty() && !actual.ends_with("\n\n") && !follows_remark(&actual);
        actual.push_str(if apart { "\n" } else { "" });
        writeln!(actual, "{line}").unwrap();
        let (mark, command) = line.split_at(line.len().min(2));
        let run = match mark.trim_end() {
            "$" => Some(world.run(command).await),
            "<" => Some(world.end(false).await),
            "^C" => Some(world.end(true).await),
            "&" => {
                world.start(command);
                None
            }
            "~" => {
                world.until(command).await;
                None
            }
            _ => None,
        };
        if let Some(run) = run {
            actual.push_str(&shown(&run, &normaliser));
        }
    }
    world.close().await;
    if std::env::var_os("UPDATE_SCENARIOS").is_some_and(|v| !v.is_empty()) {
        fs::write(&file, actual).unwrap();
        return;
    }
    if let Some(difference) = difference(&expected, &actual) {
        let file = file.display();
        panic!("{file} says otherwise; UPDATE_SCENARIOS=1 writes it anew\n{difference}");
    }
}

/// The names of all scenarios.
pub(crate) fn files() -> Vec<String> {
    let files = fs::read_dir(folder()).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    files
        .filter_map(|file| file.strip_suffix(".scenario").map(str::to_owned))
        .collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// A line of the script itself; the others say what is printed.
fn is_kept(line: &str) -> bool {
    ["$ ", "& ", "~ ", "# "]
        .iter()
        .any(|mark| line.starts_with(mark))
        || ["<", "^C", "#"].contains(&line)
}

fn follows_remark(text: &str) -> bool {
    let last = text.lines().next_back();
    last.is_some_and(|line| line.starts_with('#') || line.starts_with("& "))
}

/// What a run printed, and how it ended.
fn shown(run: &Run, normaliser: &Normaliser) -> String {
    let mut text = String::new();
    for line in normaliser.normalise(&run.stdout).trim_end().lines() {
        let escape = is_kept(line) || line.starts_with(['\\', '!', '?']);
        writeln!(text, "{}{line}", if escape { "\\" } else { "" }).unwrap();
    }
    for line in normaliser.normalise(&run.stderr).trim_end().lines() {
        writeln!(text, "! {line}").unwrap();
    }
    match run.code {
        Some(0) => {}
        Some(code) => writeln!(text, "? {code}").unwrap(),
        None => writeln!(text, "? ended by a signal").unwrap(),
    }
    text
}

/// Where the two part, with what comes before and after.
fn difference(expected: &str, actual: &str) -> Option<String> {
    const AROUND: usize = 12;
    let (expected, actual): (Vec<_>, Vec<_>) =
        (expected.lines().collect(), actual.lines().collect());
    if expected == actual {
        return None;
    }
    let same = expected.iter().zip(&actual).take_while(|(e, a)| e == a);
    let at = same.count();
    let mut text = format!("line {}:\n", at + 1);
    for line in &expected[at.saturating_sub(AROUND)..at] {
        writeln!(text, "    {line}").unwrap();
    }
    for (sign, lines) in [('-', &expected), ('+', &actual)] {
        for line in lines.iter().skip(at).take(AROUND) {
            writeln!(text, "  {sign} {line}").unwrap();
        }
    }
    Some(text)
}
