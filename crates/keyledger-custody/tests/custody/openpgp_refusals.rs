//! What is refused: certificates that were changed, cards that did not agree, clocks that run behind.

use keyledger_custody::openpgp::{
    Bind, BindError, Certificate, CertificateError, CertifyError, CertifyKey, NotASubkey,
    PublicSubkey, Renewal, RevocationReason, SubkeyAlgorithm, SubkeyRole,
};

use crate::{
    openpgp_gpg::Gpg,
    openpgp_world::{SoftKey, alice, day, first, person, user_id},
};

#[test]
fn no_byte_of_a_certificate_can_be_changed() {
    let certificate = person().certificate;
    let bytes = certificate.to_bytes();
    assert_eq!(Certificate::parse(&bytes).unwrap(), certificate);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(Certificate::parse(&changed).is_err(), "byte {at}");
    }
    for end in 0..bytes.len() {
        // Whole packets at the end can be withheld, and nobody can tell.
        if let Ok(shorter) = Certificate::parse(&bytes[..end]) {
            assert!(shorter.subkeys().len() < certificate.subkeys().len());
        }
    }
}

#[test]
fn nothing_is_read_that_is_left_out_after() {
    let certificate = person().certificate;
    let mut bytes = certificate.to_bytes();
    bytes.extend([0xd5, 0x02, 0, 0]); // a padding packet
    assert!(matches!(
        Certificate::parse(&bytes),
        Err(CertificateError::OtherKind { .. })
    ));
    let twice = [certificate.to_bytes(), alice().certificate.to_bytes()].concat();
    assert_eq!(Certificate::parse(&twice), Err(CertificateError::Several));
    assert_eq!(Certificate::parse_keyring(&twice).unwrap().len(), 2);
    for bad in [&b""[..], b"hello", b"\xc6", &[0x80; 40]] {
        assert_eq!(Certificate::parse(bad), Err(CertificateError::Unreadable));
    }
    assert!(matches!(
        Certificate::parse(&vec![0xc6; Certificate::MAX_BYTES + 1]),
        Err(CertificateError::TooLarge { .. })
    ));
}

#[test]
fn a_subkey_cannot_be_moved_to_another_certificate() {
    let person = person();
    let stranger = alice();
    // Mallory takes Alice's signing subkey as it stands into a certificate of their own.
    let alices = person.certificate.to_bytes();
    let own = stranger.certificate.to_bytes();
    let primary_and_id = person.made.certificate.to_bytes().len();
    let moved = [&own[..], &alices[primary_and_id..]].concat();
    assert_eq!(
        Certificate::parse(&moved),
        Err(CertificateError::OtherKind {
            what: "a signature of another key"
        })
    );
}

#[test]
fn a_signing_subkey_has_to_agree() {
    let made = alice();
    let card = SoftKey::ed25519(7);
    let public = card.public(SubkeyRole::Sign, day(1));
    let subkey = public.fingerprint();
    let prepare = || Bind::prepare(&made.certificate, public.clone(), day(1)).unwrap();
    assert_eq!(prepare().finish(None), Err(BindError::Unsigned { subkey }));
    let digest = prepare().to_sign().unwrap().digest.to_vec();
    assert_eq!(digest.len(), 32);
    let wrong = SoftKey::ed25519(8).sign(&digest);
    assert_eq!(
        prepare().finish(Some(&wrong)),
        Err(BindError::Signature { subkey })
    );
    for bad in [&[][..], &[0; 63], &[0; 64], &[0; 65]] {
        assert_eq!(
            prepare().finish(Some(bad)),
            Err(BindError::Signature { subkey })
        );
    }
    // An agreement with another certificate is none with this one.
    let other = alice();
    let agreed = card.proven(&other.certificate, SubkeyRole::Sign, day(1));
    assert_eq!(
        made.key
            .bind(&made.certificate, &[(agreed, day(9))], day(1)),
        Err(CertifyError::Bind(BindError::Signature { subkey }))
    );
    // Nor can it be left out of a file.
    let agreed = card.proven(&made.certificate, SubkeyRole::Sign, day(1));
    let mut json = serde_json::to_value(&agreed).unwrap();
    json.as_object_mut().unwrap().remove("proof");
    let silent = serde_json::from_value(json).unwrap();
    assert_eq!(
        made.key
            .bind(&made.certificate, &[(silent, day(9))], day(1)),
        Err(CertifyError::Bind(BindError::Unsigned { subkey }))
    );
}

#[test]
fn a_subkey_is_not_bound_before_it_was_made() {
    let made = alice();
    let public = SoftKey::ed25519(7).public(SubkeyRole::Sign, day(2));
    let early = Bind::prepare(&made.certificate, public, day(1)).unwrap_err();
    assert!(matches!(early, BindError::Clock { .. }), "{early:?}");
    let proven = SoftKey::ed25519(7).proven(&made.certificate, SubkeyRole::Authenticate, day(2));
    let early = made
        .key
        .bind(&made.certificate, &[(proven, day(9))], day(1));
    assert!(matches!(early, Err(CertifyError::Clock { .. })));
}

#[test]
fn a_certify_key_changes_only_its_own_certificate_and_nothing_revoked() {
    let person = person();
    let key = &person.made.key;
    let stranger = alice();
    let renewed = stranger
        .key
        .renew(&person.certificate, &[Renewal::Primary], day(5000), day(3));
    assert!(matches!(
        renewed,
        Err(CertifyError::OtherCertificate { .. })
    ));

    let subkey = first(&person.certificate, SubkeyRole::Sign);
    let reason = RevocationReason::Retired;
    let revoke = |c: &Certificate| key.revoke_subkey(c, subkey, reason, None, day(3));
    let without = revoke(&person.certificate).unwrap();
    let gone = CertifyError::SubkeyRevoked { subkey };
    assert_eq!(revoke(&without), Err(gone.clone()));
    let renewed = key.renew(&without, &[Renewal::Subkey(subkey)], day(900), day(4));
    assert_eq!(renewed, Err(gone));

    let ended = key
        .revoke(&person.certificate, reason, None, day(3))
        .unwrap();
    let id = user_id("Alice");
    let added = key.add_user_id(&ended, &id, day(4));
    assert!(matches!(added, Err(CertifyError::Revoked { .. })));
}

#[test]
fn readers_take_the_newest_signature_so_there_are_no_two_in_a_second() {
    let person = person();
    let key = &person.made.key;
    let sign = Renewal::Subkey(first(&person.certificate, SubkeyRole::Sign));
    for now in [day(0), day(1), day(1).plus_ms(999)] {
        let renewed = key.renew(&person.certificate, &[sign], day(900), now);
        assert!(matches!(renewed, Err(CertifyError::Clock { .. })), "{now}");
    }
    let renewed = key.renew(&person.certificate, &[sign], day(900), day(1).plus_ms(1000));
    assert!(renewed.is_ok());
    let before = key.revoke(
        &person.certificate,
        RevocationReason::Retired,
        None,
        day(-1),
    );
    assert!(matches!(before, Err(CertifyError::Clock { .. })));
}

#[test]
fn what_makes_no_sense_is_told() {
    let person = person();
    let key = &person.made.key;
    let ended = key.renew(&person.certificate, &[Renewal::Primary], day(5), day(6));
    assert!(matches!(ended, Err(CertifyError::ExpiresBefore { .. })));
    let nothing = key.renew(&person.certificate, &[], day(9), day(6));
    assert_eq!(nothing, Err(CertifyError::Nothing));
    let again = SoftKey::ed25519(1).proven(&person.certificate, SubkeyRole::Sign, day(1));
    let twice = key.bind(&person.certificate, &[(again, day(9))], day(2));
    assert!(matches!(twice, Err(CertifyError::SubkeyTwice { .. })));
    let late = day(100_000);
    let forever = CertifyKey::generate(&[user_id("Alice")], day(0), late);
    assert!(matches!(forever, Err(CertifyError::Time(_))));
    let nobody = CertifyKey::generate(&[], day(0), day(9));
    assert!(matches!(nobody, Err(CertifyError::NoUserId)));
    let ids = [user_id("Alice"), user_id("Alice")];
    let twice = CertifyKey::generate(&ids, day(0), day(9));
    assert!(matches!(twice, Err(CertifyError::UserIdTwice { .. })));
}

#[test]
fn points_are_points() {
    use SubkeyAlgorithm::{Cv25519, Ed25519, Nistp256};
    use SubkeyRole::{Authenticate, Encrypt, Sign};
    let new = |role, algorithm, point: &[u8]| PublicSubkey::new(role, algorithm, day(0), point);
    for (role, algorithm) in [(Encrypt, Ed25519), (Sign, Cv25519), (Authenticate, Cv25519)] {
        let unfit = new(role, algorithm, &[9; 32]).unwrap_err();
        assert!(matches!(unfit, NotASubkey::Unfit { .. }));
    }
    let zero = [&[4][..], &[0; 64]].concat();
    for (role, algorithm, point) in [
        (Sign, Ed25519, &[2; 32][..]), // not on the curve
        (Sign, Ed25519, &[1; 31]),
        (Encrypt, Cv25519, &[1; 33]),
        (Encrypt, Nistp256, &zero),
        (Sign, Nistp256, &zero),
        (Sign, Nistp256, &[]),
    ] {
        let error = new(role, algorithm, point).unwrap_err();
        assert!(matches!(error, NotASubkey::Point { .. }), "{point:?}");
    }
}

#[test]
fn nothing_makes_the_reader_panic() {
    let certificate = person().certificate;
    let (binary, armored) = (certificate.to_bytes(), certificate.to_armored());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64; // xorshift64, so that a failure comes again
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    for round in 0..3_000 {
        let mut bytes = if round % 4 == 0 {
            armored.clone().into_bytes()
        } else {
            binary.clone()
        };
        for _ in 0..=next(4) {
            let at = next(bytes.len());
            match next(3) {
                0 => bytes[at] = u8::try_from(next(256)).unwrap(),
                1 => drop(bytes.drain(at..(at + next(40)).min(bytes.len()))),
                _ => {
                    let copy = bytes[at..(at + next(200)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, copy);
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        drop(Certificate::parse_keyring(&bytes));
    }
}

#[test]
fn what_gpg_makes_is_read_where_it_is_of_our_kind() {
    let gpg = Gpg::new();
    let now = day(1).seconds();
    let quick = |arguments: &[&str]| {
        let silent = ["--pinentry-mode=loopback", "--passphrase="];
        gpg.run(now, &[&silent[..], arguments].concat())
    };
    let carol = "Carol <carol@example.org>";
    quick(&["--quick-generate-key", carol, "ed25519", "cert", "1y"]);
    let fingerprint = gpg.rows(now)[0].fingerprint.clone();
    for (algorithm, role) in [("cv25519", "encr"), ("ed25519", "auth")] {
        quick(&["--quick-add-key", &fingerprint, algorithm, role, "90d"]);
    }
    let export = || gpg.try_run(now, &["--export", &fingerprint]).stdout;
    let certificate = Certificate::parse(&export()).unwrap();
    assert_eq!(certificate.fingerprint().to_string(), fingerprint);
    let roles: Vec<_> = certificate.subkeys().iter().map(|s| s.role).collect();
    assert_eq!(roles, [SubkeyRole::Encrypt, SubkeyRole::Authenticate]);
    for subkey in certificate.subkeys() {
        assert_eq!(subkey.expires, Some(day(91)));
    }
    // A signing subkey's agreement GnuPG 2.2 keeps where nobody signs it: that is not ours,
    let unsigned = certificate.to_bytes();
    quick(&["--quick-add-key", &fingerprint, "ed25519", "sign", "90d"]);
    assert_ne!(export(), unsigned);
    let what = "an unsigned remark";
    let error = Certificate::parse(&export()).unwrap_err();
    assert_eq!(error, CertificateError::OtherKind { what });
    // nor is a primary key that signs too, nor what somebody else says of it.
    let dave = "Dave <dave@example.org>";
    quick(&["--quick-generate-key", dave, "ed25519", "sign", "1y"]);
    let other = gpg.try_run(now, &["--export", dave]).stdout;
    assert_eq!(
        Certificate::parse(&other),
        Err(CertificateError::OtherKind {
            what: "a primary key that does more than certify"
        })
    );
    quick(&[
        "--yes",
        "--local-user",
        dave,
        "--quick-sign-key",
        &fingerprint,
    ]);
    assert_eq!(
        Certificate::parse(&export()),
        Err(CertificateError::OtherKind {
            what: "a signature of another kind"
        })
    );
}
