//! The judge: the real GnuPG, in a home of its own.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

/// GnuPG with a home of its own, whose agents end with it.
pub(crate) struct Gpg {
    home: TempDir,
}

/// A line of `--with-colons`: `pub`, `sub` or `uid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) kind: String,
    /// `u`, `-`, `e` expired, `r` revoked, `n` not valid …
    pub(crate) validity: String,
    /// Seconds since 1970, or nothing.
    pub(crate) created: String,
    pub(crate) expires: String,
    pub(crate) uses: String,
    pub(crate) fingerprint: String,
    pub(crate) text: String,
}

impl Gpg {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        Self { home }
    }

    pub(crate) fn command(&self, now: i64) -> Command {
        let mut command = Command::new("gpg");
        command
            .env("GNUPGHOME", self.home.path())
            .args(["--batch", "--no-tty"])
            .arg(format!("--faked-system-time={now}!"))
            .stdin(Stdio::null());
        command
    }

    /// Runs it at a moment in seconds; what it wrote if it was content.
    pub(crate) fn run(&self, now: i64, arguments: &[&str]) -> String {
        let output = started(self.command(now).args(arguments).output());
        assert!(
            output.status.success(),
            "gpg {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// As `run`, where it may refuse.
    pub(crate) fn try_run(&self, now: i64, arguments: &[&str]) -> Output {
        started(self.command(now).args(arguments).output())
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn import(&self, now: i64, bytes: &[u8]) {
        let path = self.file("import", bytes);
        self.run(now, &["--import", path.to_str().unwrap()]);
    }

    pub(crate) fn rows(&self, now: i64) -> Vec<Row> {
        rows(&self.run(
            now,
            &["--with-colons", "--with-subkey-fingerprint", "--list-keys"],
        ))
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let killed = Command::new("gpgconf")
            .args(["--kill", "all"])
            .env("GNUPGHOME", self.home.path())
            .output();
        drop(killed); // the directory goes, and with it the sockets
    }
}

fn started(output: std::io::Result<Output>) -> Output {
    output
        .expect("GnuPG is missing: `apt-get install gnupg gpg-agent`, or what your system calls it")
}

fn rows(colons: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for line in colons.lines() {
        let fields: Vec<_> = line.split(':').collect();
        match fields[0] {
            "pub" | "sub" | "uid" => rows.push(Row {
                kind: fields[0].to_owned(),
                validity: fields[1].to_owned(),
                created: fields[5].to_owned(),
                expires: fields[6].to_owned(),
                uses: fields.get(11).unwrap_or(&"").to_string(),
                fingerprint: String::new(),
                text: fields[9].to_owned(),
            }),
            "fpr" => {
                if let Some(row) = rows.last_mut() {
                    fields[9].clone_into(&mut row.fingerprint);
                }
            }
            _ => {}
        }
    }
    rows
}
