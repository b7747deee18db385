//! The real `nats` CLI, away from the user's home.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::process::{PATIENCE, Process, Run, run};
use crate::tools;

/// The `nats` CLI with a home directory of its own and contexts in it.
#[derive(Debug)]
pub struct Nats {
    home: TempDir,
    config_home: PathBuf,
}

impl Default for Nats {
    fn default() -> Self {
        Self::new()
    }
}

impl Nats {
    /// A CLI without any context.
    ///
    /// # Panics
    ///
    /// If no temporary directory can be made.
    #[must_use]
    pub fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary directory can be made");
        let config_home = home.path().join("config");
        Self { home, config_home }
    }

    /// A CLI with the contexts in `config_home`/nats/context, such as `keyledger init` writes.
    #[must_use]
    pub fn with_config_home(config_home: impl Into<PathBuf>) -> Self {
        Self {
            config_home: config_home.into(),
            ..Self::new()
        }
    }

    /// Writes a context file: where to connect, and as whom.
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    pub fn add_context(&self, name: &str, url: &str, creds: Option<&Path>) {
        let creds = creds
            .map(|path| path.display().to_string())
            .unwrap_or_default();
        self.add_context_with(name, [("url", url), ("creds", &creds)]);
    }

    /// Writes a context file with any of its fields, such as `jetstream_api_prefix`.
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    pub fn add_context_with<'a>(
        &self,
        name: &str,
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        let fields: Map<String, Value> = fields
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect();
        let directory = self.config_home.join("nats/context");
        std::fs::create_dir_all(&directory).expect("the config directory is writable");
        std::fs::write(
            directory.join(format!("{name}.json")),
            Value::from(fields).to_string(),
        )
        .expect("the context directory is writable");
    }

    /// Runs `nats` with these arguments to its end.
    ///
    /// # Panics
    ///
    /// If the CLI is missing (run `./dev tools`) or does not end within [`PATIENCE`](crate::PATIENCE); with its output.
    pub async fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        self.run_with_stdin(arguments, b"").await
    }

    /// Runs `nats` with these arguments and `stdin` to read.
    ///
    /// # Panics
    ///
    /// As [`Nats::run`].
    pub async fn run_with_stdin<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        stdin: &[u8],
    ) -> Run {
        run(self.command(arguments), stdin, PATIENCE).await
    }

    /// Starts `nats` and leaves it running, for `nats sub` and its like.
    ///
    /// # Panics
    ///
    /// If the CLI is missing: run `./dev tools`.
    #[must_use]
    pub fn spawn<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Process {
        Process::spawn(self.command(arguments))
    }

    /// The command line, not yet run. Sees neither the user's home nor their `NATS_…` variables.
    #[must_use]
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(tools::nats_cli());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("NATS_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("XDG_CONFIG_HOME", &self.config_home)
            .env("NO_COLOR", "1");
        command
    }

    /// Where the contexts lie: `$XDG_CONFIG_HOME` of the CLI.
    #[must_use]
    pub fn config_home(&self) -> &Path {
        &self.config_home
    }
}
