//! The unit of systemd, and what a service manager is told.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    path::Path,
    process::Command,
};

use keyledger_testkit::{NatsServer, PATIENCE, Process};

use crate::support::{Shell, ended};

#[test]
fn it_prints_a_unit_that_systemd_takes() {
    let shell = Shell::new();
    let run = shell.line("unit --dir /srv/acme");
    assert_eq!(run.code, 0, "{}", run.stderr);
    let start = format!("\nExecStart=\"{}\" serve ", env!("CARGO_BIN_EXE_keyledger"));
    for line in [
        start.as_str(),
        "\nType=notify\n",
        "\nEnvironment=\"KEYLEDGER_DIR=/srv/acme\"\n",
        "\n[Install]\nWantedBy=multi-user.target\n",
    ] {
        assert!(run.stdout.contains(line), "{line} in {}", run.stdout);
    }
    let unit = shell.home.path().join("keyledger.service");
    fs::write(&unit, run.stdout).unwrap();
    // It says of what it does not know on stderr alone.
    let said = systemd_analyze(&["verify", "--man=no"], &unit);
    assert_eq!(
        (said.code, said.stderr.as_str()),
        (0, ""),
        "{}",
        said.stdout
    );
    // Of 100; systemd calls a service with less than 30 "OK".
    let said = systemd_analyze(&["security", "--offline=yes", "--threshold=20"], &unit);
    assert_eq!(said.code, 0, "{}\n{}", said.stdout, said.stderr);
}

fn systemd_analyze(words: &[&str], unit: &Path) -> crate::support::Run {
    let analyzed = Command::new("systemd-analyze")
        .args(words)
        .arg("--no-pager")
        .arg(unit)
        .env("SYSTEMD_COLORS", "0")
        .output()
        .expect("systemd-analyze is of the package systemd: `./dev test` installs it");
    ended(analyzed)
}

/// What the program told its service manager, as it comes in.
struct Manager(UnixDatagram);

impl Manager {
    fn new(socket: &Path) -> Self {
        let socket = UnixDatagram::bind(socket).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// The lines of the next message.
    fn told(&self) -> Vec<String> {
        let mut message = [0; 4_096];
        let length = self.0.recv(&mut message).unwrap();
        let text = String::from_utf8(message[..length].to_vec()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// The secrets as systemd's `LoadCredential=` hands them over: mode 0440, in a directory that only the service looks into.
#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_is_told_when_it_serves_with_its_credentials_and_when_it_stops() {
    let shell = Shell::new();
    let home = shell.home.path();
    fs::write(home.join("passphrase"), "correct horse battery staple\n").unwrap();
    fs::set_permissions(home.join("passphrase"), fs::Permissions::from_mode(0o600)).unwrap();
    let made = "init --organisation Acme --dir acme --passphrase-file passphrase";
    let run = shell.line(made);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let server = NatsServer::operator_mode(&home.join("acme/server")).await;
    let run = shell.line(&format!("setup --dir acme --url {}", server.url()));
    assert_eq!(run.code, 0, "{}", run.stderr);

    let credentials = home.join("credentials");
    fs::create_dir(&credentials).unwrap();
    for (from, name) in [
        ("passphrase", "passphrase"),
        ("acme/creds/service.creds", "service.creds"),
        ("acme/creds/system.creds", "system.creds"),
    ] {
        let to = credentials.join(name);
        fs::copy(home.join(from), &to).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(0o440)).unwrap();
    }
    let manager = Manager::new(&home.join("notify"));
    let mut command = shell.command([
        "serve",
        "--creds",
        "credentials/service.creds",
        "--system-creds",
        "credentials/system.creds",
        "--url",
        &server.url(),
    ]);
    command
        .env("KEYLEDGER_DIR", home.join("acme"))
        .env("KEYLEDGER_PASSPHRASE_FILE", credentials.join("passphrase"))
        .env("NOTIFY_SOCKET", home.join("notify"));
    let mut service = Process::spawn(command);
    assert_eq!(manager.told(), ["STATUS=reading the ledger"]);
    assert_eq!(
        manager.told(),
        ["READY=1", "STATUS=serving Acme under keys: durable"]
    );
    let end = service.terminate().await;
    assert!(end.success(), "{}", service.stderr());
    assert_eq!(
        manager.told(),
        ["STOPPING=1", "STATUS=finishing the commands under way"]
    );
}
