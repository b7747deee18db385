//! nkeys: made, imported, opened, and understood by crate `nkeys`.

use data_encoding::BASE64;
use keyledger_custody::{GenerateError, NkeyKind, Secret, SeedError, SignError, check_public};
use keyledger_domain::Algorithm;
use nkeys::KeyPair;

use crate::{custody, orders};

const SIGNING: [(NkeyKind, char); 3] = [
    (NkeyKind::Operator, 'O'),
    (NkeyKind::Account, 'A'),
    (NkeyKind::User, 'U'),
];

#[test]
fn an_nkey_that_was_made_signs_what_crate_nkeys_verifies() {
    let custody = custody();
    for (kind, letter) in SIGNING {
        let made = custody.generate_nkey(kind, &orders()).unwrap();
        let nkey = made.public.nkey.unwrap();
        assert!(nkey.starts_with(letter));
        let signer = custody.open_signer(&made.sealed, &orders()).unwrap();
        assert_eq!((signer.kind(), signer.public_nkey()), (kind, &*nkey));
        let public = KeyPair::from_public_key(&nkey).unwrap();
        public.verify(b"nonce", &signer.sign(b"nonce")).unwrap();
        assert!(public.verify(b"nonces", &signer.sign(b"nonce")).is_err());
        let once = custody
            .sign(&made.sealed, &orders(), Algorithm::Ed25519, b"nonce")
            .unwrap();
        assert_eq!(once, signer.sign(b"nonce"));
        let spki = BASE64
            .decode(made.public.public_key.unwrap().as_bytes())
            .unwrap();
        assert_eq!(spki[12..], signer.public_key());
        check_public(Algorithm::Ed25519, &spki).unwrap();
    }
}

#[test]
fn an_imported_nkey_is_the_same_nkey() {
    let custody = custody();
    for (kind, theirs) in [
        (NkeyKind::Operator, KeyPair::new_operator()),
        (NkeyKind::Account, KeyPair::new_account()),
        (NkeyKind::User, KeyPair::new_user()),
    ] {
        let seed = Secret::new(format!("{}\n", theirs.seed().unwrap()).into_bytes());
        let made = custody.import_nkey(kind, &seed, &orders()).unwrap();
        assert_eq!(made.public.nkey.as_deref(), Some(&*theirs.public_key()));
        let signer = custody.open_signer(&made.sealed, &orders()).unwrap();
        assert_eq!(signer.sign(b"jwt").to_vec(), theirs.sign(b"jwt").unwrap());
    }
}

#[test]
fn what_is_no_seed_of_the_kind_is_not_imported() {
    let custody = custody();
    let user = KeyPair::new_user();
    let import = |kind, text: String| {
        let seed = Secret::new(text.into_bytes());
        custody.import_nkey(kind, &seed, &orders()).err()
    };
    assert_eq!(
        import(NkeyKind::Account, user.seed().unwrap()),
        Some(GenerateError::Seed(SeedError::OtherKind {
            expected: "account nkey"
        }))
    );
    let no_seed = Some(GenerateError::Seed(SeedError::NotASeed));
    assert_eq!(import(NkeyKind::User, user.public_key()), no_seed);
    assert_eq!(import(NkeyKind::User, String::new()), no_seed);
    assert_eq!(
        import(NkeyKind::User, user.seed().unwrap().to_lowercase()),
        no_seed
    );
}

#[test]
fn a_curve_nkey_is_made_and_does_not_sign() {
    let custody = custody();
    let made = custody.generate_nkey(NkeyKind::Curve, &orders()).unwrap();
    assert!(made.public.nkey.unwrap().starts_with('X'));
    let spki = BASE64
        .decode(made.public.public_key.unwrap().as_bytes())
        .unwrap();
    check_public(Algorithm::X25519, &spki).unwrap();
    assert_eq!(
        custody.open_signer(&made.sealed, &orders()).err(),
        Some(SignError::DoesNotSign {
            algorithm: Algorithm::X25519
        })
    );
}

#[test]
fn a_plain_key_is_no_nkey() {
    let custody = custody();
    let made = custody.generate(Algorithm::Ed25519, &orders()).unwrap();
    let error = custody.open_signer(&made.sealed, &orders()).err().unwrap();
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "it is the material of another kind: ed25519, not signing nkey"
    );
}
