//! The script `dev`: what it does to a machine, looked at without `apt-get`.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::root;

/// A machine on which programs that would change it only write down what they were asked.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(machine.path("bin")).unwrap();
        machine.program("id", "echo 0");
        machine.program("systemctl", "echo \"systemctl $*\" >>\"$LOG\"");
        machine.installs("exit 0");
        machine
    }

    /// What `apt-get install` comes to; before that it writes down what a package's start of a service would meet.
    fn installs(&self, end: &str) {
        let script = format!(
            "echo \"apt-get $*\" >>\"$LOG\"\n\
             case $1 in update) exit 0 ;; esac\n\
             [ ! -x \"$KEYLEDGER_POLICY_RC_D\" ] || {{ code=0; \"$KEYLEDGER_POLICY_RC_D\" ssh start || code=$?; echo \"policy says $code\" >>\"$LOG\"; }}\n\
             {end}"
        );
        self.program("apt-get", &script);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, script: &str) {
        self.executable(&self.path("bin").join(name), script);
    }

    fn executable(&self, path: &Path, script: &str) {
        fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn policy(&self) -> PathBuf {
        self.path("policy-rc.d")
    }

    /// The functions of `dev`, without what it does when it is called, and then these words.
    fn run(&self, words: &str) -> Output {
        let dev = fs::read_to_string(root().join("dev")).unwrap();
        let (functions, _) = dev.split_once("\nverb=${1:-help}\n").unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new("bash")
            .args(["-c", &format!("{functions}\n{words}"), "dev"])
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("LOG", self.path("log"))
            .env("KEYLEDGER_POLICY_RC_D", self.policy())
            .output()
            .unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

#[test]
fn installing_packages_starts_no_service_and_leaves_nothing_behind() {
    let machine = Machine::new();
    let ended = machine.run("system openssh-server gnupg");
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(
        machine.log(),
        "apt-get update -qq\n\
         apt-get install -y -qq --no-install-recommends openssh-server gnupg\n\
         policy says 101\n\
         systemctl disable --quiet ssh.service\n"
    );
    assert!(!machine.policy().exists());
}

#[test]
fn a_policy_that_was_there_stays_and_its_services_are_left_as_they_are() {
    let machine = Machine::new();
    machine.executable(&machine.policy(), "exit 104");
    let ended = machine.run("system openssh-server");
    assert!(ended.status.success(), "{ended:?}");
    let log = machine.log();
    assert!(
        log.contains("policy says 104") && !log.contains("systemctl"),
        "{log}"
    );
    let kept = fs::read_to_string(machine.policy()).unwrap();
    assert!(kept.contains("exit 104"), "{kept}");
}

#[test]
fn packages_that_are_not_installed_leave_no_policy_either() {
    let machine = Machine::new();
    machine.installs("exit 100");
    let ended = machine.run("system openssh-server");
    assert!(!ended.status.success());
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        said.contains("apt-get could not install: openssh-server"),
        "{said}"
    );
    assert!(!machine.policy().exists());
    assert!(!machine.log().contains("systemctl"));
}

#[test]
fn every_script_parses() {
    for script in [
        "dev",
        "tools/demo-token",
        "tools/instrument",
        "tools/try-packages",
        ".ci/run",
    ] {
        let parsed = Command::new("bash")
            .arg("-n")
            .arg(root().join(script))
            .output()
            .unwrap();
        assert!(
            parsed.status.success() && parsed.stderr.is_empty(),
            "{script}: {parsed:?}"
        );
    }
}
