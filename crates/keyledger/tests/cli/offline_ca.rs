//! `keyledger offline` with the key of a root: made, shown what others ask for, signing it. No server anywhere.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::Command,
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use keyledger_pki::{
    Moment,
    exchange::{Nonce, Octets},
    x509::{
        Certificate, CertificateProfile, Issuer, NewCertificate, NewCrl, SerialNumber, ToBeSigned,
        exchange::{Asked, MAX_EXCHANGE_BYTES, Request, Response, ToAuthority},
    },
};
use serde_json::{Value, json};

use crate::support::{Run, Shell};

const PASSPHRASE: &str = "correct horse battery staple";
const FILES: [&str; 2] = ["root-ca.key", "root-ca.pem"];

/// A machine on which a root was made.
struct Machine {
    shell: Shell,
}

impl Machine {
    /// With the files of a `ca-init` that is run once: deriving keys from passphrases is slow, and means to be.
    fn new() -> Self {
        static MADE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
        let made = MADE.get_or_init(|| {
            let machine = Self::bare();
            let run = machine.init("--out root-ca.key");
            assert_eq!(run.code, 0, "{}", run.stderr);
            FILES
                .map(|file| fs::read(machine.path(file)).unwrap())
                .into()
        });
        let machine = Self::bare();
        for (file, bytes) in FILES.iter().zip(made) {
            machine.private(file, bytes);
        }
        machine
    }

    fn bare() -> Self {
        let machine = Self {
            shell: Shell::new(),
        };
        machine.private("passphrase", format!("{PASSPHRASE}\n").as_bytes());
        machine
    }

    fn private(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.shell.home.path().join(name)
    }

    fn init(&self, more: &str) -> Run {
        let start = "offline ca-init --passphrase-file passphrase";
        let mut words: Vec<_> = start.split(' ').chain(more.split(' ')).collect();
        words.extend(["--subject", "Example Root CA"]);
        let run = self.shell.run(words);
        silent(&run);
        run
    }

    fn sign(&self, request: &str, more: &str) -> Run {
        let run = self.shell.line(&format!(
            "offline sign {request} --key root-ca.key --passphrase-file passphrase {more}"
        ));
        silent(&run);
        run
    }

    fn root(&self) -> Certificate {
        let pem = fs::read_to_string(self.path("root-ca.pem")).unwrap();
        Certificate::from_pem(&pem).unwrap()
    }

    fn issuer(&self) -> Issuer {
        Issuer::of(&self.root()).unwrap()
    }

    /// A request that came from elsewhere, in a file.
    fn asked(&self, file: &str, asked: Asked, bytes: &ToBeSigned) -> Request {
        let asked = ToAuthority {
            issuer: "root-ca".parse().unwrap(),
            asked,
            issuer_certificate: Octets(self.root().der().to_vec()),
            to_be_signed: Octets(bytes.bytes().to_vec()),
        };
        let request = Request::new(asked, Nonce([7; 32]), now()).unwrap();
        fs::write(self.path(file), request.to_json()).unwrap();
        request
    }

    /// A request for an authority below the root, over the root's own key for want of another.
    fn asked_for_authority(&self) -> Request {
        let root = self.root();
        let profile = CertificateProfile::authority(0);
        let new = NewCertificate {
            serial_number: &SerialNumber::from_random([7; 16]),
            subject: &"CN=Example Issuing CA".parse().unwrap(),
            spki: root.spki(),
            alternative_names: &[],
            not_before: root.not_before(),
            not_after: root.not_after(),
            profile: &profile,
        };
        let bytes = self.issuer().certificate(&new).unwrap();
        let key = "issuing-ca".parse().unwrap();
        self.asked("issuing.request", Asked::Certificate { key }, &bytes)
    }

    fn openssl(&self, arguments: &str) -> String {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(self.shell.home.path())
            .output()
            .expect("openssl is missing: `apt-get install openssl`");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }
}

fn silent(run: &Run) {
    assert!(!run.stdout.contains(PASSPHRASE) && !run.stderr.contains(PASSPHRASE));
}

fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Moment::from_seconds(i64::try_from(since.as_secs()).unwrap())
}

#[test]
fn a_root_is_made_that_openssl_takes() {
    let machine = Machine::new();
    let text = machine.openssl("x509 -in root-ca.pem -noout -text");
    for expected in [
        "Subject: CN = Example Root CA",
        "ecdsa-with-SHA384",
        "CA:TRUE, pathlen:1",
        "Certificate Sign, CRL Sign",
    ] {
        assert!(text.contains(expected), "no {expected:?} in {text}");
    }
    machine.openssl("verify -x509_strict -check_ss_sig -CAfile root-ca.pem root-ca.pem");
    let days = (machine.root().not_after().seconds() - now().seconds()) / 86_400;
    assert!((7_298..=7_300).contains(&days), "{days}");
    let sealed = fs::read_to_string(machine.path("root-ca.key")).unwrap();
    let sealed: Value = serde_json::from_str(&sealed).unwrap();
    assert!(sealed["holds"]["authority_key"].is_object(), "{sealed}");
    assert_eq!(sealed["kdf"]["name"], "argon2id");
}

#[test]
fn a_root_is_made_as_it_was_asked_for_and_its_key_is_private() {
    let machine = Machine::bare();
    let run = machine.init("--out a.key --certificate b.pem --algorithm p-256 --days 30d --json");
    assert_eq!(run.code, 0, "{}", run.stderr);
    let said: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(said["subject"], "CN=Example Root CA");
    let text = machine.openssl("x509 -in b.pem -noout -text");
    assert!(text.contains("ecdsa-with-SHA256"), "{text}");
    let mode = fs::metadata(machine.path("a.key")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o7777, 0o600);
}

#[test]
fn nothing_is_written_over_and_nothing_made_that_cannot_be() {
    let machine = Machine::new();
    for (more, words) in [
        ("--out root-ca.key", "exists already"),
        (
            "--out other.key --certificate root-ca.pem",
            "exists already",
        ),
        ("--out other.pem", "one file"),
        ("--out other.key --days 0", "1 to 7300 days"),
        ("--out other.key --days 7301", "1 to 7300 days"),
        ("--out other.key --algorithm ed25519", "p-256, p-384"),
    ] {
        let run = machine.init(more);
        assert_eq!(run.code, 2, "{more}: {}", run.stderr);
        assert!(run.stderr.contains(words), "{more}: {}", run.stderr);
    }
    assert!(!machine.path("other.key").exists());
}

#[test]
fn what_is_asked_is_shown_in_words_and_signed() {
    let machine = Machine::new();
    let request = machine.asked_for_authority();
    let shown = machine.shell.line("offline show issuing.request");
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    for line in [
        "Authority    CN=Example Root CA (root-ca)",
        "CERTIFY      key issuing-ca",
        "authority    YES, with no authority below it",
    ] {
        assert!(shown.stdout.contains(line), "{}", shown.stdout);
    }
    let shown = machine.shell.line("offline show issuing.request --json");
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["sha256"], request.digest());
    assert_eq!(
        shown["asked"],
        json!({ "certificate": { "key": "issuing-ca" } })
    );

    let run = machine.sign("issuing.request", "--out issuing.response --yes --json");
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("CERTIFY      key issuing-ca"));
    let response = fs::read(machine.path("issuing.response")).unwrap();
    let der = Response::parse(&response)
        .unwrap()
        .accept(&request)
        .unwrap();
    let certificate = Certificate::from_der(&der).unwrap();
    let root = machine.root();
    machine
        .issuer()
        .check_signed(&certificate, root.spki())
        .unwrap();
}

#[test]
fn a_list_is_shown_and_signed() {
    let machine = Machine::new();
    let new = NewCrl {
        number: 42,
        this_update: now(),
        next_update: Moment::from_seconds(now().seconds() + 180 * 86_400),
        entries: &[],
    };
    let bytes = machine.issuer().crl(&new).unwrap();
    let request = machine.asked("crl.request", Asked::Crl, &bytes);
    let run = machine.sign("crl.request", "--out crl.response --yes");
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("list number  42"), "{}", run.stdout);
    let response = fs::read(machine.path("crl.response")).unwrap();
    let der = Response::parse(&response)
        .unwrap()
        .accept(&request)
        .unwrap();
    fs::write(machine.path("root-ca.crl"), der).unwrap();
    machine.openssl("crl -in root-ca.crl -inform DER -CAfile root-ca.pem -verify -noout");
}

#[test]
fn nobody_signs_without_agreeing_or_with_another_key_or_passphrase() {
    let machine = Machine::new();
    machine.asked_for_authority();
    let run = machine.sign("issuing.request", "--out issuing.response");
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("nothing was signed"), "{}", run.stderr);

    machine.private("wrong", b"correct horse battery stable\n");
    let run = machine.shell.line(
        "offline sign issuing.request --key root-ca.key --passphrase-file wrong --out issuing.response --yes",
    );
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("the passphrase is wrong"),
        "{}",
        run.stderr
    );

    machine.init("--out other.key --algorithm p-256");
    let run = machine.shell.line(
        "offline sign issuing.request --key other.key --passphrase-file passphrase --out issuing.response --yes",
    );
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(run.stderr.contains("is another key than"), "{}", run.stderr);
    assert!(!machine.path("issuing.response").exists());

    fs::write(machine.path("issuing.response"), "").unwrap();
    let run = machine.sign("issuing.request", "--out issuing.response --yes");
    assert_eq!(run.code, 2, "{}", run.stderr);
}

#[test]
fn a_key_signs_under_its_new_passphrase_only() {
    let machine = Machine::new();
    machine.asked_for_authority();
    machine.private("new", b"five random words are good\n");
    let change = "offline change-passphrase root-ca.key --passphrase-file passphrase --new-passphrase-file new";
    let run = machine.shell.line(change);
    assert_eq!(run.code, 0, "{}", run.stderr);
    silent(&run);
    let run = machine.sign("issuing.request", "--out issuing.response --yes");
    assert_eq!(run.code, 1, "{}", run.stderr);
    let run = machine.shell.line(
        "offline sign issuing.request --key root-ca.key --passphrase-file new --out issuing.response --yes",
    );
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn a_file_that_is_no_request_is_refused() {
    let machine = Machine::new();
    let request = machine.asked_for_authority();
    let mut other: Value = serde_json::from_slice(&request.to_json()).unwrap();
    other["more"] = json!("unknown");
    let larger = vec![b' '; MAX_EXCHANGE_BYTES + 1];
    let mut large = request.to_json();
    large.extend(&larger);
    for (content, words) in [
        (other.to_string().into_bytes(), "unknown field `more`"),
        (large, &format!("at most {MAX_EXCHANGE_BYTES} are read")),
        (larger, &format!("at most {MAX_EXCHANGE_BYTES} are read")),
        (b"{}".to_vec(), "no request of Keyledger"),
        (b"".to_vec(), "no request of Keyledger"),
    ] {
        fs::write(machine.path("hostile.request"), content).unwrap();
        for command in [
            "show hostile.request",
            "sign hostile.request --key root-ca.key --out r --yes",
        ] {
            let run = machine.shell.line(&format!("offline {command}"));
            assert_eq!(run.code, 3, "{}", run.stderr);
            assert!(run.stderr.contains(words), "{}", run.stderr);
        }
    }
}
