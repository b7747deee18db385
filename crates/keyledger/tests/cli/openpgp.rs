//! `keyledger openpgp` and `keyledger offline`: an air-gapped machine, a workstation, and files between them.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ed25519_dalek::{Signer as _, SigningKey};
use keyledger_custody::openpgp::{Bind, Certificate, PublicSubkey, SubkeyAlgorithm, SubkeyRole};
use keyledger_domain::Timestamp;
use serde_json::Value;

use crate::support::{Run, Shell};

/// A machine where Alice's certify key was made.
struct World {
    shell: Shell,
}

const ALICE: &str = "Alice Archer <alice@example.org>";
const INIT: [&str; 6] = [
    "openpgp",
    "init",
    "--user-id",
    ALICE,
    "--out",
    "alice.certify",
];
const FILES: [&str; 3] = ["alice.certify", "alice.revocation", "alice.asc"];

impl World {
    /// With the files of an `init` that is run once: deriving keys from passphrases is slow, and means to be.
    fn new() -> Self {
        static MADE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
        let made = MADE.get_or_init(|| {
            let world = Self::without_key();
            let run = world.signed(&INIT);
            assert_eq!(run.code, 0, "{}", run.stderr);
            next_second();
            FILES.map(|file| fs::read(world.path(file)).unwrap()).into()
        });
        let world = Self::without_key();
        for (file, bytes) in FILES.iter().zip(made) {
            world.private(file, bytes);
        }
        world
    }

    fn without_key() -> Self {
        let shell = Shell::new();
        let world = Self { shell };
        world.private("passphrase", b"correct horse battery staple\n");
        world
    }

    fn private(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.shell.home.path().join(name)
    }

    /// Runs it with the passphrase at hand.
    fn signed(&self, arguments: &[&str]) -> Run {
        let passphrase = ["--passphrase-file", "passphrase"];
        self.shell.run(arguments.iter().chain(&passphrase))
    }

    fn ok(&self, line: &str) -> String {
        let run = self.shell.line(line);
        assert_eq!(run.code, 0, "{line}: {}", run.stderr);
        run.stdout
    }

    fn certificate(&self) -> Certificate {
        Certificate::parse(&fs::read(self.path("alice.asc")).unwrap()).unwrap()
    }

    /// What an agent writes when a card with these seeds has made its keys.
    fn card(&self, name: &str, seeds: [u8; 2]) {
        let certificate = self.certificate();
        let made = Timestamp::from_seconds(now());
        let roles = [SubkeyRole::Sign, SubkeyRole::Authenticate];
        let subkeys = roles.iter().zip(seeds).map(|(role, seed)| {
            let key = SigningKey::from_bytes(&[seed; 32]);
            let point = key.verifying_key().to_bytes();
            let public = PublicSubkey::new(*role, SubkeyAlgorithm::Ed25519, made, &point).unwrap();
            let bind = Bind::prepare(&certificate, public, made).unwrap();
            let signature = bind
                .to_sign()
                .map(|asked| key.sign(asked.digest).to_bytes());
            bind.finish(signature.as_ref().map(|bytes| &bytes[..]))
                .unwrap()
        });
        let subkeys: Vec<_> = subkeys.collect();
        fs::write(self.path(name), serde_json::to_vec(&subkeys).unwrap()).unwrap();
    }

    /// A card of Alice's, bound here and now.
    fn with_card() -> Self {
        let world = Self::new();
        world.card("card.json", [1, 2]);
        let bind = "openpgp bind --certificate alice.asc --subkeys card.json --expires +365d \
                    --expires authenticate=+180d --key alice.certify --yes";
        let run = world.signed(&bind.split_whitespace().collect::<Vec<_>>());
        assert_eq!(run.code, 0, "{}", run.stderr);
        world
    }

    fn show(&self) -> Value {
        serde_json::from_str(&self.ok("openpgp show alice.asc --json")).unwrap()
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// Readers take the newest signature and count in seconds, so nothing is signed twice in one.
fn next_second() {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    thread::sleep(Duration::from_millis(
        1_010 - u64::from(since.subsec_millis()),
    ));
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn init_makes_three_files_and_writes_over_none() {
    let world = World::without_key();
    assert_eq!(world.signed(&INIT).code, 0);
    assert_eq!(mode(&world.path("alice.certify")), 0o600);
    assert_eq!(mode(&world.path("alice.revocation")), 0o600);
    let certificate = world.certificate();
    assert_eq!(certificate.user_ids()[0].id.as_str(), ALICE);
    let days = (certificate.expires().unwrap().seconds() - now()) / 86_400;
    assert!((1823..=1825).contains(&days), "{days}");
    let sealed = fs::read_to_string(world.path("alice.certify")).unwrap();
    assert!(sealed.contains(&certificate.fingerprint().to_string()));

    let again = world.signed(&INIT);
    assert_eq!(again.code, 2, "{}", again.stderr);
    assert!(again.stderr.contains("nothing is written over"));
    let bad = [
        "openpgp",
        "init",
        "--user-id",
        "Alice <alice",
        "--out",
        "b.certify",
    ];
    let bad = world.signed(&bad);
    assert_eq!(bad.code, 2);
    assert!(
        bad.stderr.contains("write a user id like"),
        "{}",
        bad.stderr
    );
    let asc = ["openpgp", "init", "--user-id", ALICE, "--out", "b.asc"];
    assert_eq!(world.signed(&asc).code, 2);
}

#[test]
fn a_card_is_bound_here_and_now() {
    let world = World::with_card();
    let shown = world.show();
    assert_eq!(shown["standing"], "valid");
    let roles: Vec<_> = shown["subkeys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["role"])
        .collect();
    assert_eq!(roles, ["sign", "authenticate"]);
    let text = world.ok("openpgp show alice.asc");
    assert!(text.contains(ALICE) && text.contains("in 180d"), "{text}");
    let ssh = world.ok("openpgp export alice.asc --ssh");
    assert!(
        ssh.starts_with("ssh-ed25519 AAAA") && ssh.contains("openpgp:0x"),
        "{ssh}"
    );
}

#[test]
fn nothing_is_signed_without_a_yes() {
    let world = World::new();
    world.card("card.json", [1, 2]);
    let bind = "openpgp bind --certificate alice.asc --subkeys card.json --expires +365d --key alice.certify";
    let before = fs::read(world.path("alice.asc")).unwrap();
    let run = world.signed(&bind.split(' ').collect::<Vec<_>>());
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(
        run.stdout.contains("BIND a subkey to sign"),
        "{}",
        run.stdout
    );
    assert!(run.stderr.contains("give --yes"), "{}", run.stderr);
    assert_eq!(fs::read(world.path("alice.asc")).unwrap(), before);
    // Nor without a passphrase.
    let run = world.shell.line(&format!("{bind} --yes"));
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("there is no terminal"),
        "{}",
        run.stderr
    );
    let neither = bind.replace(" --key alice.certify", "");
    let run = world.shell.line(&neither);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--key"), "{}", run.stderr);
}

#[test]
fn a_lost_card_is_replaced_through_the_offline_machine() {
    let world = World::with_card();
    next_second();
    let revoke = world.shell.run([
        "openpgp",
        "revoke",
        "--certificate",
        "alice.asc",
        "--role",
        "sign",
        "--role",
        "authenticate",
        "--reason",
        "compromised",
        "--text",
        "card lost",
        "--request",
        "lost.json",
    ]);
    assert_eq!(revoke.code, 0, "{}", revoke.stderr);
    assert!(
        revoke.stdout.contains("keyledger offline sign lost.json"),
        "{}",
        revoke.stdout
    );
    let words = world.ok("offline show lost.json");
    assert!(
        words.contains("REVOKE FOR GOOD the subkey to sign (S)"),
        "{words}"
    );
    assert!(words.contains("compromised: card lost"), "{words}");

    let sign = "offline sign lost.json --key alice.certify --out answer.json --yes --json";
    let run = world.signed(&sign.split(' ').collect::<Vec<_>>());
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("REVOKE FOR GOOD"), "{}", run.stderr);
    let signed: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        signed["certificate"],
        world.certificate().fingerprint().to_string()
    );
    world.ok("openpgp accept answer.json --request lost.json --certificate alice.asc");
    let shown = world.show();
    for subkey in shown["subkeys"].as_array().unwrap() {
        assert_eq!(subkey["standing"], "revoked");
        assert_eq!(subkey["revoked"]["text"], "card lost");
    }
    let none = world.shell.line("openpgp export alice.asc --ssh");
    assert_eq!(none.code, 3, "{}", none.stdout);

    world.card("next.json", [3, 4]);
    world.ok("openpgp bind --certificate alice.asc --subkeys next.json --expires +365d --request next-request.json");
    let sign = "offline sign next-request.json --key alice.certify --out next-answer.json --yes";
    assert_eq!(world.signed(&sign.split(' ').collect::<Vec<_>>()).code, 0);
    // The answer to another request is none to this.
    let other = world
        .shell
        .line("openpgp accept answer.json --request next-request.json --certificate alice.asc");
    assert_eq!(other.code, 3);
    assert!(
        other.stderr.contains("answers another request"),
        "{}",
        other.stderr
    );
    world.ok("openpgp accept next-answer.json --request next-request.json --certificate alice.asc");
    // An older answer does not take back what came after.
    let older = "openpgp accept answer.json --request lost.json --certificate alice.asc";
    let older = world.shell.line(older);
    assert_eq!(older.code, 3);
    assert!(
        older.stderr.contains("has changed since"),
        "{}",
        older.stderr
    );
    assert_eq!(world.show()["subkeys"].as_array().unwrap().len(), 4);
}

#[test]
fn gpg_sees_what_was_made() {
    let world = World::with_card();
    let home = world.path("gnupg");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    let gpg = |arguments: &[&str]| {
        let output = Command::new("gpg")
            .env("GNUPGHOME", &home)
            .current_dir(world.shell.home.path())
            .args(["--batch", "--no-tty"])
            .args(arguments)
            .output()
            .expect("GnuPG is missing: `apt-get install gnupg gpg-agent`");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let keyring = world.ok("openpgp export alice.asc --keyring");
    fs::write(world.path("team.asc"), keyring).unwrap();
    gpg(&["--import", "team.asc"]);
    let fingerprint = world.certificate().fingerprint().to_string();
    let listed = gpg(&["--list-keys", &fingerprint]);
    for uses in ["[C]", "[S]", "[A]"] {
        assert!(listed.contains(uses), "{listed}");
    }
    let theirs = gpg(&["--export-ssh-key", &fingerprint]);
    assert_eq!(world.ok("openpgp export alice.asc --ssh"), theirs);
    let killed = Command::new("gpgconf")
        .env("GNUPGHOME", &home)
        .args(["--kill", "all"])
        .status();
    assert!(killed.unwrap().success());
}

#[test]
fn the_rest_of_a_certificate_s_life() {
    let world = World::with_card();
    next_second();
    let yes = [
        "--certificate",
        "alice.asc",
        "--key",
        "alice.certify",
        "--yes",
    ];
    let change = |words: &[&str]| {
        let run = world.signed(&[words, &yes].concat());
        assert_eq!(run.code, 0, "{words:?}: {}", run.stderr);
    };
    change(&[
        "openpgp",
        "add-user-id",
        "Alice Archer <archer@example.com>",
    ]);
    next_second();
    change(&[
        "openpgp",
        "renew",
        "--primary",
        "--all-subkeys",
        "--expires",
        "+3000d",
    ]);
    let shown = world.show();
    assert_eq!(shown["user_ids"].as_array().unwrap().len(), 2);
    for subkey in shown["subkeys"].as_array().unwrap() {
        assert_eq!(subkey["expires"], shown["expires"]);
    }

    let escrow = "openpgp escrow --out alice.decrypt --subkeys escrowed.json";
    assert_eq!(world.signed(&escrow.split(' ').collect::<Vec<_>>()).code, 0);
    assert_eq!(mode(&world.path("alice.decrypt")), 0o600);
    change(&[
        "openpgp",
        "bind",
        "--subkeys",
        "escrowed.json",
        "--expires",
        "encrypt=+700d",
    ]);
    assert_eq!(world.show()["subkeys"][2]["role"], "encrypt");

    let tree = world.ok("openpgp export alice.asc --wkd www --domain example.com --json");
    let tree: Value = serde_json::from_str(&tree).unwrap();
    assert_eq!(tree["files"].as_array().unwrap().len(), 2, "{tree}");
    let file = tree["files"][0].as_str().unwrap();
    assert!(file.starts_with("www/openpgpkey.example.com/.well-known/openpgpkey/example.com/hu/"));
    assert!(Certificate::parse(&fs::read(world.path(file)).unwrap()).is_ok());

    let end = "openpgp revoke-with alice.revocation --certificate alice.asc";
    let run = world.signed(&end.split(' ').collect::<Vec<_>>());
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(world.show()["standing"], "revoked");
    let late = [
        &["openpgp", "renew", "--primary", "--expires", "+9d"][..],
        &yes,
    ]
    .concat();
    let late = world.signed(&late);
    assert_eq!(late.code, 3);
    assert!(
        late.stderr.contains("is revoked, for good"),
        "{}",
        late.stderr
    );
}

#[test]
fn a_passphrase_is_changed_in_place() {
    let world = World::new();
    world.private("new", b"five other random words\n");
    let change = "openpgp change-passphrase alice.certify --passphrase-file passphrase --new-passphrase-file new";
    world.ok(change);
    assert_eq!(mode(&world.path("alice.certify")), 0o600);
    let again = world.shell.line(change);
    assert_eq!(again.code, 1);
    assert!(
        again.stderr.contains("the passphrase is wrong"),
        "{}",
        again.stderr
    );
    world.ok(
        "openpgp renew --certificate alice.asc --primary --expires +9d --key alice.certify --yes --passphrase-file new",
    );
}

#[test]
fn what_is_damaged_or_another_s_is_refused() {
    let world = World::with_card();
    let mut bytes = world.certificate().to_bytes();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(world.path("forged.asc"), &bytes).unwrap();
    let run = world.shell.line("openpgp show forged.asc --json");
    assert_eq!(run.code, 3, "{}", run.stdout);
    assert!(run.stderr.contains("forged.asc: "), "{}", run.stderr);

    let bob = [
        "openpgp",
        "init",
        "--user-id",
        "Bob <bob@example.org>",
        "--out",
        "bob.certify",
    ];
    assert_eq!(world.signed(&bob).code, 0);
    let other =
        "openpgp renew --certificate alice.asc --primary --expires +9d --key bob.certify --yes";
    let run = world.signed(&other.split(' ').collect::<Vec<_>>());
    assert_eq!(run.code, 3);
    assert!(
        run.stderr.contains("and the request is for"),
        "{}",
        run.stderr
    );

    fs::set_permissions(
        world.path("alice.certify"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let own = other.replace("bob.certify", "alice.certify");
    let run = world.signed(&own.split(' ').collect::<Vec<_>>());
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("chmod 600"), "{}", run.stderr);
    for program in ["stdout", "stderr"] {
        assert!(!run.stderr.contains("correct horse"), "{program}");
    }
}
