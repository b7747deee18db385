//! What was once sealed stays readable: material, and a sealed file of each kind, of format 1.
//!
//! The ignored tests here wrote them. Python's `cryptography` read the material by the table in the documentation alone. If a test here
//! fails, the code is wrong, not the files: a new format gets new files beside these.

use std::{fs, path::PathBuf};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PSS_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use data_encoding::BASE64;
use keyledger_custody::{
    Custody, Holds, KdfCost, MaterialContext, NkeyKind, OpenError, Passphrase, SealedFile,
    SignError, authority::AuthorityKey, openpgp::EscrowedKey, root_of,
};
use keyledger_domain::{
    Algorithm, Purposes,
    key::Public,
    private_key::{self, PrivateKey},
};
use serde::{Deserialize, Serialize};

use crate::{context, custody_of, root_of_byte};

/// Protects nothing: it stands here, and only seals what was made for these tests.
const PASSPHRASE: &str = "not a secret: for tests only";
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

fn passphrase() -> Passphrase {
    Passphrase::new(PASSPHRASE.to_owned()).unwrap()
}

/// The sealed file of a kind, as it lies here.
fn sealed_file(kind: &str) -> SealedFile {
    let bytes = fs::read(file(&format!("sealed/{kind}.json"))).unwrap();
    SealedFile::from_json(&bytes).unwrap()
}

#[test]
fn a_sealed_file_of_every_kind_of_format_1_opens() {
    let kinds = fs::read_dir(file("sealed")).unwrap();
    let mut kinds: Vec<_> = kinds
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_owned())
        .collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [
            "authority_key",
            "certify_key",
            "escrowed_key",
            "revocation",
            "root_key"
        ]
    );
    let passphrase = passphrase();
    for kind in kinds {
        let kind = kind.to_str().unwrap();
        let sealed = sealed_file(kind);
        assert_eq!(sealed.holds().kind(), kind);
        assert_eq!(
            private_key::find(&sealed.to_json()),
            Some(PrivateKey::Keyledger),
            "{kind} is recognised where it does not belong"
        );
        assert_eq!(
            sealed.to_json(),
            fs::read(file(&format!("sealed/{kind}.json"))).unwrap(),
            "{kind} is written as it was read"
        );
        // What comes out belongs to what is written outside: opening compares the two.
        match sealed.holds() {
            Holds::RootKey { id } => {
                let root = sealed.open_root_key(&passphrase).unwrap();
                assert_eq!(root.id(), *id);
                assert_eq!(root.id(), root_of_byte(ROOT_BYTE).id());
            }
            Holds::AuthorityKey { algorithm, .. } => {
                let key = sealed.open_authority_key(&passphrase).unwrap();
                assert_eq!(key.algorithm(), *algorithm);
                assert_eq!(key.public_key(), sealed.authority_public_key().unwrap());
            }
            Holds::CertifyKey {
                fingerprint,
                created,
            } => {
                let key = sealed.open_certify_key(&passphrase).unwrap();
                assert_eq!((key.fingerprint(), key.created()), (*fingerprint, *created));
            }
            Holds::Revocation { .. } => {
                let revocation = sealed.open_revocation(&passphrase).unwrap();
                let armor = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";
                assert!(revocation.expose().starts_with(armor));
            }
            Holds::EscrowedKey {
                fingerprint,
                created,
            } => {
                let key = sealed.open_escrowed_key(&passphrase).unwrap();
                assert_eq!((key.fingerprint(), key.created()), (*fingerprint, *created));
            }
        }
    }
}

#[test]
#[ignore = "writes the sealed files anew: only for a new format, under new names"]
fn make_sealed_files() {
    let (passphrase, cost) = (passphrase(), KdfCost::LEAST);
    let person = crate::openpgp_world::alice();
    let authority = AuthorityKey::generate(Algorithm::P384).unwrap();
    let escrowed = EscrowedKey::generate(crate::openpgp_world::day(0)).unwrap();
    let root = root_of_byte(ROOT_BYTE);
    fs::create_dir_all(file("sealed")).unwrap();
    for sealed in [
        SealedFile::of_root_key(&root, &passphrase, cost),
        SealedFile::of_authority_key(&authority, &passphrase, cost),
        SealedFile::of_certify_key(&person.key, &passphrase, cost),
        SealedFile::of_revocation(&person, &passphrase, cost),
        SealedFile::of_escrowed_key(&escrowed, &passphrase, cost),
    ] {
        let sealed = sealed.unwrap();
        let name = format!("sealed/{}.json", sealed.holds().kind());
        fs::write(file(&name), sealed.to_json()).unwrap();
    }
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
