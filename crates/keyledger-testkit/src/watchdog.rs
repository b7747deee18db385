//! Ends what a killed test process leaves behind.
//!
//! `Drop` does not run on Ctrl-C, on `kill -9` or when CI gives up, and nats-servers left running would take the
//! memory and ports of the next run. So one small shell per test process reads from a pipe which process groups are
//! alive; the pipe closes when the test process ends, however it ends, and the shell kills what is left.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

const SCRIPT: &str = r#"
groups=""
while read -r operation group; do
    case $operation in
        watch) groups="$groups $group" ;;
        forget)
            left=""
            for one in $groups; do [ "$one" = "$group" ] || left="$left $one"; done
            groups=$left ;;
    esac
done
for one in $groups; do kill -9 "-$one" 2>/dev/null; done
"#;

/// Kills this process group when our own process ends.
pub(crate) fn watch(group: u32) {
    tell("watch", group);
}

/// Leaves this process group alone from now on: its id may soon be somebody else's.
pub(crate) fn forget(group: u32) {
    tell("forget", group);
}

fn tell(operation: &str, group: u32) {
    static PIPE: OnceLock<Mutex<ChildStdin>> = OnceLock::new();
    let mut pipe = PIPE
        .get_or_init(|| Mutex::new(start()))
        .lock()
        .unwrap_or_else(PoisonError::into_inner); // lines are whole even if a writer panicked
    // A watchdog killed by hand must not fail the tests it only tidies up after.
    let _ = pipe.write_all(format!("{operation} {group}\n").as_bytes());
}

#[expect(
    clippy::zombie_processes,
    reason = "it ends after us: that is what it is for"
)]
fn start() -> ChildStdin {
    let shell = Command::new("sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0) // Ctrl-C is for the tests, not for their watchdog
        .spawn()
        .expect("a POSIX system has sh");
    shell.stdin.expect("stdin was asked for as a pipe")
}
