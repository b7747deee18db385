//! Certificates as GnuPG sees them.

use keyledger_custody::openpgp::{Renewal, RevocationReason, Standing, SubkeyRole, ssh};
use keyledger_domain::text::Reason;

use crate::{
    openpgp_gpg::{Gpg, Row},
    openpgp_world::{ENDS, SoftKey, alice, day, first, person, user_id},
};

fn row<'a>(rows: &'a [Row], uses: &str) -> &'a Row {
    let found = rows
        .iter()
        .find(|r| r.kind != "uid" && r.uses.starts_with(uses));
    found.unwrap_or_else(|| panic!("no key for {uses} in {rows:#?}"))
}

#[test]
fn a_new_certificate_certifies_and_does_nothing_else() {
    let made = alice();
    let gpg = Gpg::new();
    gpg.import(day(1).seconds(), made.certificate.to_armored().as_bytes());
    let rows = gpg.rows(day(1).seconds());
    assert_eq!(rows.len(), 2, "{rows:#?}");
    assert_eq!(rows[0].uses, "cC");
    assert_eq!(rows[0].fingerprint, made.key.fingerprint().to_string());
    assert_eq!(rows[0].created, day(0).seconds().to_string());
    assert_eq!(rows[0].expires, day(3650).seconds().to_string());
    assert_eq!(rows[1].text, "Alice Archer <alice@example.org>");
}

#[test]
fn subkeys_of_a_card_show_with_their_ends() {
    let person = person();
    let gpg = Gpg::new();
    gpg.import(day(2).seconds(), &person.certificate.to_bytes());
    let rows = gpg.rows(day(2).seconds());
    for (role, days) in ENDS {
        let row = row(&rows, &role.letter().to_lowercase().to_string());
        assert_eq!(row.kind, "sub");
        assert_eq!(row.expires, day(days).seconds().to_string(), "{role:?}");
        assert_eq!(row.created, day(1).seconds().to_string());
        let fingerprint = first(&person.certificate, role).to_string();
        assert_eq!(row.fingerprint, fingerprint);
    }
    // Each ends on its own day, here and there.
    let rows = gpg.rows(day(200).seconds());
    assert_eq!(row(&rows, "a").validity, "e");
    assert_ne!(row(&rows, "s").validity, "e");
    let authenticate = first(&person.certificate, SubkeyRole::Authenticate);
    let view = person.certificate.subkey(authenticate).unwrap();
    assert_eq!(view.standing(day(200)), Standing::Expired);
    assert_eq!(view.standing(day(179)), Standing::Valid);
}

#[test]
fn an_end_is_moved() {
    let person = person();
    let subkeys: Vec<_> = SubkeyRole::ALL
        .iter()
        .map(|role| Renewal::Subkey(first(&person.certificate, *role)))
        .collect();
    let key = &person.made.key;
    let renewed = key
        .renew(&person.certificate, &subkeys, day(1000), day(170))
        .unwrap();
    let renewed = key
        .renew(&renewed, &[Renewal::Primary], day(5000), day(171))
        .unwrap();
    let gpg = Gpg::new();
    gpg.import(day(2).seconds(), &person.certificate.to_bytes());
    gpg.import(day(172).seconds(), &renewed.to_bytes());
    let rows = gpg.rows(day(900).seconds());
    for row in rows.iter().filter(|row| row.kind == "sub") {
        assert_eq!(row.expires, day(1000).seconds().to_string());
        assert_ne!(row.validity, "e");
    }
    assert_eq!(rows[0].expires, day(5000).seconds().to_string());
    assert_eq!(renewed.expires(), Some(day(5000)));
}

#[test]
fn a_subkey_is_revoked_for_a_reason() {
    let person = person();
    let lost = first(&person.certificate, SubkeyRole::Authenticate);
    let text = Reason::new("card lost in Ghent").unwrap();
    let reason = RevocationReason::Compromised;
    let revoked = person
        .made
        .key
        .revoke_subkey(&person.certificate, lost, reason, Some(&text), day(30))
        .unwrap();
    let view = revoked.subkey(lost).unwrap().revoked.clone().unwrap();
    assert_eq!((view.at, view.reason), (day(30), reason));
    assert_eq!(view.text.unwrap().as_str(), "card lost in Ghent");

    let gpg = Gpg::new();
    gpg.import(day(2).seconds(), &person.certificate.to_bytes());
    gpg.import(day(31).seconds(), &revoked.to_bytes());
    let rows = gpg.rows(day(31).seconds());
    assert_eq!(row(&rows, "a").validity, "r");
    assert_ne!(row(&rows, "s").validity, "r");
    assert!(ssh::of_certificate(&revoked, day(31)).is_empty());
}

#[test]
fn the_whole_is_revoked_with_the_key_or_with_what_was_made_at_birth() {
    let person = person();
    let reason = RevocationReason::Retired;
    let revoked = person
        .made
        .key
        .revoke(&person.certificate, reason, None, day(40))
        .unwrap();
    assert_eq!(revoked.standing(day(41)), Standing::Revoked);
    let at_birth = person.made.revocation.expose();
    let lost = person.certificate.revoked_with(at_birth).unwrap();
    assert_eq!(lost.standing(day(2)), Standing::Revoked);
    assert!(alice().certificate.revoked_with(at_birth).is_err());
    for end in [&revoked.to_bytes()[..], &lost.to_bytes(), at_birth] {
        let gpg = Gpg::new();
        gpg.import(day(2).seconds(), &person.certificate.to_bytes());
        assert_ne!(gpg.rows(day(41).seconds())[0].validity, "r");
        gpg.import(day(41).seconds(), end);
        let rows = gpg.rows(day(41).seconds());
        assert!(rows.iter().all(|row| row.validity == "r"), "{rows:#?}");
    }
}

#[test]
fn a_second_user_id_lives_as_long() {
    let person = person();
    let id = user_id("Alice Archer <archer@example.com>");
    let certificate = person
        .made
        .key
        .add_user_id(&person.certificate, &id, day(20))
        .unwrap();
    let gpg = Gpg::new();
    gpg.import(day(21).seconds(), &certificate.to_bytes());
    let rows = gpg.rows(day(21).seconds());
    assert_eq!(rows[0].expires, day(3650).seconds().to_string());
    let ids: Vec<_> = rows.iter().filter(|r| r.kind == "uid").collect();
    assert_eq!(ids[0].text, "Alice Archer <alice@example.org>");
    assert_eq!(ids[1].text, id.as_str());
}

#[test]
fn the_ssh_key_is_what_gpg_exports() {
    let person = person();
    let gpg = Gpg::new();
    gpg.import(day(2).seconds(), &person.certificate.to_bytes());
    let authenticate = first(&person.certificate, SubkeyRole::Authenticate);
    let theirs = gpg.run(
        day(2).seconds(),
        &["--export-ssh-key", &format!("{authenticate}!")],
    );
    let ours = ssh::of_certificate(&person.certificate, day(2));
    assert_eq!(ours, [theirs.trim_end()]);
}

#[test]
fn a_card_of_p_256_is_as_good() {
    let made = alice();
    let (sign, encrypt, authenticate) = (SoftKey::p256(1), SoftKey::p256(2), SoftKey::p256(3));
    let subkeys = [
        (SubkeyRole::Sign, sign),
        (SubkeyRole::Encrypt, encrypt),
        (SubkeyRole::Authenticate, authenticate),
    ]
    .map(|(role, key)| (key.proven(&made.certificate, role, day(1)), day(100)));
    let certificate = made.key.bind(&made.certificate, &subkeys, day(1)).unwrap();
    let gpg = Gpg::new();
    gpg.import(day(2).seconds(), &certificate.to_bytes());
    let rows = gpg.rows(day(2).seconds());
    for role in SubkeyRole::ALL {
        let row = row(&rows, &role.letter().to_lowercase().to_string());
        assert_eq!(row.expires, day(100).seconds().to_string());
        assert_eq!(row.fingerprint, first(&certificate, role).to_string());
    }
    let authenticate = first(&certificate, SubkeyRole::Authenticate);
    let theirs = gpg.run(
        day(2).seconds(),
        &["--export-ssh-key", &format!("{authenticate}!")],
    );
    assert!(theirs.starts_with("ecdsa-sha2-nistp256 "), "{theirs}");
    assert_eq!(
        ssh::of_certificate(&certificate, day(2)),
        [theirs.trim_end()]
    );
}

#[test]
fn a_second_card_has_its_own_keys_beside_the_first() {
    let person = person();
    let (sign, authenticate) = (SoftKey::p256(11), SoftKey::ed25519(13));
    let subkeys = [
        (SubkeyRole::Sign, sign),
        (SubkeyRole::Authenticate, authenticate),
    ]
    .map(|(role, key)| (key.proven(&person.certificate, role, day(50)), day(400)));
    let both = person
        .made
        .key
        .bind(&person.certificate, &subkeys, day(50))
        .unwrap();
    let gpg = Gpg::new();
    gpg.import(day(2).seconds(), &person.certificate.to_bytes());
    gpg.import(day(51).seconds(), &both.to_bytes());
    let rows = gpg.rows(day(51).seconds());
    assert_eq!(rows.iter().filter(|row| row.kind == "sub").count(), 5);
    assert_eq!(ssh::of_certificate(&both, day(51)).len(), 2);
    // The newest comes first: it is what gpg takes by itself.
    let theirs = gpg.run(
        day(51).seconds(),
        &[
            "--export-ssh-key",
            &person.made.key.fingerprint().to_string(),
        ],
    );
    assert_eq!(ssh::of_certificate(&both, day(51))[0], theirs.trim_end());
}

#[test]
fn what_the_card_signs_gpg_believes() {
    use pgp::{
        packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData},
        ser::Serialize as _,
    };
    let person = person();
    let subkey = person
        .certificate
        .subkey(first(&person.certificate, SubkeyRole::Sign))
        .unwrap();
    let fingerprint = pgp::types::Fingerprint::V4(*subkey.fingerprint.as_bytes());
    let mut config = SignatureConfig::v4(
        SignatureType::Binary,
        pgp::crypto::public_key::PublicKeyAlgorithm::EdDSALegacy,
        pgp::crypto::hash::HashAlgorithm::Sha256,
    );
    let at = u32::try_from(day(10).seconds()).unwrap();
    config.hashed_subpackets = [
        SubpacketData::SignatureCreationTime(pgp::types::Timestamp::from_secs(at)),
        SubpacketData::IssuerFingerprint(fingerprint),
    ]
    .map(|data| Subpacket::regular(data).unwrap())
    .into();
    let mut hasher = config.hash_alg.new_hasher().unwrap();
    hasher.update(b"an order");
    let length = config.hash_signature_data(&mut hasher).unwrap();
    hasher.update(&config.trailer(length).unwrap());
    let digest = hasher.finalize();
    let signature = person.sign.sign(&digest);
    let halves = [&signature[..32], &signature[32..]].map(pgp::types::Mpi::from_slice);
    let signature = pgp::packet::Signature::from_config(
        config,
        [digest[0], digest[1]],
        pgp::types::SignatureBytes::Mpis(halves.into()),
    )
    .unwrap();
    let mut bytes = Vec::new();
    pgp::packet::Packet::from(signature)
        .to_writer(&mut bytes)
        .unwrap();

    let gpg = Gpg::new();
    gpg.import(day(2).seconds(), &person.certificate.to_bytes());
    let (signature, order) = (
        gpg.file("order.sig", &bytes),
        gpg.file("order", b"an order"),
    );
    let paths = [signature.to_str().unwrap(), order.to_str().unwrap()];
    let good = gpg.run(
        day(11).seconds(),
        &["--status-fd=1", "--verify", paths[0], paths[1]],
    );
    assert!(
        good.contains(&format!("VALIDSIG {}", subkey.fingerprint)),
        "{good}"
    );
    gpg.file("order", b"another order");
    let bad = gpg.try_run(day(11).seconds(), &["--verify", paths[0], paths[1]]);
    assert!(!bad.status.success());
}
