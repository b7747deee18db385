//! Where root keys come from.

use std::fs;

use keyledger_custody::{
    Custody, Holds, KdfCost, KdfError, Passphrase, PassphraseError, RootKey, RootKeyError,
    SealedFile, SealedFileError, SecretFileError,
};

use crate::{mode_of, put, root_of_byte};

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.to_owned()).unwrap()
}

#[test]
fn the_root_key_comes_back_with_its_passphrase_and_not_with_another() {
    let root = RootKey::generate().unwrap();
    let sealed =
        SealedFile::of_root_key(&root, &passphrase("correct horse"), KdfCost::LEAST).unwrap();
    assert_eq!(sealed.holds(), &Holds::RootKey { id: root.id() });
    let opened = sealed.open_root_key(&passphrase("correct horse")).unwrap();
    assert_eq!(opened.id(), root.id());
    assert_eq!(
        Custody::open(opened).mac_key("x").tag(b""),
        Custody::open(root).mac_key("x").tag(b"")
    );
    for wrong in [
        "correct horsf",
        "correct hors",
        "correct horse ",
        "Correct horse",
    ] {
        let error = sealed.open_root_key(&passphrase(wrong)).err().unwrap();
        assert!(
            matches!(error, SealedFileError::WrongPassphrase),
            "{wrong}: {error}"
        );
    }
}

#[test]
fn a_sealed_root_key_survives_its_file_and_a_changed_one_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.sealed");
    let root = RootKey::generate().unwrap();
    let sealed =
        SealedFile::of_root_key(&root, &passphrase("correct horse"), KdfCost::LEAST).unwrap();
    sealed.write(&path).unwrap();
    assert_eq!(mode_of(&path), 0o600);
    assert_eq!(SealedFile::read(&path).unwrap(), sealed);
    assert!(matches!(
        sealed.write(&path),
        Err(SealedFileError::File(SecretFileError::Exists { .. }))
    ));

    let text = fs::read_to_string(&path).unwrap();
    let open = |text: &str| {
        put(&path, text.as_bytes(), 0o600);
        SealedFile::read(&path)?.open_root_key(&passphrase("correct horse"))
    };
    assert_eq!(open(&text).unwrap().id(), root.id());
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} in {text}");
        open(&text.replace(from, to)).err().unwrap()
    };
    use SealedFileError as E;
    let id = root.id().to_string();
    let other = root_of_byte(1).id().to_string();
    assert!(matches!(changed(&id, &other), E::WrongPassphrase));
    assert!(matches!(changed(&id, "00"), E::NotASealedFile));
    assert!(matches!(
        changed("\"lanes\": 4", "\"lanes\": 3"),
        E::WrongPassphrase
    ));
    assert!(matches!(
        changed("\"passes\": 3", "\"passes\": 1"),
        E::Kdf(KdfError::Cost)
    ));
    assert!(matches!(changed("65536", "1024"), E::Kdf(KdfError::Cost)));
    assert!(matches!(
        changed("65536", "4294967295"),
        E::Kdf(KdfError::Cost)
    ));
    assert!(matches!(changed("argon2id", "argon2i"), E::NotASealedFile));
    assert!(matches!(
        changed("\"version\": 1", "\"version\": 2"),
        E::NewerFormat { found: 2 }
    ));
    assert!(matches!(
        changed("\"holds\"", "\"hold\""),
        E::NotASealedFile
    ));
    assert!(matches!(open("").err().unwrap(), E::NotASealedFile));
}

#[test]
fn a_passphrase_is_changed_without_changing_the_root_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.sealed");
    let root = root_of_byte(9);
    let seal = |text| SealedFile::of_root_key(&root, &passphrase(text), KdfCost::LEAST).unwrap();
    seal("the old passphrase").write(&path).unwrap();
    seal("the new passphrase").replace(&path).unwrap();
    assert_eq!(mode_of(&path), 0o600);
    let sealed = SealedFile::read(&path).unwrap();
    assert_eq!(
        sealed
            .open_root_key(&passphrase("the new passphrase"))
            .unwrap()
            .id(),
        root.id()
    );
    assert!(
        sealed
            .open_root_key(&passphrase("the old passphrase"))
            .is_err()
    );
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        1,
        "nothing is left behind"
    );
}

#[test]
fn two_seals_of_one_root_key_share_nothing_but_its_id() {
    let root = root_of_byte(9);
    let seal =
        || SealedFile::of_root_key(&root, &passphrase("correct horse"), KdfCost::LEAST).unwrap();
    let (one, two) = (seal(), seal());
    assert_eq!(one.holds(), two.holds());
    assert_ne!(one, two);
}

#[test]
fn a_cost_that_protects_nothing_or_takes_all_memory_is_refused() {
    for (memory_kib, passes, lanes) in [
        (65_535, 3, 1),
        (4_194_305, 3, 1),
        (65_536, 2, 1),
        (65_536, 65, 1),
        (65_536, 3, 0),
        (65_536, 3, 65),
    ] {
        let cost = KdfCost::new(memory_kib, passes, lanes);
        assert!(
            matches!(cost, Err(KdfError::Cost)),
            "{memory_kib} {passes} {lanes}"
        );
    }
    assert_eq!(KdfCost::new(65_536, 3, 4).unwrap(), KdfCost::LEAST);
}

#[test]
fn a_passphrase_has_eight_characters_and_a_file_may_end_in_a_newline() {
    assert!(matches!(
        Passphrase::new("ünïcödé".to_owned()),
        Err(PassphraseError::TooShort)
    ));
    assert!(Passphrase::new("ünïcödés".to_owned()).is_ok());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("passphrase");
    let root = root_of_byte(9);
    let sealed =
        SealedFile::of_root_key(&root, &passphrase("correct horse"), KdfCost::LEAST).unwrap();
    put(&path, b"correct horse\n", 0o400);
    let read = Passphrase::from_file(&path).unwrap();
    assert_eq!(sealed.open_root_key(&read).unwrap().id(), root.id());
    put(&path, b"correct horse\xff\n", 0o600);
    assert!(matches!(
        Passphrase::from_file(&path),
        Err(PassphraseError::NotText)
    ));
    for open in [0o640, 0o660, 0o444, 0o404, 0o450] {
        put(&path, b"correct horse\n", open);
        assert!(
            matches!(
                Passphrase::from_file(&path),
                Err(PassphraseError::File(SecretFileError::Exposed { .. }))
            ),
            "{open:o}"
        );
    }
    // As systemd's LoadCredential= hands it over.
    put(&path, b"correct horse\n", 0o440);
    let read = Passphrase::from_file(&path).unwrap();
    assert_eq!(sealed.open_root_key(&read).unwrap().id(), root.id());
}

#[test]
fn a_root_key_file_is_made_once_and_read_by_its_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    let made = RootKey::generate_file(&path).unwrap();
    assert_eq!(mode_of(&path), 0o600);
    assert_eq!(RootKey::from_file(&path).unwrap().id(), made.id());
    assert!(matches!(
        RootKey::generate_file(&path),
        Err(RootKeyError::File(SecretFileError::Exists { .. }))
    ));
    assert_eq!(
        RootKey::from_file(&path).unwrap().id(),
        made.id(),
        "it was left as it is"
    );

    let text = fs::read(&path).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o660, 0o644, 0o601] {
        put(&path, &text, mode);
        let error = RootKey::from_file(&path).err().unwrap();
        let RootKeyError::File(source) = error else {
            panic!("{error}");
        };
        assert!(source.to_string().contains("chmod 600"), "{source}");
    }
}

#[test]
fn a_file_that_holds_no_root_key_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    let head = "keyledger-root-key-v1\n";
    for text in [
        String::new(),
        head.to_owned(),
        format!("{head}{}", "0".repeat(63)),
        format!("{head}{}", "0".repeat(66)),
        format!("{head}{}", "x".repeat(64)),
        "0".repeat(64),
    ] {
        put(&path, text.as_bytes(), 0o600);
        let error = RootKey::from_file(&path).err().unwrap();
        assert!(matches!(error, RootKeyError::NotARootKey), "{text}");
    }
}
