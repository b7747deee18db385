//! OpenPGP keys that custody keeps for a principal: opened for it alone, and given sealed.

use keyledger_custody::{CurveKey, OpenError, Secret, openpgp::EscrowedKey};
use keyledger_domain::{Name, Purpose};

use crate::{context, custody, custody_of, openpgp_world::day};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

#[test]
fn a_key_comes_back_for_its_principal_with_the_time_that_makes_its_fingerprint() {
    let custody = custody();
    let made = EscrowedKey::generate(day(3)).unwrap();
    let sealed = custody.seal_openpgp_key(&name("ada"), &made).unwrap();
    let back = custody.open_openpgp_key(&name("ada"), &sealed).unwrap();
    assert_eq!(back.fingerprint(), made.fingerprint());
    assert_eq!(back.created(), made.created());
    assert_eq!(back.scalar().expose(), made.scalar().expose());

    // After the root key was changed too.
    let next = custody_of(9);
    let rewrapped = custody.rewrap(&sealed, &next).unwrap();
    let back = next.open_openpgp_key(&name("ada"), &rewrapped).unwrap();
    assert_eq!(back.fingerprint(), made.fingerprint());
}

#[test]
fn it_opens_for_nobody_else_and_passes_for_nothing_else() {
    let custody = custody();
    let made = EscrowedKey::generate(day(3)).unwrap();
    let sealed = custody.seal_openpgp_key(&name("ada"), &made).unwrap();
    let refused = |name: &Name, sealed: &[u8]| custody.open_openpgp_key(name, sealed).unwrap_err();
    assert_eq!(refused(&name("bob"), &sealed), OpenError::Refused);
    for at in [0, 5, 6, 20, 80, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        let _ = refused(&name("ada"), &changed);
    }
    // A data key of the same name and purpose is another kind.
    let data_key = context("ada", 1, &[Purpose::Encrypt]);
    let other = custody
        .generate(keyledger_domain::Algorithm::X25519, &data_key)
        .unwrap();
    assert!(matches!(
        refused(&name("ada"), &other.sealed),
        OpenError::OtherKind { .. }
    ));
    assert!(custody.open_signer(&sealed, &data_key).is_err());
    // Nor is it a token's secrets, which are given to agents.
    let receiver = CurveKey::generate().unwrap();
    assert!(
        custody
            .release(&sealed, &name("ada"), receiver.public_nkey())
            .is_err()
    );
}

#[test]
fn it_is_given_sealed_to_one_receiver() {
    let made = EscrowedKey::generate(day(3)).unwrap();
    let receiver = CurveKey::generate().unwrap();
    let delivery = made.seal_to(receiver.public_nkey()).unwrap();
    let scalar = made.scalar();
    let shows = |bytes: &[u8]| bytes.windows(8).any(|w| w == &scalar.expose()[..8]);
    assert!(!shows(&delivery.ciphertext));
    let back = EscrowedKey::from_delivered(&receiver.open(&delivery).unwrap()).unwrap();
    assert_eq!(back.fingerprint(), made.fingerprint());
    assert!(CurveKey::generate().unwrap().open(&delivery).is_err());
    assert!(made.seal_to("UNOBODY").is_err());
    for length in [0, 7, 8, 39, 41] {
        assert!(EscrowedKey::from_delivered(&Secret::new(vec![1; length])).is_none());
    }
}
