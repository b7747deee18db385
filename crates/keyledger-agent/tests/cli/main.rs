//! The program as a person at a workstation first meets it: without a server, a token or a running agent.

#![allow(clippy::unwrap_used)] // a test that cannot go on ends there

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use keyledger_claims::{KeyPairSigner, UserClaims, encode};
use keyledger_testkit::{PATIENCE, Process, Run, run};
use nkeys::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A person's home directory.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyledger-agent"));
        command
            .args(line.split_whitespace())
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path())
            .env("XDG_RUNTIME_DIR", self.0.path().join("run"));
        command
    }

    async fn line(&self, line: &str) -> Run {
        run(self.command(line), b"", PATIENCE).await
    }

    fn config(&self) -> PathBuf {
        self.0.path().join(".config/keyledger-agent")
    }

    /// The enrolment file that an administrator sends back for this agent.
    fn enrolment(&self, nkey: &str) -> Value {
        let account = KeyPair::new_account();
        let signer = KeyPair::new_account().public_key();
        let claims = UserClaims::new(nkey, 1_790_000_000);
        json!({
            "version": 1, "workstation": "alice-laptop", "url": "nats://127.0.0.1:1", "prefix": "keys",
            "jwt": encode(&claims, &KeyPairSigner::new(account)).unwrap(),
            "signers": [signer], "operator": KeyPair::new_operator().public_key(),
        })
    }

    fn write(&self, name: &str, value: &Value) {
        fs::write(self.0.path().join(name), value.to_string()).unwrap();
    }

    /// The files in a directory whose names begin like this.
    fn files(&self, directory: &str, begins: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.0.path().join(directory)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| {
                path.file_name()
                    .unwrap()
                    .to_string_lossy()
                    .starts_with(begins)
            })
            .collect()
    }

    /// Begins an enrolment, and returns the nkey.
    async fn begin(&self, line: &str) -> String {
        let begun = self.line(&format!("{line} --json")).await.expect_success();
        let begun: Value = serde_json::from_str(&begun).unwrap();
        begun["nkey"].as_str().unwrap().to_owned()
    }

    /// Starts the agent, waits until it answers, and stops it.
    async fn run_once(&self) {
        let mut agent = Process::spawn(self.command("run"));
        let deadline = Instant::now() + PATIENCE;
        while self.line("status").await.code != Some(0) {
            assert!(Instant::now() < deadline, "{}", agent.stderr());
        }
        assert_eq!(agent.terminate().await.code(), Some(0));
    }

    async fn enrolled() -> Self {
        let home = Self::new();
        let begun = home.line("enrol --name alice-laptop --json").await;
        let begun: Value = serde_json::from_str(&begun.expect_success()).unwrap();
        let enrolment = home.enrolment(begun["nkey"].as_str().unwrap());
        home.write("alice-laptop.enrolment", &enrolment);
        let accepted = home.line("enrol --accept alice-laptop.enrolment").await;
        assert!(
            accepted
                .expect_success()
                .contains("alice-laptop is enrolled")
        );
        home
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn enrolment_takes_two_steps_and_can_be_repeated() {
    let home = Home::new();
    let begun = home
        .line("enrol --name alice-laptop")
        .await
        .expect_success();
    let command = begun
        .lines()
        .find(|line| line.contains("agent enrol alice-laptop --nkey U"));
    let nkey = command.unwrap().split_whitespace().nth(5).unwrap();
    assert!(begun.contains("keyledger-agent enrol --accept alice-laptop.enrolment"));
    // The same command again: the same agent, and no new keys.
    let again = home
        .line("enrol --name alice-laptop")
        .await
        .expect_success();
    assert!(again.contains(nkey), "{again}");
    for name in ["agent.nk", "agent.curve.nk"] {
        assert_eq!(mode(&home.config().join(name)), 0o600);
        let seed = fs::read_to_string(home.config().join(name)).unwrap();
        assert!(!begun.contains(&seed), "a seed was printed");
    }
    assert_eq!(mode(&home.config()), 0o700);

    let other = home.enrolment(&KeyPair::new_user().public_key());
    home.write("other.enrolment", &other);
    let refused = home.line("enrol --accept other.enrolment").await;
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(
        refused.stderr.contains("it is for the agent U"),
        "{refused}"
    );
    assert!(!home.config().join("agent.toml").exists());

    home.write("mine.enrolment", &home.enrolment(nkey));
    for _ in 0..2 {
        let accepted = home.line("enrol --accept mine.enrolment").await;
        let _ = accepted.expect_success();
    }
    assert_eq!(mode(&home.config().join("agent.jwt")), 0o600);
    let mut wrong = home.enrolment(nkey);
    wrong["operator"] = json!("nobody");
    home.write("wrong.enrolment", &wrong);
    let refused = home.line("enrol --accept wrong.enrolment").await;
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(refused.stderr.contains("its operator is not"), "{refused}");
    assert!(refused.stderr.contains(" help: "), "{refused}");
    let missing = home.line("enrol --accept nowhere --json").await;
    assert_eq!(missing.code, Some(1), "{missing}");
    let said: Value = serde_json::from_str(&missing.stdout).unwrap();
    assert_eq!(said["exit_code"], 1);
}

const CONFIG: &str = ".config/keyledger-agent";
const STATE: &str = ".local/state/keyledger-agent";

#[tokio::test(flavor = "multi_thread")]
async fn under_another_name_an_agent_has_new_keys_and_a_new_journal() {
    let home = Home::enrolled().await;
    home.run_once().await;
    let old = home.begin("enrol --name alice-laptop").await;
    let said = home.line("enrol --name alice-2").await.expect_success();
    assert!(!said.contains(&old), "{said}");
    assert!(said.contains("are kept aside"), "{said}");
    assert!(
        said.contains("No task was open in the old journal."),
        "{said}"
    );
    // Until the enrolment is accepted, the new keys stay the same.
    let new = home.begin("enrol --name alice-2").await;
    assert!(said.contains(&new), "{said}");
    for (directory, name) in [
        (CONFIG, "agent.nk.20"),
        (CONFIG, "agent.curve.nk.20"),
        (CONFIG, "agent.jwt.20"),
        (STATE, "journal.20"),
    ] {
        let kept = home.files(directory, name);
        assert_eq!(kept.len(), 1, "{name}");
        assert_eq!(mode(&kept[0]), 0o600);
        assert!(said.contains(kept[0].to_str().unwrap()), "{said}");
    }
    let mut enrolment = home.enrolment(&new);
    enrolment["workstation"] = json!("alice-2");
    home.write("alice-2.enrolment", &enrolment);
    let accepted = home.line("enrol --accept alice-2.enrolment").await;
    assert!(accepted.expect_success().contains("alice-2 is enrolled"));
    home.run_once().await;
    // Under the same name, new keys are made only with --anew.
    assert_eq!(home.begin("enrol --name alice-2").await, new);
    assert_ne!(home.begin("enrol --name alice-2 --anew").await, new);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_were_moved_away_by_hand_do_not_leave_their_journal_in_the_way() {
    let home = Home::enrolled().await;
    home.run_once().await;
    for name in ["agent.nk", "agent.curve.nk"] {
        let path = home.config().join(name);
        fs::rename(&path, path.with_extension("mine")).unwrap();
    }
    let said = home.line("enrol --name alice-2").await.expect_success();
    assert!(said.contains("is not known"), "{said}");
    assert_eq!(home.files(STATE, "journal.20").len(), 1);
    let enrolment = home.enrolment(&home.begin("enrol --name alice-2").await);
    home.write("alice-2.enrolment", &enrolment);
    let accepted = home.line("enrol --accept alice-2.enrolment").await;
    let _ = accepted.expect_success();
    home.run_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_runs_keeps_its_keys() {
    let home = Home::enrolled().await;
    let mut agent = Process::spawn(home.command("run"));
    let deadline = Instant::now() + PATIENCE;
    while home.line("status").await.code != Some(0) {
        assert!(Instant::now() < deadline, "{}", agent.stderr());
    }
    let refused = home.line("enrol --name alice-2").await;
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(
        refused.stderr.contains("systemctl --user stop"),
        "{refused}"
    );
    assert_eq!(home.files(CONFIG, "agent.nk").len(), 1);
    assert_eq!(agent.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_prints_a_unit_that_starts_this_very_program() {
    let unit = Home::new().line("unit").await.expect_success();
    let start = format!(
        "ExecStart=\"{}\" run\n",
        env!("CARGO_BIN_EXE_keyledger-agent")
    );
    assert!(unit.contains(&start), "{unit}");
    assert!(
        unit.contains("\n[Install]\nWantedBy=default.target\n"),
        "{unit}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_completions_and_manual_pages() {
    let home = Home::new();
    for (shell, begin) in [
        ("bash", "_keyledger__agent() {"),
        ("zsh", "#compdef keyledger-agent"),
        ("fish", "complete -c keyledger-agent"),
    ] {
        let script = home.line(&format!("completions {shell}")).await;
        let script = script.expect_success();
        assert!(
            script.contains(begin) && script.contains("enrol"),
            "{shell}"
        );
    }
    assert_eq!(home.line("man .").await.expect_success(), "");
    for name in ["keyledger-agent", "keyledger-agent-enrol"] {
        let page = fs::read_to_string(home.0.path().join(format!("{name}.1"))).unwrap();
        assert!(page.contains(&format!(".TH {name} 1")), "{page}");
    }
}

/// Opening a pipe would wait for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_in_the_place_of_a_file_is_refused_and_not_waited_for() {
    for (directory, name) in [
        (STATE, "journal"),
        (STATE, "lock"),
        (CONFIG, "agent.nk"),
        (CONFIG, "agent.toml"),
    ] {
        let home = Home::enrolled().await;
        fs::create_dir_all(home.0.path().join(STATE)).unwrap();
        fs::set_permissions(home.0.path().join(STATE), fs::Permissions::from_mode(0o700)).unwrap();
        let path = home.0.path().join(directory).join(name);
        drop(fs::remove_file(&path));
        let made = Command::new("mkfifo").arg("-m600").arg(&path).status();
        assert!(made.unwrap().success());
        let run = home.line("run").await;
        assert_eq!(run.code, Some(1), "{name}: {run}");
        assert!(
            run.stderr.contains(name) && run.stderr.contains("file"),
            "{run}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_agent_every_command_says_what_to_do() {
    let home = Home::new();
    for line in ["status", "tokens", "status --json"] {
        let run = home.line(line).await;
        assert_eq!(run.code, Some(4), "{run}");
        assert!(run.stderr.contains("no agent runs here"), "{run}");
        assert!(run.stderr.contains("systemctl --user start"), "{run}");
    }
    let run = home.line("run").await;
    assert_eq!(run.code, Some(3), "{run}");
    assert!(run.stderr.contains("not enrolled"), "{run}");
    assert!(run.stderr.contains("keyledger-agent enrol --name"), "{run}");
    let accept = home.line("enrol --accept x").await;
    assert!(
        accept.stderr.contains("keyledger-agent enrol --name"),
        "{accept}"
    );
    assert_eq!(home.line("enrol").await.code, Some(2));
    let help = home.line("--help").await.expect_success();
    for word in ["run", "status", "tokens", "enrol", "unit"] {
        assert!(help.contains(&format!("\n  {word} ")), "{help}");
    }
    for code in 0..=4 {
        assert!(help.contains(&format!("\n  {code}  ")), "{help}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_offline_answers_and_ends_in_order() {
    let home = Home::enrolled().await;
    let mut agent = Process::spawn(home.command("run"));
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        let run = home.line("status --json").await;
        if run.code == Some(0) {
            break run.stdout;
        }
        assert!(Instant::now() < deadline, "{run}\n{}", agent.stderr());
    };
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["workstation"], "alice-laptop");
    assert_eq!(status["connection"]["state"], "offline");
    let shown = home.line("status").await.expect_success();
    assert!(shown.contains("offline: reports are kept"), "{shown}");
    let tokens = home.line("tokens --json").await;
    match tokens.code {
        Some(0) => assert!(tokens.stdout.trim_start().starts_with('['), "{tokens}"),
        // If there is no pcscd.
        code => {
            assert_eq!(code, Some(4), "{tokens}");
            assert!(tokens.stderr.contains("tokens cannot be seen"), "{tokens}");
        }
    }
    assert_eq!(
        mode(&home.0.path().join("run/keyledger-agent/agent.sock")),
        0o600
    );

    let second = home.line("run").await;
    assert_eq!(second.code, Some(3), "{second}");
    assert!(
        second.stderr.contains("another agent runs already"),
        "{second}"
    );

    assert_eq!(
        agent.terminate().await.code(),
        Some(0),
        "{}",
        agent.stderr()
    );
    assert!(agent.stderr().contains("SIGTERM"), "{}", agent.stderr());
    assert_eq!(home.line("status").await.code, Some(4));
    // The files that a killed agent leaves do not stop the next one.
    let mut killed = Process::spawn(home.command("run"));
    while home.line("status").await.code != Some(0) {
        assert!(Instant::now() < deadline, "{}", killed.stderr());
    }
    killed.kill9();
    assert_eq!(home.line("status").await.code, Some(4));
    let mut next = Process::spawn(home.command("run"));
    while home.line("status").await.code != Some(0) {
        assert!(Instant::now() < deadline, "{}", next.stderr());
    }
    assert_eq!(next.interrupt().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn seeds_that_others_can_read_are_refused() {
    let home = Home::enrolled().await;
    for name in ["agent.nk", "agent.curve.nk", "agent.jwt"] {
        let path = home.config().join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let run = home.line("run").await;
        assert_eq!(run.code, Some(1), "{run}");
        assert!(run.stderr.contains("chmod 600"), "{run}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::set_permissions(home.config(), fs::Permissions::from_mode(0o755)).unwrap();
    let run = home.line("run").await;
    assert!(run.stderr.contains("chmod 700"), "{run}");
}
