//! Nothing that can be printed holds a secret.

use std::{error::Error, fmt::Debug};

use data_encoding::{BASE64, HEXLOWER};
use keyledger_custody::{
    CurveKey, Custody, Ed25519Signer, KdfCost, MacKey, NkeyKind, NkeySigner, Passphrase, RootKey,
    SealedFile, Secret, UserSeed,
    authority::AuthorityKey,
    openpgp::{CertifyKey, EscrowedKey, NewCertifyKey},
    seal_to,
};
use nkeys::KeyPair;

use crate::{context, custody, custody_of, orders, root_of_byte};

/// Fails to compile if `$type` implements `$trait`.
macro_rules! never {
    ($($type:ty: $trait:path),* $(,)?) => {
        $(const _: () = {
            trait Ambiguous<A> { const SEEN: () = (); }
            impl<T: ?Sized> Ambiguous<()> for T {}
            #[allow(dead_code, reason = "it only makes the other implementation ambiguous")]
            struct Implements;
            impl<T: ?Sized + $trait> Ambiguous<Implements> for T {}
            <$type as Ambiguous<_>>::SEEN
        };)*
    };
}

never! {
    Secret: Debug, Passphrase: Debug, RootKey: Debug, CurveKey: Debug, MacKey: Debug,
    Secret: std::fmt::Display, Passphrase: std::fmt::Display, RootKey: std::fmt::Display,
    CurveKey: std::fmt::Display, UserSeed: std::fmt::Display,
    Secret: Clone, Passphrase: Clone, RootKey: Clone, CurveKey: Clone, UserSeed: Clone,
    Secret: serde::Serialize, Passphrase: serde::Serialize, RootKey: serde::Serialize,
    CurveKey: serde::Serialize, UserSeed: serde::Serialize,
    AuthorityKey: Debug, AuthorityKey: std::fmt::Display, AuthorityKey: Clone, AuthorityKey: serde::Serialize,
    CertifyKey: Clone, EscrowedKey: Clone, NewCertifyKey: Clone,
    CertifyKey: std::fmt::Display, EscrowedKey: std::fmt::Display,
    CertifyKey: serde::Serialize, EscrowedKey: serde::Serialize, NewCertifyKey: serde::Serialize,
}

/// A service shares these between its threads.
const fn shared<T: Send + Sync>() {}
const _: () = {
    shared::<Custody>();
    shared::<NkeySigner>();
    shared::<Ed25519Signer>();
    shared::<MacKey>();
    shared::<UserSeed>();
    shared::<CurveKey>();
};

/// The ways in which secret bytes may show in a text.
fn shapes(secret: &[u8]) -> Vec<String> {
    let inner = |text: String| text[1..text.len() - 1].to_owned();
    vec![
        HEXLOWER.encode(secret),
        HEXLOWER.encode(secret).to_uppercase(),
        BASE64.encode(&secret[..30]),
        inner(format!("{secret:?}")),
        inner(format!("{secret:x?}")),
        String::from_utf8_lossy(secret).into_owned(),
    ]
}

fn silent(shapes: &[String], what: &str) {
    for shape in shapes {
        assert!(!what.contains(shape.as_str()), "{shape} is in {what}");
    }
}

/// The whole chain of an error, printed in both ways.
fn printed(error: &dyn Error) -> String {
    let mut text = format!("{error:?} {error}");
    let mut next = error.source();
    while let Some(source) = next {
        text += &format!(" {source:?} {source}");
        next = source.source();
    }
    text
}

#[test]
fn neither_values_nor_errors_show_an_nkey_s_seed() {
    let seed: [u8; 32] = std::array::from_fn(|at| b'a' + u8::try_from(at % 26).unwrap());
    let pair = KeyPair::new_from_raw(nkeys::KeyPairType::User, seed).unwrap();
    let text = pair.seed().unwrap();
    let mut shapes = shapes(&seed);
    shapes.push(text[4..50].to_owned());

    let custody = custody();
    let secret = || Secret::new(text.clone().into_bytes());
    let made = custody
        .import_nkey(NkeyKind::User, &secret(), &orders())
        .unwrap();
    let signer = custody.open_signer(&made.sealed, &orders()).unwrap();
    let plain = custody.open_ed25519(&made.sealed, &orders()).unwrap();
    silent(
        &shapes,
        &format!("{custody:?} {made:?} {signer:?} {plain:?}"),
    );
    silent(&shapes, &String::from_utf8_lossy(&made.sealed));

    let other = context("other", 1, &[]);
    silent(
        &shapes,
        &printed(&custody.open_signer(&made.sealed, &other).unwrap_err()),
    );
    silent(
        &shapes,
        &printed(
            &custody_of(1)
                .open_signer(&made.sealed, &orders())
                .unwrap_err(),
        ),
    );
    let account = custody.import_nkey(NkeyKind::Account, &secret(), &orders());
    silent(&shapes, &printed(&account.unwrap_err()));
    silent(
        &shapes,
        &printed(&CurveKey::from_seed(&secret()).err().unwrap()),
    );
    // A seed given where a public nkey belongs is not repeated.
    silent(&shapes, &printed(&seal_to(&text, b"").unwrap_err()));
    let user = UserSeed::generate().unwrap();
    silent(&shapes, &printed(&user.seal_creds(&text, "X").unwrap_err()));
}

#[test]
fn neither_a_sealed_root_nor_its_errors_show_root_key_or_passphrase() {
    let root = root_of_byte(0x5a);
    let passphrase = || Passphrase::new("correct horse battery staple".to_owned()).unwrap();
    let mut shapes = shapes(&[0x5a; 32]);
    shapes.push("correct horse".to_owned());
    let sealed = SealedFile::of_root_key(&root, &passphrase(), KdfCost::LEAST).unwrap();
    let wrong = Passphrase::new("correct horse, wrong".to_owned()).unwrap();
    silent(&shapes, &format!("{sealed:?}"));
    silent(&shapes, &serde_json::to_string(&sealed).unwrap());
    silent(
        &shapes,
        &printed(&sealed.open_root_key(&wrong).err().unwrap()),
    );
    silent(&shapes, &format!("{:?}", crate::custody_of(0x5a)));
}

#[test]
fn a_users_seed_prints_as_its_public_nkey() {
    let user = UserSeed::generate().unwrap();
    assert_eq!(
        format!("{user:?}"),
        format!("UserSeed({})", user.public_nkey())
    );
}
