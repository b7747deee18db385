//! A running `keyledger up`, and a shell beside it.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use keyledger_testkit::{FreePort, PATIENCE, Process, Run, run, tools};
use tempfile::TempDir;

/// The pause between two looks at a condition; each look starts a process.
const PAUSE: Duration = Duration::from_millis(50);

/// An administrator's terminal, in a directory with `.keyledger` in it.
pub(crate) struct World {
    /// What was started in the background, the last one last; the first is `keyledger up`.
    pub(crate) background: Vec<Process>,
    pub(crate) port: FreePort,
    folder: TempDir,
}

impl World {
    /// Starts `keyledger up` in a directory of its own, and waits until it has said all it says.
    pub(crate) async fn new() -> Self {
        loop {
            let mut world = Self {
                background: Vec::new(),
                port: FreePort::find(),
                folder: tempfile::tempdir().unwrap(),
            };
            fs::create_dir_all(world.path("home")).unwrap();
            fs::create_dir_all(world.path("bin")).unwrap();
            world.link("bin/keyledger", &tools::keyledger());
            world.link("bin/nats", &tools::nats_cli());
            let mut up = world.command("keyledger", ["up", "--port", &world.port.to_string()]);
            up.env("RUST_LOG", "warn"); // the rest comes in any order
            let mut up = Process::spawn(up);
            if world.serves(&mut up).await {
                fs::write(world.path("up.out"), up.stdout()).unwrap();
                world.background.push(up);
                world.settle().await;
                return world;
            }
        }
    }

    /// Waits until `up` has said all it says; false if another took its port meanwhile.
    async fn serves(&self, up: &mut Process) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let running = up.is_running();
            if up.stdout().ends_with("Ctrl-C stops both.\n") {
                return true;
            }
            let (out, err) = (up.stdout(), up.stderr());
            if !running && err.contains(&format!("port {} is taken", self.port)) {
                return false;
            }
            assert!(
                running && Instant::now() < deadline,
                "`up` does not serve\n{out}{err}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the service has recorded what it does by itself: that every server has every account.
    async fn settle(&self) {
        let asked = "nats --context $CONTEXT req --raw keys.queries.status '' | \
                     grep -q '\"unconfirmed_accounts\":\\[\\]'";
        self.until(asked).await;
    }

    /// Runs a command line to its end.
    pub(crate) async fn run(&self, line: &str) -> Run {
        run(self.shell(line), b"", PATIENCE).await
    }

    /// Starts a command line and leaves it running.
    pub(crate) fn start(&mut self, line: &str) {
        // The command itself and not a shell around it: that would be interrupted in its stead.
        let process = Process::spawn(self.shell(&format!("exec {line}")));
        self.background.push(process);
    }

    /// Runs a command line again and again until it succeeds.
    pub(crate) async fn until(&self, line: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let run = self.run(line).await;
            if run.code == Some(0) {
                return;
            }
            assert!(Instant::now() < deadline, "it never succeeded: {run}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Takes what was started last once it has ended, interrupted with Ctrl-C if that is asked for.
    pub(crate) async fn end(&mut self, interrupt: bool) -> Run {
        let mut process = self.background.pop().expect("something was started");
        let status = if interrupt {
            process.interrupt().await
        } else {
            process.wait(PATIENCE).await
        };
        Run {
            command: "what was started last".to_owned(),
            stdout: process.stdout(),
            stderr: process.stderr(),
            code: status.code(),
        }
    }

    /// Ends everything, what was started last first.
    pub(crate) async fn close(mut self) {
        for process in self.background.iter_mut().rev() {
            let status = process.interrupt().await;
            assert!(status.success(), "{status}\n{}", process.stderr());
        }
    }

    /// Puts a link to something beside `.keyledger`.
    pub(crate) fn link(&self, name: &str, to: &Path) {
        symlink(to, self.path(name)).unwrap();
    }

    /// A path beside `.keyledger`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where commands are run.
    pub(crate) fn directory(&self) -> &Path {
        self.folder.path()
    }

    fn shell(&self, line: &str) -> Command {
        self.command("bash", ["-c", line])
    }

    /// A program as an administrator starts it: without anything of the developer's own environment but `PATH`.
    pub(crate) fn command(
        &self,
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(self.path("bin")).chain(std::env::split_paths(&path));
        let path = std::env::join_paths(path).unwrap();
        // Looked up here: a child's `PATH` is not what its program is looked up in.
        let program = match self.path("bin").join(program.as_ref()) {
            ours if ours.exists() => ours,
            _ => program.as_ref().into(),
        };
        let contexts = self.path(".keyledger/contexts/nats/context");
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.directory())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.path("home"))
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("NO_COLOR", "1")
            .env("KEYLEDGER_NATS_SERVER", tools::nats_server())
            .env("DIR", self.path(".keyledger"))
            .env("CONTEXT", contexts.join("keyledger-admin.json"))
            .env("SYSTEM", contexts.join("keyledger-system.json"))
            .env("PORT", self.port.to_string());
        if let Some(last) = self.background.last() {
            command.env("PID", last.pid().to_string());
        }
        for (number, line) in (1..).zip(self.tries()) {
            command.env(format!("TRY_{number}"), line);
        }
        command
    }

    /// The commands that `up` printed to be tried: `$TRY_1` and so on.
    fn tries(&self) -> Vec<String> {
        let said = fs::read_to_string(self.path("up.out")).unwrap_or_default();
        let tries = said.lines().filter_map(|line| line.strip_prefix("  "));
        tries
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    }

    /// What this world's nats-server calls itself.
    pub(crate) fn server_name(&self) -> String {
        let conf = fs::read_to_string(self.path(".keyledger/server/local.conf")).unwrap();
        let line = conf
            .lines()
            .find_map(|line| line.strip_prefix("KEYLEDGER_SERVER_NAME: "));
        line.unwrap().trim_matches('"').to_owned()
    }
}
