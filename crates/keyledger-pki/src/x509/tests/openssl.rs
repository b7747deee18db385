//! The `openssl` CLI: an independent maker of keys and requests, signer of bytes, and judge.

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;

/// A directory in which `openssl` works.
pub(super) struct Openssl {
    directory: TempDir,
}

/// What keys `openssl genpkey` makes here, and with which hash they sign.
pub(super) const KINDS: [(&str, &[&str], &str); 4] = [
    (
        "p256",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        "sha256",
    ),
    (
        "p384",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
        "sha384",
    ),
    (
        "rsa",
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        "sha256",
    ),
    ("ed25519", &["-algorithm", "ED25519"], ""),
];

impl Openssl {
    pub(super) fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Runs a command that must succeed: what it said.
    pub(super) fn run(&self, arguments: &str) -> String {
        let (success, said) = self.try_run(arguments);
        assert!(success, "openssl {arguments}: {said}");
        said
    }

    /// Runs a command: did it succeed, and what it said on both streams.
    pub(super) fn try_run(&self, arguments: &str) -> (bool, String) {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.directory.path())
            .output()
            .expect("these tests need the openssl CLI: apt-get install openssl");
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        (output.status.success(), said)
    }

    /// Makes a key of a kind, and gives its public half as SubjectPublicKeyInfo in DER.
    pub(super) fn key(&self, name: &str, kind: &str) -> Vec<u8> {
        let (_, options, _) = kind_of(kind);
        self.run(&format!("genpkey {} -out {name}.key", options.join(" ")));
        self.run(&format!(
            "pkey -in {name}.key -pubout -outform DER -out {name}.spki"
        ));
        self.read(&format!("{name}.spki"))
    }

    /// Signs with a key made before.
    pub(super) fn sign(&self, name: &str, kind: &str, bytes: &[u8]) -> Vec<u8> {
        let (_, _, hash) = kind_of(kind);
        let digest = if hash.is_empty() {
            String::new()
        } else {
            format!("-digest {hash}")
        };
        self.write("bytes", bytes);
        self.run(&format!(
            "pkeyutl -sign -rawin {digest} -inkey {name}.key -in bytes -out signature"
        ));
        self.read("signature")
    }

    /// Makes a request with a key made before, in DER.
    pub(super) fn request(&self, name: &str, subject: &str) -> Vec<u8> {
        self.run(&format!(
            "req -new -key {name}.key -subj {subject} -outform DER -out {name}.csr"
        ));
        self.read(&format!("{name}.csr"))
    }
}

fn kind_of(kind: &str) -> (&'static str, &'static [&'static str], &'static str) {
    *KINDS.iter().find(|(name, _, _)| *name == kind).unwrap()
}
