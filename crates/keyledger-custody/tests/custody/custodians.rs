//! The software custodian, and the vault that it works under.

use std::{path::Path, sync::Arc};

use keyledger_custody::{
    ByLocalFile, ByPassphrase, CurveKey, Custodian, CustodianError, Custody, KdfCost, KeyKind,
    MAX_OPEN_KEYS, NkeyKind, Passphrase, RootKey, SealedFile, SealedFileError, SecretHalf,
    SoftwareCustodian, Unseal, UnsealError, Vault,
    openpgp::{EscrowedKey, escrow_context},
};
use keyledger_domain::{Algorithm, Name};
use keyledger_testkit::custodian::{keeps_its_promises, own, says_sealed};

use crate::{custody, custody_of, openpgp_world::day, root_of_byte};

fn software(custody: Custody) -> (Arc<Vault>, SoftwareCustodian) {
    let vault = Arc::new(Vault::opened(custody));
    (Arc::clone(&vault), SoftwareCustodian::new(vault))
}

#[tokio::test]
async fn the_software_custodian_keeps_its_promises() {
    let (_, custodian) = software(custody());
    keeps_its_promises(&custodian).await;
}

#[tokio::test]
async fn a_sealed_vault_does_nothing_and_forgets_what_was_open() {
    let (vault, custodian) = software(custody_of(7));
    let kind = KeyKind::Nkey(NkeyKind::User);
    let made = custodian.generate(kind, &own(kind)).await.unwrap();
    let open = custodian.open("it", &made.secret, &own(kind)).await;
    assert_eq!(open.unwrap(), made.public);
    assert_eq!((vault.is_open(), vault.open_keys()), (true, 1));

    vault.seal();
    assert!(!vault.is_open() && vault.root().is_none() && vault.custody().is_err());
    assert_eq!(vault.open_keys(), 0);
    says_sealed(&custodian, "it", kind, &made).await;

    // Opened again, it holds no key until one is opened.
    vault.open(custody_of(7));
    assert_eq!(vault.root(), Some(root_of_byte(7).id()));
    let error = custodian.sign("it", b"").await.unwrap_err();
    assert!(matches!(error, CustodianError::NotOpen { .. }), "{error}");
    let open = custodian.open("it", &made.secret, &own(kind)).await;
    assert_eq!(open.unwrap(), made.public);
    custodian.sign("it", b"").await.unwrap();
}

#[tokio::test]
async fn no_more_keys_are_open_than_the_bound_says() {
    let (vault, custodian) = software(custody());
    let kind = KeyKind::Plain(Algorithm::Ed25519);
    let made = custodian.generate(kind, &own(kind)).await.unwrap();
    for n in 0..=MAX_OPEN_KEYS {
        let place = format!("key.{n}");
        let open = custodian.open(&place, &made.secret, &own(kind)).await;
        open.unwrap();
    }
    assert_eq!(vault.open_keys(), MAX_OPEN_KEYS);
    let error = custodian.sign("key.0", b"").await.unwrap_err();
    assert!(matches!(error, CustodianError::NotOpen { .. }), "{error}");
}

#[tokio::test]
async fn a_decryption_key_is_delivered_to_its_receiver_and_for_its_principal_only() {
    let custody = custody_of(3);
    let alice = Name::new("alice").unwrap();
    let key = EscrowedKey::generate(day(0)).unwrap();
    let sealed = custody.seal_openpgp_key(&alice, &key).unwrap();
    let (_, custodian) = software(custody);
    let secret = SecretHalf::Sealed(sealed);
    let receiver = CurveKey::generate().unwrap();
    let context = escrow_context(&alice);
    let delivered = custodian.deliver(&secret, &context, receiver.public_nkey());
    let delivered = delivered.await.unwrap();
    assert_eq!(delivered.fingerprint, key.fingerprint());
    let opened = receiver.open(&delivered.delivery).unwrap();
    let opened = EscrowedKey::from_delivered(&opened).unwrap();
    assert_eq!(opened.fingerprint(), key.fingerprint());

    let bob = escrow_context(&Name::new("bob").unwrap());
    let error = custodian.deliver(&secret, &bob, receiver.public_nkey());
    let error = error.await.unwrap_err();
    assert!(matches!(error, CustodianError::Open(_)), "{error}");
    let error = custodian.deliver(&secret, &context, "UABC").await;
    let error = error.unwrap_err();
    assert!(matches!(error, CustodianError::Deliver(_)), "{error}");
}

#[test]
fn a_passphrase_and_a_local_file_give_the_root_key() {
    let directory = tempfile::tempdir().unwrap();
    let (sealed, local) = (
        directory.path().join("root.sealed"),
        directory.path().join("root.key"),
    );
    let passphrase = Passphrase::new("not a secret: for tests only".to_owned()).unwrap();
    let root = root_of_byte(5);
    let file = SealedFile::of_root_key(&root, &passphrase, KdfCost::LEAST).unwrap();
    file.write(&sealed).unwrap();
    let made = RootKey::generate_file(&local).unwrap();

    let by_passphrase = ByPassphrase {
        path: &sealed,
        passphrase: &passphrase,
    };
    let by_file = ByLocalFile { path: &local };
    let methods: [(&dyn Unseal, _, _); 2] = [
        (&by_passphrase, "passphrase", root.id()),
        (&by_file, "local_file", made.id()),
    ];
    for (method, name, id) in methods {
        assert_eq!(method.name(), name);
        assert_eq!(method.root_key().ok().unwrap().id(), id);
    }

    let wrong = Passphrase::new("another one for tests".to_owned()).unwrap();
    let error = ByPassphrase {
        path: &sealed,
        passphrase: &wrong,
    };
    let error = error.root_key().err().unwrap();
    let UnsealError::Sealed(source) = &error else {
        panic!("{error}");
    };
    assert!(matches!(source, SealedFileError::WrongPassphrase));
    let missing = ByLocalFile {
        path: Path::new("/there/is/none"),
    };
    let error = missing.root_key().err().unwrap();
    assert!(matches!(error, UnsealError::Local(_)), "{error}");
}
