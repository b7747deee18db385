//! Secret files: whose they are, and that none is lost.

use std::{fs, os::unix::fs::PermissionsExt as _};

use keyledger_custody::{
    SecretFileError, check_secret_directory, check_secret_file, read_secret_file,
    replace_secret_file, write_secret_file,
};

use crate::{mode_of, put};

#[test]
fn a_secret_file_is_its_owner_s_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    write_secret_file(&path, b"one").unwrap();
    assert_eq!(mode_of(&path), 0o600);
    assert_eq!(read_secret_file(&path).unwrap().expose(), b"one");
}

#[test]
fn a_secret_file_is_never_written_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    write_secret_file(&path, b"one").unwrap();
    let error = write_secret_file(&path, b"two").unwrap_err();
    assert!(matches!(error, SecretFileError::Exists { .. }));
    assert_eq!(fs::read(&path).unwrap(), b"one");
    // Nor through a link that leads nowhere yet.
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(directory.path().join("elsewhere"), &link).unwrap();
    assert!(write_secret_file(&link, b"two").is_err());
    assert!(!directory.path().join("elsewhere").exists());
}

#[test]
fn a_secret_file_is_replaced_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    put(&path, b"one", 0o644);
    replace_secret_file(&path, b"two").unwrap();
    assert_eq!(mode_of(&path), 0o600);
    assert_eq!(read_secret_file(&path).unwrap().expose(), b"two");
    // Others at the same time: it is one of them that is there, whole.
    let several: Vec<_> = (0..8u8)
        .map(|n| {
            let path = path.clone();
            std::thread::spawn(move || replace_secret_file(&path, &[n; 4_096]).unwrap())
        })
        .collect();
    several.into_iter().for_each(|one| one.join().unwrap());
    let read = read_secret_file(&path).unwrap();
    assert_eq!(read.expose(), [read.expose()[0]; 4_096]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn what_is_wrong_with_a_file_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    let read = || read_secret_file(&path).err().unwrap();
    assert!(matches!(read(), SecretFileError::Missing { .. }));
    put(&path, b"one", 0o660);
    assert!(matches!(
        read(),
        SecretFileError::Exposed { mode: 0o660, .. }
    ));
    put(&path, &vec![0; (1 << 20) + 1], 0o600);
    assert!(matches!(read(), SecretFileError::NotASecretFile { .. }));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(read(), SecretFileError::NotASecretFile { .. }));
    let nowhere = directory.path().join("no/such/directory");
    let error = write_secret_file(&nowhere, b"").unwrap_err();
    assert!(matches!(error, SecretFileError::Missing { .. }));
}

#[test]
fn what_others_can_read_is_told_without_reading_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    for (mode, is_private) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
        put(&path, b"one", mode);
        let checked = check_secret_file(&path);
        assert_eq!(checked.is_ok(), is_private, "{mode:o}");
        if let Err(error) = checked {
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }
    let inner = directory.path().join("inner");
    fs::create_dir(&inner).unwrap();
    for (mode, is_private) in [(0o700, true), (0o750, true), (0o755, false), (0o701, false)] {
        fs::set_permissions(&inner, fs::Permissions::from_mode(mode)).unwrap();
        let checked = check_secret_directory(&inner);
        assert_eq!(checked.is_ok(), is_private, "{mode:o}");
        if let Err(error) = checked {
            assert!(error.to_string().contains("chmod 700"), "{error}");
        }
    }
    assert!(matches!(
        check_secret_file(&inner.join("none")),
        Err(SecretFileError::Missing { .. })
    ));
}
