//! Child processes that cannot outlive the test that started them.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use crate::watchdog;

/// How long a test waits for what must come about, and a program may take. Most takes under a second, and nothing a tenth of
/// this: the rest is for busy processors and slow disks. Whoever asserts how fast something is measures it in a benchmark.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition outside of us is looked at: short beside what servers take, long beside a look.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// A running program, with its output in files.
///
/// It gets a process group of its own. Dropping it kills the group, so that a supervisor's children go as
/// well; if the test process itself is killed, a watchdog does the same.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    status: Option<ExitStatus>,
    stdout: PathBuf,
    stderr: PathBuf,
    _output: Option<TempDir>,
}

impl Process {
    /// Starts `command`, its output captured in files of a temporary directory.
    ///
    /// Standard input is empty unless [`Process::spawn_with_stdin`] is used.
    ///
    /// # Panics
    ///
    /// If the program cannot be started.
    #[must_use]
    pub fn spawn(command: Command) -> Self {
        Self::spawn_with_stdin(command, b"")
    }

    /// Starts `command` with `stdin` to read, its output captured in files of a temporary directory.
    ///
    /// # Panics
    ///
    /// If the program cannot be started.
    #[must_use]
    pub fn spawn_with_stdin(mut command: Command, stdin: &[u8]) -> Self {
        let output = tempfile::tempdir().expect("a temporary directory can be made");
        if stdin.is_empty() {
            command.stdin(Stdio::null());
        } else {
            let path = output.path().join("stdin");
            std::fs::write(&path, stdin).expect("the temporary directory is writable");
            command.stdin(File::open(path).expect("it was just written"));
        }
        let (stdout, stderr) = (output.path().join("stdout"), output.path().join("stderr"));
        Self::start(command, stdout, stderr, Some(output))
    }

    /// Starts `command` with both outputs appended to `log`, which outlives the process.
    pub(crate) fn spawn_logging_to(mut command: Command, log: PathBuf) -> Self {
        command.stdin(Stdio::null());
        Self::start(command, log.clone(), log, None)
    }

    fn start(
        mut command: Command,
        stdout: PathBuf,
        stderr: PathBuf,
        output: Option<TempDir>,
    ) -> Self {
        let append = |path: &PathBuf| {
            File::options()
                .create(true)
                .append(true)
                .open(path)
                .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()))
        };
        command
            .stdout(append(&stdout))
            .stderr(append(&stderr))
            .process_group(0);
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        watchdog::watch(child.id());
        Self {
            name,
            child,
            status: None,
            stdout,
            stderr,
            _output: output,
        }
    }

    /// Kills the process as a crash would (SIGKILL) and waits until it is gone. Its children stay.
    pub fn kill9(&mut self) {
        if self.is_running() {
            // Only fails for a process that has ended, which is what is wanted.
            let _ = self.child.kill();
            self.status = self.child.wait().ok();
        }
    }

    /// Asks the process to end as Ctrl-C does (SIGINT) and waits for it.
    ///
    /// # Panics
    ///
    /// If it does not end within [`PATIENCE`]; with its output.
    pub async fn interrupt(&mut self) -> ExitStatus {
        self.signal(Signal::INT);
        self.wait(PATIENCE).await
    }

    /// Asks the process to end as a service manager does (SIGTERM) and waits for it.
    ///
    /// # Panics
    ///
    /// If it does not end within [`PATIENCE`]; with its output.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait(PATIENCE).await
    }

    /// Waits for the process to end by itself.
    ///
    /// # Panics
    ///
    /// If it does not end in time; with its output.
    pub async fn wait(&mut self, within: Duration) -> ExitStatus {
        self.try_wait(within).await.unwrap_or_else(|| {
            panic!(
                "{} still runs after {within:?}\n{}",
                self.name,
                self.output()
            )
        })
    }

    /// Waits for the process to end by itself; `None` if it does not in time.
    pub async fn try_wait(&mut self, within: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + within;
        while self.is_running() {
            if Instant::now() > deadline {
                return None;
            }
            tokio::time::sleep(POLL).await;
        }
        self.status
    }

    /// Waits until a whole line on standard output contains `text`, also one printed already, and returns it.
    ///
    /// # Panics
    ///
    /// If the process ends first, or the line does not come in time; with its output.
    pub async fn wait_for_line(&mut self, text: &str, within: Duration) -> String {
        let deadline = Instant::now() + within;
        loop {
            let running = self.is_running(); // asked first: what it printed last is still seen
            let stdout = self.stdout();
            let whole = stdout.rfind('\n').map_or("", |end| &stdout[..end]);
            if let Some(line) = whole.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            if !running || Instant::now() > deadline {
                let why = if running {
                    "did not print in time"
                } else {
                    "ended and never printed"
                };
                panic!("{} {why}: {text:?}\n{}", self.name, self.output());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self
                .child
                .try_wait()
                .expect("our own child can be waited for");
        }
        self.status.is_none()
    }

    /// The process id, also the id of its process group.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed on standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read_lossy(&self.stdout)
    }

    /// What it has printed on standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        read_lossy(&self.stderr)
    }

    fn signal(&mut self, signal: Signal) {
        if self.is_running() {
            // A process that ended between the two lines is what is wanted.
            let _ = kill_process(Pid::from_child(&self.child), signal);
        }
    }

    fn output(&self) -> String {
        if self.stdout == self.stderr {
            return format!("--- log\n{}", self.stdout());
        }
        format!("--- stdout\n{}--- stderr\n{}", self.stdout(), self.stderr())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The group first, while the child, not yet waited for, keeps its id. If it has ended already, the id stays
        // the group's as long as a child of its own lives.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        self.kill9();
        watchdog::forget(self.child.id());
    }
}

/// What a program that ran to its end has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The command line, for messages.
    pub command: String,
    /// Everything on standard output.
    pub stdout: String,
    /// Everything on standard error.
    pub stderr: String,
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
}

impl Run {
    /// Standard output of a run that succeeded.
    ///
    /// # Panics
    ///
    /// If the exit code is not 0; with both outputs.
    #[must_use]
    pub fn expect_success(self) -> String {
        assert!(self.code == Some(0), "{self}");
        self.stdout
    }

    /// Both outputs of a run that failed by itself: standard output, then standard error.
    ///
    /// # Panics
    ///
    /// If it succeeded or was ended by a signal; with both outputs.
    #[must_use]
    pub fn expect_failure(self) -> String {
        assert!(
            self.code.is_some_and(|code| code != 0),
            "expected to fail: {self}"
        );
        self.stdout + &self.stderr
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            command,
            stdout,
            stderr,
            code,
        } = self;
        write!(
            f,
            "{command}\nexit code {code:?}\n--- stdout\n{stdout}--- stderr\n{stderr}"
        )
    }
}

/// Runs `command` to its end, with `stdin` to read.
///
/// # Panics
///
/// If the program cannot be started or does not end in time; with its output.
pub async fn run(command: Command, stdin: &[u8], within: Duration) -> Run {
    let line = format!("{command:?}");
    let mut process = Process::spawn_with_stdin(command, stdin);
    let status = process.wait(within).await;
    Run {
        command: line,
        stdout: process.stdout(),
        stderr: process.stderr(),
        code: status.code(),
    }
}

fn read_lossy(path: &PathBuf) -> String {
    let bytes = std::fs::read(path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    String::from_utf8_lossy(&bytes).into_owned()
}
