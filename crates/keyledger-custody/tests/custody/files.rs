//! Secret files: whose they are, and that none is lost.

use std::fs;

use keyledger_custody::{
    SecretFileError, read_secret_file, replace_secret_file, write_secret_file,
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
