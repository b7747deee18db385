//! Creds files: as nsc writes them, sealed or of mode 0600.

use std::fs;

use data_encoding::BASE64URL_NOPAD;
use keyledger_custody::{CredsError, CurveKey, DeliveryError, SecretFileError, UserSeed};
use nkeys::KeyPair;

use crate::mode_of;

/// Something of a JWT's form for `subject`.
fn jwt(subject: &str) -> String {
    let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let header = part(r#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let claims = part(&format!(
        r#"{{"jti":"X","sub":"{subject}","nats":{{"type":"user"}}}}"#
    ));
    format!("{header}.{claims}.{}", part("signature"))
}

/// What `FormatUserConfig` of github.com/nats-io/jwt/v2 2.8.2 writes, in its own format strings.
fn as_nsc_writes(jwt: &str, seed: &str) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         ************************* IMPORTANT *************************\n\
         NKEY Seed printed below can be used to sign and prove identity.\n\
         NKEYs are sensitive and should be treated as secrets.\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n\n\
         *************************************************************\n"
    )
}

fn seed_in(creds: &str) -> &str {
    creds.lines().find(|line| line.starts_with("SU")).unwrap()
}

#[test]
fn creds_are_written_as_nsc_writes_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.creds");
    let user = UserSeed::generate().unwrap();
    let jwt = jwt(user.public_nkey());
    user.write_creds(&jwt, &path).unwrap();
    assert_eq!(mode_of(&path), 0o600);
    let creds = fs::read_to_string(&path).unwrap();
    let seed = seed_in(&creds);
    assert_eq!(creds, as_nsc_writes(&jwt, seed));
    assert_eq!(
        KeyPair::from_seed(seed).unwrap().public_key(),
        user.public_nkey()
    );
    let again = user.write_creds(&jwt, &path).unwrap_err();
    assert!(matches!(
        again,
        CredsError::File(SecretFileError::Exists { .. })
    ));
}

#[test]
fn sealed_creds_are_the_same_file_to_their_recipient() {
    let user = UserSeed::generate().unwrap();
    let recipient = CurveKey::generate().unwrap();
    let jwt = jwt(user.public_nkey());
    let delivery = user.seal_creds(&jwt, recipient.public_nkey()).unwrap();
    let creds = recipient.open(&delivery).unwrap();
    let creds = std::str::from_utf8(creds.expose()).unwrap();
    let seed = seed_in(creds);
    assert_eq!(creds, as_nsc_writes(&jwt, seed));
    assert_eq!(
        KeyPair::from_seed(seed).unwrap().public_key(),
        user.public_nkey()
    );
    let sealed = String::from_utf8_lossy(&delivery.ciphertext);
    assert!(!sealed.contains(seed) && !sealed.contains(&jwt));
}

#[test]
fn the_seed_signs_as_its_public_nkey() {
    let user = UserSeed::generate().unwrap();
    let signer = user.signer().unwrap();
    assert_eq!(signer.public_nkey(), user.public_nkey());
    let public = KeyPair::from_public_key(user.public_nkey()).unwrap();
    public.verify(b"nonce", &signer.sign(b"nonce")).unwrap();
}

#[test]
fn creds_are_not_made_of_another_user_s_jwt() {
    let (user, other) = (UserSeed::generate().unwrap(), UserSeed::generate().unwrap());
    let recipient = CurveKey::generate().unwrap();
    let error = user
        .seal_creds(&jwt(other.public_nkey()), recipient.public_nkey())
        .unwrap_err();
    assert!(
        matches!(error, CredsError::OtherUser { subject, .. } if subject == other.public_nkey())
    );
}

#[test]
fn creds_are_not_made_of_what_is_no_jwt_nor_for_nobody() {
    let user = UserSeed::generate().unwrap();
    let recipient = CurveKey::generate().unwrap();
    let good = jwt(user.public_nkey());
    for bad in [
        String::new(),
        "a.b".to_owned(),
        format!("{good}.x"),
        format!("{good}\n------END NATS USER JWT------"),
        format!(" {good}"),
        good.replacen('.', "\n.", 1),
    ] {
        let error = user.seal_creds(&bad, recipient.public_nkey()).unwrap_err();
        assert!(matches!(error, CredsError::NotAJwt), "{bad}");
    }
    let error = user.seal_creds(&good, user.public_nkey()).unwrap_err();
    assert!(matches!(
        error,
        CredsError::Delivery(DeliveryError::NotACurveNkey)
    ));
}
