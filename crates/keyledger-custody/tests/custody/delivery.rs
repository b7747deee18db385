//! Delivery: only its recipient opens it, with our code or with crate `nkeys`.

use keyledger_custody::{CurveKey, Delivery, DeliveryError, Secret, seal_to};
use nkeys::XKey;

/// A pair that the Go library made (nkeys' own test vector).
const GO_SEED: &str = "SXAKIYZX2POLIHZ5W5YZEWVTH24NLEUETBW3TKIVYRSS3GNHFXO5D4JJZM";
const GO_PUBLIC: &str = "XBUJMZHVOPQ2SK5VD3TY4VNBPVU2YFGRLK6EFPEPSMVDUYEBSROWZCEA";

fn curve_key(seed: &str) -> CurveKey {
    CurveKey::from_seed(&Secret::new(seed.as_bytes().to_vec())).unwrap()
}

#[test]
fn a_delivery_is_opened_by_its_recipient_only() {
    let (recipient, stranger) = (CurveKey::generate().unwrap(), CurveKey::generate().unwrap());
    let delivery = seal_to(recipient.public_nkey(), b"creds").unwrap();
    assert_eq!(recipient.open(&delivery).unwrap().expose(), b"creds");
    assert_eq!(stranger.open(&delivery).err(), Some(DeliveryError::Refused));
}

#[test]
fn crate_nkeys_opens_what_we_seal_and_we_open_what_it_seals() {
    let theirs = XKey::new();
    let delivery = seal_to(&theirs.public_key(), b"creds").unwrap();
    let sender = XKey::from_public_key(&delivery.sender).unwrap();
    assert_eq!(
        theirs.open(&delivery.ciphertext, &sender).unwrap(),
        b"creds"
    );

    let ours = CurveKey::generate().unwrap();
    let recipient = XKey::from_public_key(ours.public_nkey()).unwrap();
    let delivery = Delivery {
        sender: theirs.public_key(),
        ciphertext: theirs.seal(b"back", &recipient).unwrap(),
    };
    assert_eq!(ours.open(&delivery).unwrap().expose(), b"back");
}

#[test]
fn a_message_of_the_go_library_opens() {
    let recipient = curve_key("SXAHGC56LJFTSRXFC653AT7XZU6WGYIXU4XFPMCT62GGHFLUCSPVYP764M");
    let hex = concat!(
        "786b7631467698f98703502f4241b7a734729800929f6d094b06c6e34a78de499ee7debbac9477556f3fbbe9",
        "0ffd678bc629e5b7cc7c57404d923846cf010226"
    );
    let delivery = Delivery {
        sender: GO_PUBLIC.to_owned(),
        ciphertext: data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap(),
    };
    let text = recipient.open(&delivery);
    assert_eq!(text.ok().unwrap().expose(), b"this is super secret");
}

#[test]
fn a_curve_key_has_the_text_form_of_the_go_library() {
    let key = curve_key(GO_SEED);
    assert_eq!(key.public_nkey(), GO_PUBLIC);
    assert_eq!(key.seed().expose(), GO_SEED.as_bytes());
    assert!(CurveKey::from_seed(&Secret::new(GO_PUBLIC.as_bytes().to_vec())).is_err());
}

#[test]
fn every_flipped_bit_of_a_delivery_is_refused() {
    let recipient = CurveKey::generate().unwrap();
    let delivery = seal_to(recipient.public_nkey(), b"creds").unwrap();
    for bit in 0..delivery.ciphertext.len() * 8 {
        let mut changed = delivery.clone();
        changed.ciphertext[bit / 8] ^= 1 << (bit % 8);
        assert!(recipient.open(&changed).is_err(), "bit {bit}");
    }
    for length in 0..delivery.ciphertext.len() {
        let mut changed = delivery.clone();
        changed.ciphertext.truncate(length);
        assert!(recipient.open(&changed).is_err(), "{length} bytes");
    }
    let other = CurveKey::generate().unwrap();
    let forged = Delivery {
        sender: other.public_nkey().to_owned(),
        ..delivery
    };
    assert_eq!(recipient.open(&forged).err(), Some(DeliveryError::Refused));
}

#[test]
fn each_delivery_has_a_sender_of_its_own() {
    let recipient = CurveKey::generate().unwrap();
    let one = seal_to(recipient.public_nkey(), b"creds").unwrap();
    let two = seal_to(recipient.public_nkey(), b"creds").unwrap();
    assert_ne!(one.sender, two.sender);
    assert_ne!(one.ciphertext[28..], two.ciphertext[28..]);
}

#[test]
fn what_is_no_curve_nkey_gets_nothing() {
    let user = nkeys::KeyPair::new_user();
    // Order 1 and 4 (RFC 7748 §6.1, Bernstein's list): what is sealed to them, anybody can open.
    let low = |first: u8| {
        let mut point = [0; 32];
        point[0] = first;
        let mut raw = vec![23 << 3];
        raw.extend_from_slice(&point);
        let crc = crc16(&raw);
        raw.extend_from_slice(&crc.to_le_bytes());
        data_encoding::BASE32_NOPAD.encode(&raw)
    };
    let refused = Err(DeliveryError::NotACurveNkey);
    for text in [
        String::new(),
        "X".repeat(56),
        user.public_key(),
        user.seed().unwrap(),
        GO_SEED.to_owned(),
        format!("{GO_PUBLIC} "),
        GO_PUBLIC.to_lowercase(),
        GO_PUBLIC.replace("XBU", "XBV"),
        low(0),
        low(1),
    ] {
        assert_eq!(seal_to(&text, b"creds"), refused, "{text}");
    }
    assert!(
        seal_to(&low(9), b"creds").is_ok(),
        "the base point is a key like any other"
    );
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    })
}
