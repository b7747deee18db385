//! Bytes of an enemy: nothing panics, and nothing that was changed verifies.

use proptest::{prelude::*, sample::Index};

use crate::x509::{
    Anchors, Certificate, CertificateRequest, DistinguishedName, PublicKeyKind, SerialNumber,
    ToBeSigned, verify_attestation, verify_signature,
};

use super::{
    now,
    workshop::{Claim, Root},
};

const SLOT: &str = include_str!("vectors/firmware-5.7.4-9c.pem");
const DEVICE: &str = include_str!("vectors/firmware-5.7.4-f9.pem");

/// Reads bytes as everything there is, and looks at all of it.
fn read(bytes: &[u8]) {
    if let Ok(certificate) = Certificate::from_der(bytes) {
        let shown = (
            certificate.subject(),
            certificate.issuer(),
            certificate.serial_number().to_string(),
            certificate.not_before().to_string(),
            certificate.not_after().to_string(),
            certificate.to_pem(),
            certificate.path_length(),
            certificate.is_valid_at(now()),
        );
        assert!(!shown.5.is_empty());
        let _ = certificate.verify_signed_by(&certificate);
        let _ = PublicKeyKind::of(certificate.spki());
    }
    if let Ok(request) = CertificateRequest::from_der(bytes) {
        assert!(!request.spki().is_empty());
    }
    let _ = PublicKeyKind::of(bytes);
    let _ = verify_signature(bytes, bytes, bytes);
    let _ = verify_attestation(bytes, bytes, &Anchors::yubico(), now());
    let _ = ToBeSigned::reopen(bytes.to_vec(), bytes.to_vec());
    let _ = SerialNumber::from_octets(bytes);
}

fn real(pem: &str) -> Vec<u8> {
    Certificate::from_pem(pem).unwrap().der().to_vec()
}

/// A change to bytes, anywhere.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Remove(Index, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        4 => (index(), 1..=255_u8).prop_map(|(at, bits)| Change::Flip(at, bits)),
        1 => index().prop_map(Change::Cut),
        2 => (index(), prop::collection::vec(any::<u8>(), 1..6)).prop_map(|(at, new)| Change::Insert(at, new)),
        2 => (index(), 1..6_u8).prop_map(|(at, count)| Change::Remove(at, count)),
    ]
}

fn changed(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for change in changes {
        let length = bytes.len();
        if length == 0 {
            break;
        }
        match change {
            Change::Flip(at, bits) => bytes[at.index(length)] ^= bits,
            Change::Cut(at) => bytes.truncate(at.index(length)),
            Change::Insert(at, new) => {
                let at = at.index(length);
                bytes.splice(at..at, new.iter().copied());
            }
            Change::Remove(at, count) => {
                let at = at.index(length);
                bytes.drain(at..(at + usize::from(*count)).min(length));
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read(&bytes);
    }

    #[test]
    fn a_changed_certificate_is_read_without_panic_and_attests_nothing(
        changes in prop::collection::vec(change(), 1..4),
        of_slot in any::<bool>(),
    ) {
        let (slot, device) = (real(SLOT), real(DEVICE));
        let original = if of_slot { &slot } else { &device };
        let forged = changed(original, &changes);
        read(&forged);
        if forged != *original {
            let (slot, device) = if of_slot { (&forged, &device) } else { (&slot, &forged) };
            prop_assert!(verify_attestation(slot, device, &Anchors::yubico(), now()).is_err());
        }
    }

    #[test]
    fn any_extension_of_a_signed_attestation_is_read_without_panic(
        content in prop::collection::vec(any::<u8>(), 0..12),
        which in 0..4_usize,
    ) {
        let root = Root::new("Hostile");
        let token = root.token();
        let mut claim = Claim::honest();
        claim.extensions[which].1 = content;
        let _ = token.verify(&token.attest(&claim), &root.anchors());
    }

    #[test]
    fn any_text_is_read_without_panic(text in "\\PC{0,80}", odd in "[CNOU=,+\\\\#\"; 0-9a-f]{0,40}") {
        for text in [&text, &odd] {
            if let Ok(name) = text.parse::<DistinguishedName>() {
                prop_assert!(!name.to_string().is_empty());
            }
            let _ = text.parse::<SerialNumber>();
            let _ = Certificate::from_pem(text)
                .map(|it| Anchors::yubico().with_pinned_intermediate(it));
        }
    }
}
