//! Sealed material opens for its own key, version, purposes and root key, and for nothing else.

use keyledger_custody::{Custody, MaterialContext, NkeyKind, OpenError, SignError, root_of};
use keyledger_domain::{Algorithm, Purpose};

use crate::{context, custody, orders};

fn opens(custody: &Custody, sealed: &[u8], context: &MaterialContext) -> Result<(), SignError> {
    custody
        .sign(sealed, context, Algorithm::Ed25519, b"message")
        .map(|_| ())
}

#[test]
fn material_of_another_name_version_or_purpose_is_refused() {
    let custody = custody();
    let sealed = custody
        .generate(Algorithm::Ed25519, &orders())
        .unwrap()
        .sealed;
    assert_eq!(opens(&custody, &sealed, &orders()), Ok(()));
    for other in [
        context("orders-dc", 1, &[Purpose::Sign]),
        context("orders-d", 1, &[Purpose::Sign]),
        context("orders-dbb", 1, &[Purpose::Sign]),
        context("orders-db", 2, &[Purpose::Sign]),
        context("orders-db", 0, &[Purpose::Sign]),
        context("orders-db", 1 << 24, &[Purpose::Sign]),
        context("orders-db", 1, &[Purpose::Certify]),
        context("orders-db", 1, &[Purpose::Sign, Purpose::Authenticate]),
        context("orders-db", 1, &[]),
    ] {
        assert_eq!(
            opens(&custody, &sealed, &other),
            Err(SignError::Open(OpenError::Refused)),
            "{other:?}"
        );
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let custody = custody();
    for sealed in [
        custody
            .generate(Algorithm::Ed25519, &orders())
            .unwrap()
            .sealed,
        custody
            .generate_nkey(NkeyKind::Account, &orders())
            .unwrap()
            .sealed,
    ] {
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(opens(&custody, &changed, &orders()).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn every_other_length_is_refused() {
    let custody = custody();
    let sealed = custody
        .generate(Algorithm::Ed25519, &orders())
        .unwrap()
        .sealed;
    for length in 0..sealed.len() {
        assert!(
            opens(&custody, &sealed[..length], &orders()).is_err(),
            "{length} bytes"
        );
        assert!(custody.rewrap(&sealed[..length.min(70)], &custody).is_err());
    }
    let longer = [sealed.as_slice(), &[0]].concat();
    assert!(opens(&custody, &longer, &orders()).is_err());
}

#[test]
fn a_body_under_another_s_data_key_is_refused() {
    let custody = custody();
    let one = custody
        .generate(Algorithm::Ed25519, &orders())
        .unwrap()
        .sealed;
    let two = custody
        .generate(Algorithm::Ed25519, &orders())
        .unwrap()
        .sealed;
    let spliced = [&one[..75], &two[75..]].concat();
    assert_eq!(
        opens(&custody, &spliced, &orders()),
        Err(SignError::Open(OpenError::Refused))
    );
}

#[test]
fn a_wrong_root_key_is_named() {
    let (right, wrong) = (custody(), custody());
    let sealed = right
        .generate(Algorithm::Ed25519, &orders())
        .unwrap()
        .sealed;
    let error = OpenError::WrongRoot {
        expected: wrong.root(),
        found: right.root(),
    };
    assert_eq!(
        opens(&wrong, &sealed, &orders()),
        Err(SignError::Open(error))
    );
    assert_eq!(wrong.rewrap(&sealed, &right), Err(error));
    assert_eq!(root_of(&sealed), Ok(right.root()));
}

#[test]
fn a_root_id_that_was_changed_to_fit_does_not_help() {
    let (right, wrong) = (custody(), custody());
    let mut sealed = right
        .generate(Algorithm::Ed25519, &orders())
        .unwrap()
        .sealed;
    let theirs = wrong
        .generate(Algorithm::Ed25519, &orders())
        .unwrap()
        .sealed;
    sealed[7..15].copy_from_slice(&theirs[7..15]);
    assert_eq!(
        opens(&wrong, &sealed, &orders()),
        Err(SignError::Open(OpenError::Refused))
    );
}

#[test]
fn what_is_no_material_and_what_is_newer_are_told_apart() {
    let custody = custody();
    let mut sealed = custody
        .generate(Algorithm::Ed25519, &orders())
        .unwrap()
        .sealed;
    assert_eq!(
        root_of(b"{\"json\":true, \"and\": \"long enough\"}"),
        Err(OpenError::NotMaterial)
    );
    assert_eq!(root_of(b""), Err(OpenError::NotMaterial));
    sealed[4] = 2;
    assert_eq!(root_of(&sealed), Err(OpenError::NewerFormat { found: 2 }));
}

#[test]
fn rewrapped_material_opens_under_the_new_root_key_only() {
    let (old, new) = (custody(), custody());
    for algorithm in [Algorithm::Ed25519, Algorithm::Aes256] {
        let sealed = old.generate(algorithm, &orders()).unwrap().sealed;
        let again = old.rewrap(&sealed, &new).unwrap();
        assert_eq!(root_of(&again), Ok(new.root()));
        assert_eq!(again.len(), sealed.len());
        assert_eq!(
            again[75..],
            sealed[75..],
            "the material itself is left alone"
        );
        assert_ne!(
            again[15..75],
            sealed[15..75],
            "its data key is wrapped anew"
        );
        assert!(matches!(
            old.rewrap(&again, &new),
            Err(OpenError::WrongRoot { .. })
        ));
        if algorithm == Algorithm::Ed25519 {
            assert_eq!(opens(&new, &again, &orders()), Ok(()));
            assert!(opens(&old, &again, &orders()).is_err());
        }
    }
}

#[test]
fn material_that_was_renumbered_opens_as_that_version_only() {
    let custody = custody();
    let generated = custody.generate(Algorithm::Ed25519, &orders()).unwrap();
    let (first, second) = (orders(), context("orders-db", 2, &[Purpose::Sign]));
    let again = custody.renumber(&generated.sealed, &first, 2).unwrap();
    assert_eq!(opens(&custody, &again, &second), Ok(()));
    assert!(opens(&custody, &again, &first).is_err());
    // What it is said to be must be what it is.
    for wrong in [second, context("orders-dc", 1, &[Purpose::Sign])] {
        let refused = custody.renumber(&generated.sealed, &wrong, 3);
        assert_eq!(refused, Err(OpenError::Refused), "{wrong:?}");
    }
}

#[test]
fn sealing_twice_gives_other_bytes() {
    let custody = custody();
    let one = custody
        .generate_nkey(NkeyKind::User, &orders())
        .unwrap()
        .sealed;
    let two = custody
        .generate_nkey(NkeyKind::User, &orders())
        .unwrap()
        .sealed;
    assert_eq!(one[..15], two[..15]);
    assert_ne!(one[15..], two[15..]);
}

#[test]
fn a_mac_key_depends_on_root_key_and_label_alone() {
    let (here, there) = (crate::custody_of(1), crate::custody_of(1));
    let tag = here.mac_key("snapshot").tag(b"bytes");
    there.mac_key("snapshot").verify(b"bytes", &tag).unwrap();
    assert!(here.mac_key("snapshot").verify(b"bites", &tag).is_err());
    assert!(here.mac_key("snapshots").verify(b"bytes", &tag).is_err());
    assert!(
        crate::custody_of(2)
            .mac_key("snapshot")
            .verify(b"bytes", &tag)
            .is_err()
    );
    assert!(here.mac_key("snapshot").verify(b"bytes", &[]).is_err());
}
