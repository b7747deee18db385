//! What was once sealed stays readable: material and a sealed root key of format 1, made on the day the format was.
//!
//! `make_golden` wrote them, and Python's `cryptography` read them by the tables in the documentation alone. If a test here fails, the code is wrong, not the files: a new format gets new files
//! beside these.

use std::{fs, path::PathBuf};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PSS_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use data_encoding::BASE64;
use keyledger_custody::{
    Custody, KdfCost, MaterialContext, NkeyKind, OpenError, Passphrase, SealedFile, SignError,
    root_of,
};
use keyledger_domain::{Algorithm, Purposes, key::Public};
use serde::{Deserialize, Serialize};

use crate::{context, custody_of, mode_of, put, root_of_byte};

const PASSPHRASE: &str = "correct horse battery staple";
const ROOT_BYTE: u8 = 0x5a;

#[derive(Serialize, Deserialize)]
struct Golden {
    name: String,
    version: u32,
    purposes: Purposes,
    algorithm: Algorithm,
    public: Public,
    sealed: String,
}

impl Golden {
    fn context(&self) -> MaterialContext {
        MaterialContext {
            purposes: self.purposes,
            ..context(&self.name, self.version, &[])
        }
    }
}

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/custody/golden", name]
        .iter()
        .collect()
}

/// The first ten were made when the format was, the others when RSA of other lengths came.
fn material() -> Vec<Golden> {
    ["material.jsonl", "material.rsa.jsonl"]
        .map(|name| fs::read_to_string(file(name)).unwrap())
        .iter()
        .flat_map(|text| text.lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_root_key_sealed_in_format_1_opens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.sealed");
    put(&path, &fs::read(file("root.sealed")).unwrap(), 0o600); // git keeps no modes
    assert_eq!(mode_of(&path), 0o600);
    let passphrase = Passphrase::new(PASSPHRASE.to_owned()).unwrap();
    let sealed = SealedFile::read(&path).unwrap();
    let root = sealed.open_root_key(&passphrase).unwrap();
    assert_eq!(root.id(), root_of_byte(ROOT_BYTE).id());
    assert_eq!(root.id().to_string(), "5681bfdfa0e33135");
}

#[test]
fn material_of_every_kind_sealed_in_format_1_opens() {
    let custody = custody_of(ROOT_BYTE);
    let material = material();
    assert_eq!(material.len(), 12);
    for key in &material {
        let sealed = BASE64.decode(key.sealed.as_bytes()).unwrap();
        assert_eq!(root_of(&sealed), Ok(custody.root()), "{}", key.name);
        opens(&custody, key, &sealed);
        opens(&custody, key, &custody.rewrap(&sealed, &custody).unwrap());
    }
}

fn opens(custody: &Custody, key: &Golden, sealed: &[u8]) {
    let verification: &'static dyn VerificationAlgorithm = match key.algorithm {
        Algorithm::Ed25519 => &ED25519,
        Algorithm::P256 => &ECDSA_P256_SHA256_ASN1,
        Algorithm::P384 => &ECDSA_P384_SHA384_ASN1,
        Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::X25519 | Algorithm::Aes256 => {
            // Nothing is signed with them, but that is found out only after they opened.
            let found = custody.open_ed25519(sealed, &key.context()).err();
            let other = matches!(found, Some(SignError::Open(OpenError::OtherKind { .. })));
            assert!(other, "{}: {found:?}", key.name);
            return;
        }
    };
    let signature = custody
        .sign(sealed, &key.context(), key.algorithm, b"golden")
        .unwrap();
    let spki = key.public.public_key.as_deref().unwrap();
    UnparsedPublicKey::new(verification, BASE64.decode(spki.as_bytes()).unwrap())
        .verify(b"golden", &signature)
        .unwrap();
}

#[test]
fn what_is_derived_from_a_root_key_stays_the_same() {
    let tag = custody_of(ROOT_BYTE).mac_key("snapshot").tag(b"golden");
    assert_eq!(
        data_encoding::HEXLOWER.encode(&tag),
        "e6166115b3d9e51e42ccc66c10302e6543b69e2ee047c27b3530c086b939bd4b"
    );
}

#[test]
#[ignore = "writes the golden files anew: only for a new format, under new names"]
fn make_golden() {
    let mut lines = String::new();
    let mut add = |name: &str, version, algorithm: Algorithm, nkey: Option<NkeyKind>| {
        lines += &golden(name, version, algorithm, nkey);
    };
    let first = Algorithm::ALL.into_iter();
    let first = first.filter(|a| !matches!(a, Algorithm::Rsa2048 | Algorithm::Rsa4096));
    for (version, algorithm) in (1..).zip(first) {
        add(&format!("golden-{algorithm}"), version, algorithm, None);
    }
    for kind in NkeyKind::ALL {
        let name = format!("golden-{}", kind.as_str().replace(' ', "-"));
        add(&name, 1, kind.algorithm(), Some(kind));
    }
    fs::create_dir_all(file("")).unwrap();
    fs::write(file("material.jsonl"), lines).unwrap();
    let passphrase = Passphrase::new(PASSPHRASE.to_owned()).unwrap();
    let root = root_of_byte(ROOT_BYTE);
    let sealed = SealedFile::of_root_key(&root, &passphrase, KdfCost::LEAST).unwrap();
    sealed.replace(&file("root.sealed")).unwrap();
}

#[test]
#[ignore = "writes the golden file anew; what was written is to be read for ever"]
fn write_rsa_of_other_lengths() {
    let of = |algorithm: Algorithm| golden(&format!("golden-{algorithm}"), 1, algorithm, None);
    let lines = [Algorithm::Rsa2048, Algorithm::Rsa4096].map(of).concat();
    fs::write(file("material.rsa.jsonl"), lines).unwrap();
}

/// A line of a golden file: a new key with its sealed material.
fn golden(name: &str, version: u32, algorithm: Algorithm, nkey: Option<NkeyKind>) -> String {
    let custody = custody_of(ROOT_BYTE);
    let purposes = match nkey {
        Some(NkeyKind::Operator | NkeyKind::Account) => algorithm.able(),
        _ => algorithm.usual(),
    };
    let mut key = Golden {
        name: name.to_owned(),
        version,
        purposes,
        algorithm,
        public: Public {
            public_key: None,
            nkey: None,
            check_value: None,
        },
        sealed: String::new(),
    };
    let made = match nkey {
        Some(kind) => custody.generate_nkey(kind, &key.context()),
        None => custody.generate(algorithm, &key.context()),
    };
    let made = made.unwrap();
    key.public = made.public;
    key.sealed = BASE64.encode(&made.sealed);
    serde_json::to_string(&key).unwrap() + "\n"
}
