//! Secret halves: sealed under a passphrase, opened again, and silent.

use std::{fs, path::Path};

use data_encoding::HEXLOWER;
use keyledger_custody::{
    Holds, KdfCost, KdfError, Passphrase, SealedFile, SealedFileError, SecretFileError,
    openpgp::{EscrowedKey, NewCertifyKey, Renewal, SubkeyRole},
};
use pgp::{
    composed::{Esk, Message, PlainSessionKey},
    packet::{Packet, PacketParser},
    types::{DecryptionKey as _, EskType, Password},
};

use crate::{
    mode_of,
    openpgp_gpg::Gpg,
    openpgp_world::{SoftKey, alice, day, first, person},
    put,
};

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse battery staple".to_owned()).unwrap()
}

fn sealed(made: &NewCertifyKey) -> SealedFile {
    SealedFile::of_certify_key(&made.key, &passphrase(), KdfCost::LEAST).unwrap()
}

#[test]
fn a_certify_key_comes_back_from_its_file() {
    let made = alice();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alice.certify");
    sealed(&made).write(&path).unwrap();
    assert_eq!(mode_of(&path), 0o600);
    let read = SealedFile::read(&path).unwrap();
    assert!(matches!(read.holds(), Holds::CertifyKey { .. }));
    assert_eq!(read.holds().fingerprint(), Some(made.key.fingerprint()));
    let key = read.open_certify_key(&passphrase()).unwrap();
    let renewed = key
        .renew(&made.certificate, &[Renewal::Primary], day(4000), day(2))
        .unwrap();
    let gpg = Gpg::new();
    gpg.import(day(3).seconds(), &renewed.to_bytes());
    assert_eq!(
        gpg.rows(day(3).seconds())[0].expires,
        day(4000).seconds().to_string()
    );

    let again = sealed(&made).write(&path).unwrap_err();
    assert!(matches!(
        again,
        SealedFileError::File(SecretFileError::Exists { .. })
    ));
    put(&path, &fs::read(&path).unwrap(), 0o640);
    let exposed = SealedFile::read(&path).unwrap_err();
    assert!(matches!(
        exposed,
        SealedFileError::File(SecretFileError::Exposed { .. })
    ));
}

#[test]
fn a_sealed_file_opens_as_what_it_is_and_only_unchanged() {
    let made = alice();
    let sealed = sealed(&made);
    let revocation = SealedFile::of_revocation(&made, &passphrase(), KdfCost::LEAST).unwrap();
    let other = sealed.open_revocation(&passphrase()).err().unwrap();
    assert!(matches!(other, SealedFileError::OtherContent { .. }));
    let opened = revocation.open_revocation(&passphrase()).unwrap();
    assert_eq!(opened.expose(), made.revocation.expose());

    let wrong = Passphrase::new("correct horse battery stable".to_owned()).unwrap();
    let error = sealed.open_certify_key(&wrong).unwrap_err();
    assert!(matches!(error, SealedFileError::WrongPassphrase));
    let json = String::from_utf8(sealed.to_json()).unwrap();
    let fingerprint = made.key.fingerprint().to_string();
    let zeros = "0".repeat(40);
    let changes = [
        (fingerprint.as_str(), zeros.as_str()),
        ("2026-11-25T00:00:00", "2026-11-25T00:00:01"),
        ("\"passes\": 3", "\"passes\": 4"),
    ];
    for (from, to) in changes {
        let changed = json.replace(from, to);
        assert_ne!(changed, json);
        let changed = SealedFile::from_json(changed.as_bytes()).unwrap();
        let error = changed.open_certify_key(&passphrase()).unwrap_err();
        assert!(matches!(error, SealedFileError::WrongPassphrase), "{from}");
    }
    // One kind cannot pose as another.
    let posing = String::from_utf8(revocation.to_json()).unwrap();
    let posing = posing.replace("\"revocation\"", "\"certify_key\"");
    let posing = SealedFile::from_json(posing.as_bytes()).unwrap();
    let error = posing.open_certify_key(&passphrase()).unwrap_err();
    assert!(matches!(error, SealedFileError::WrongPassphrase));
    let extra = json.replace("\"version\": 1,", "\"version\": 1, \"also\": 1,");
    let error = SealedFile::from_json(extra.as_bytes()).unwrap_err();
    assert!(matches!(error, SealedFileError::NotASealedFile));
    let newer = json.replace("\"version\": 1,", "\"version\": 2,");
    let error = SealedFile::from_json(newer.as_bytes()).unwrap_err();
    assert!(matches!(error, SealedFileError::NewerFormat { found: 2 }));
    let cheap = json.replace("\"memory_kib\": 65536", "\"memory_kib\": 8");
    let cheap = SealedFile::from_json(cheap.as_bytes()).unwrap();
    let error = cheap.open_certify_key(&passphrase()).unwrap_err();
    assert!(matches!(error, SealedFileError::Kdf(KdfError::Cost)));
}

#[test]
fn a_passphrase_is_changed_and_the_key_is_not() {
    let made = alice();
    let new = Passphrase::new("five other random words here".to_owned()).unwrap();
    let sealed = sealed(&made);
    let changed = sealed
        .resealed(&passphrase(), &new, KdfCost::LEAST)
        .unwrap();
    let key = changed.open_certify_key(&new).unwrap();
    assert_eq!(key.fingerprint(), made.key.fingerprint());
    let old = changed.open_certify_key(&passphrase()).unwrap_err();
    assert!(matches!(old, SealedFileError::WrongPassphrase));
    let wrong = sealed.resealed(&new, &new, KdfCost::LEAST).unwrap_err();
    assert!(matches!(wrong, SealedFileError::WrongPassphrase));
}

#[test]
fn an_escrowed_key_decrypts_on_a_second_card_what_gpg_encrypted() {
    let made = alice();
    let escrowed = EscrowedKey::generate(day(1)).unwrap();
    let sign = SoftKey::ed25519(41).proven(&made.certificate, SubkeyRole::Sign, day(1));
    let certificate = made
        .key
        .bind(
            &made.certificate,
            &[(sign, day(100)), (escrowed.to_bind(), day(200))],
            day(1),
        )
        .unwrap();
    let subkey = first(&certificate, SubkeyRole::Encrypt);
    assert_eq!(subkey, escrowed.fingerprint());

    let gpg = Gpg::new();
    gpg.import(day(2).seconds(), &certificate.to_bytes());
    let secret = gpg.file("plain", b"what was agreed");
    let out = secret.with_extension("gpg");
    gpg.run(
        day(2).seconds(),
        &[
            "--trust-model=always",
            "--recipient",
            "alice@example.org",
            "--output",
            out.to_str().unwrap(),
            "--encrypt",
            secret.to_str().unwrap(),
        ],
    );
    let encrypted = fs::read(&out).unwrap();

    // The card is lost; custody opens the key for the next.
    let sealed = SealedFile::of_escrowed_key(&escrowed, &passphrase(), KdfCost::LEAST).unwrap();
    drop(escrowed);
    let sealed = SealedFile::from_json(&sealed.to_json()).unwrap();
    let escrowed = sealed.open_escrowed_key(&passphrase()).unwrap();
    let packet = escrowed.secret_packet().unwrap();
    let card = match PacketParser::new(packet.expose()).next().unwrap().unwrap() {
        Packet::SecretSubkey(card) => card,
        other => panic!("{other:?}"),
    };
    let message = Message::from_bytes(&encrypted[..]).unwrap();
    let Message::Encrypted { esk, .. } = &message else {
        panic!("{message:?}");
    };
    let Esk::PublicKeyEncryptedSessionKey(pkesk) = &esk[0] else {
        panic!("{esk:?}");
    };
    let session: PlainSessionKey = card
        .decrypt(&Password::empty(), pkesk.values().unwrap(), EskType::V3_4)
        .unwrap()
        .unwrap();
    let mut plain = message.decrypt_with_session_key(session).unwrap();
    if plain.is_compressed() {
        plain = plain.decompress().unwrap();
    }
    assert_eq!(plain.as_data_vec().unwrap(), b"what was agreed");
}

#[test]
fn nothing_that_prints_shows_a_secret_half() {
    let made = person().made;
    let escrowed = EscrowedKey::generate(day(1)).unwrap();
    let scalar = HEXLOWER.encode(escrowed.scalar().expose());
    let sealed = SealedFile::of_escrowed_key(&escrowed, &passphrase(), KdfCost::LEAST).unwrap();
    let json = String::from_utf8(sealed.to_json()).unwrap();
    let printed = format!("{escrowed:?} {sealed:?} {json} {made:?} {:?}", made.key);
    assert!(!printed.contains(&scalar) && !printed.contains("BEGIN PGP"));
    assert_eq!(
        format!("{escrowed:?}"),
        format!("EscrowedKey({})", escrowed.fingerprint())
    );
    assert_eq!(
        format!("{:?}", made.key),
        format!("CertifyKey({})", made.key.fingerprint())
    );
}

#[test]
fn what_needs_no_secret_uses_no_module_that_has_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/openpgp");
    let secret = ["certify", "certify_key", "escrow", "sealed"];
    let mut files = Vec::new();
    for folder in [folder.clone(), folder.join("offline")] {
        files.extend(fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()));
    }
    let mut count = 0;
    for file in files.iter().filter(|file| file.is_file()) {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        if secret.contains(&stem) || file.parent() == Some(&folder) && stem == "mod" {
            continue;
        }
        let text = fs::read_to_string(file).unwrap();
        let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
        let code: String = code.flat_map(|line| [line, "\n"]).collect();
        let words = [
            "CertifyKey",
            "EscrowedKey",
            "SealedFile",
            "Secret",
            "Key32",
            "Passphrase",
        ];
        let modules = secret.map(|module| format!("{module}::"));
        for word in words.into_iter().chain(modules.iter().map(String::as_str)) {
            assert!(!code.contains(word), "{word} is in {}", file.display());
        }
        count += 1;
    }
    assert!(count > 15, "only {count} files were found");
}
