//! Running the program.

use std::{
    ffi::OsStr,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

/// How a run ended.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program with nothing of this machine's environment: no contexts, no variables, an empty directory.
pub(crate) struct Shell {
    pub(crate) home: TempDir,
}

impl Shell {
    pub(crate) fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn command<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyledger"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        ended(self.command(arguments).output().unwrap())
    }

    /// Runs a line of words without quotes.
    pub(crate) fn line(&self, line: &str) -> Run {
        self.run(line.split_whitespace())
    }

    /// An organisation in `name`, made by `init`.
    pub(crate) fn organisation(&self, name: &str) -> std::path::PathBuf {
        let run = self.line(&format!(
            "init --organisation Acme --dir {name} --insecure-local-root-key"
        ));
        assert_eq!(run.code, 0, "{}", run.stderr);
        self.home.path().join(name)
    }
}

pub(crate) fn ended(output: Output) -> Run {
    Run {
        code: output.status.code().expect("it was not ended by a signal"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
