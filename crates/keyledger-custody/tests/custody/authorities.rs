//! Keys of authorities: made, sealed, opened, and silent.

use std::fs;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, UnparsedPublicKey, VerificationAlgorithm,
};
use data_encoding::BASE64;
use keyledger_custody::{
    KdfCost, Passphrase, SealedFile, SealedFileError, SecretFileError,
    authority::{AuthorityKey, AuthorityKeyError},
};
use keyledger_domain::Algorithm;

use crate::{mode_of, put};

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse battery staple".to_owned()).unwrap()
}

fn sealed(algorithm: Algorithm) -> SealedFile {
    let key = AuthorityKey::generate(algorithm).unwrap();
    SealedFile::of_authority_key(&key, &passphrase(), KdfCost::LEAST).unwrap()
}

#[test]
fn an_authority_s_key_comes_back_from_its_file_and_signs() {
    let verified: [(Algorithm, usize, &dyn VerificationAlgorithm); 2] = [
        (Algorithm::P256, 65, &ECDSA_P256_SHA256_ASN1),
        (Algorithm::P384, 97, &ECDSA_P384_SHA384_ASN1),
    ];
    let directory = tempfile::tempdir().unwrap();
    for (algorithm, point, verification) in verified {
        let path = directory.path().join(format!("{algorithm}.key"));
        sealed(algorithm).write(&path).unwrap();
        assert_eq!(mode_of(&path), 0o600);
        let read = SealedFile::read(&path).unwrap();
        let key = read.open_authority_key(&passphrase()).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(key.public_key(), read.authority_public_key().unwrap());
        let signature = key.sign(b"to be signed").unwrap();
        let point = &key.public_key()[key.public_key().len() - point..];
        let public = UnparsedPublicKey::new(verification, point);
        public.verify(b"to be signed", &signature).unwrap();
    }
}

#[test]
fn an_authority_s_key_is_p_256_or_p_384() {
    for algorithm in [
        Algorithm::Ed25519,
        Algorithm::X25519,
        Algorithm::Rsa2048,
        Algorithm::Rsa3072,
        Algorithm::Rsa4096,
        Algorithm::Aes256,
    ] {
        let refused = AuthorityKey::generate(algorithm).err().unwrap();
        assert_eq!(refused, AuthorityKeyError::Algorithm { algorithm });
    }
}

#[test]
fn a_sealed_authority_is_not_written_over_and_not_read_where_others_can() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root-ca.key");
    let sealed = sealed(Algorithm::P256);
    sealed.write(&path).unwrap();
    let again = sealed.write(&path).unwrap_err();
    assert!(matches!(
        again,
        SealedFileError::File(SecretFileError::Exists { .. })
    ));
    put(&path, &fs::read(&path).unwrap(), 0o644);
    let exposed = SealedFile::read(&path).unwrap_err();
    assert!(matches!(
        exposed,
        SealedFileError::File(SecretFileError::Exposed { .. })
    ));
}

#[test]
fn a_sealed_authority_opens_only_unchanged_and_under_its_passphrase() {
    let sealed = sealed(Algorithm::P256);
    let wrong = Passphrase::new("correct horse battery stable".to_owned()).unwrap();
    let error = sealed.open_authority_key(&wrong).err().unwrap();
    assert!(matches!(error, SealedFileError::WrongPassphrase));

    let json = String::from_utf8(sealed.to_json()).unwrap();
    let other = AuthorityKey::generate(Algorithm::P256).unwrap();
    let public = BASE64.encode(&sealed.authority_public_key().unwrap());
    for (from, to) in [
        (public.as_str(), BASE64.encode(other.public_key()).as_str()),
        ("\"p-256\"", "\"p-384\""),
    ] {
        let changed = json.replace(from, to);
        assert_ne!(changed, json);
        let changed = SealedFile::from_json(changed.as_bytes()).unwrap();
        let error = changed.open_authority_key(&passphrase()).err().unwrap();
        assert!(matches!(error, SealedFileError::WrongPassphrase));
    }
    for other in [
        "",
        "{}",
        &json.replace("\"authority_key\"", "\"certify_key\""),
        &json.replace("\"version\": 1", "\"version\": 1, \"more\": 1"),
    ] {
        let error = SealedFile::from_json(other.as_bytes()).unwrap_err();
        assert!(matches!(error, SealedFileError::NotASealedFile));
    }
    let newer = json.replace("\"version\": 1", "\"version\": 2");
    let error = SealedFile::from_json(newer.as_bytes()).unwrap_err();
    assert!(matches!(error, SealedFileError::NewerFormat { found: 2 }));
}

#[test]
fn an_authority_s_key_is_sealed_anew_under_another_passphrase() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root-ca.key");
    let before = sealed(Algorithm::P256);
    before.write(&path).unwrap();
    let new = Passphrase::new("five random words are good".to_owned()).unwrap();
    let resealed = before.resealed(&passphrase(), &new, KdfCost::LEAST);
    resealed.unwrap().replace(&path).unwrap();
    assert_eq!(mode_of(&path), 0o600);
    let after = SealedFile::read(&path).unwrap();
    let key = after.open_authority_key(&new).unwrap();
    assert_eq!(key.public_key(), before.authority_public_key().unwrap());
    let old = after.open_authority_key(&passphrase()).err().unwrap();
    assert!(matches!(old, SealedFileError::WrongPassphrase));
    let old = after.resealed(&passphrase(), &new, KdfCost::LEAST);
    assert!(matches!(old, Err(SealedFileError::WrongPassphrase)));
}
