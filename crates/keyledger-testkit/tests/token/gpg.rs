//! GnuPG in a home of its own, with scdaemon on one reader and a pinentry that knows the factory's PINs.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use keyledger_testkit::token::{Token, VirtualTokens};
use keyledger_testkit::{Run, run};
use tempfile::TempDir;

/// Answers with the admin PIN where it is asked for, else with the PIN.
const PINENTRY: &str = r#"#!/bin/sh
echo "OK"
pin=123456
while read -r line; do
    case $line in
        SETPROMPT*Admin* | SETDESC*Admin*) pin=12345678 ;;
        GETPIN) echo "D $pin"; pin=123456 ;;
        BYE) echo "OK"; exit ;;
    esac
    echo "OK"
done
"#;

pub(crate) struct Gpg {
    home: TempDir,
    env: (&'static str, std::ffi::OsString),
}

impl Gpg {
    pub(crate) fn new(tokens: &VirtualTokens, token: &Token) -> Self {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, mode: u32, text: &str| {
            use std::io::Write as _;
            let path = home.path().join(name);
            let mut file = fs::OpenOptions::new()
                .create(true)
                .write(true)
                .truncate(true)
                .mode(mode)
                .open(&path)
                .unwrap();
            file.write_all(text.as_bytes()).unwrap();
            path
        };
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let pinentry = write("pinentry", 0o700, PINENTRY);
        let agent = format!(
            "pinentry-program {}\nenable-ssh-support\n",
            pinentry.display()
        );
        write("gpg-agent.conf", 0o600, &agent);
        let scdaemon = format!("disable-ccid\nreader-port {}\n", token.reader());
        write("scdaemon.conf", 0o600, &scdaemon);
        Self {
            home,
            env: tokens.env(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) async fn run(&self, program: &str, arguments: &[&str], stdin: &str) -> Run {
        let command = self.command(program, arguments);
        run(command, stdin.as_bytes(), Duration::from_secs(60)).await
    }

    /// `gpg` that must succeed; what it printed.
    pub(crate) async fn ok(&self, arguments: &[&str]) -> String {
        let batch = ["--batch", "--yes", "--no-tty", "--trust-model", "always"];
        let arguments = [&batch, arguments].concat();
        self.run("gpg", &arguments, "").await.expect_success()
    }

    /// A conversation with `gpg`, which may end as it likes.
    pub(crate) async fn talk(&self, arguments: &[&str], lines: &[&str]) -> Run {
        let fixed = [
            "--no-tty",
            "--command-fd",
            "0",
            "--status-fd",
            "1",
            "--expert",
        ];
        let arguments = [&fixed, arguments].concat();
        self.run("gpg", &arguments, &(lines.join("\n") + "\n"))
            .await
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.home.path());
        command
            .env("GNUPGHOME", self.home.path())
            .envs([self.env.clone()]);
        command
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        // By its socket in this home: nobody else's agent is meant.
        let _ = self.command("gpgconf", &["--kill", "all"]).status();
    }
}
