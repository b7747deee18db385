//! Public keys and algorithms, at the edges of what is taken.

use der::{
    Any, Encode as _, Sequence,
    asn1::{BitString, Uint},
    oid::ObjectIdentifier,
};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use crate::x509::{PublicKeyKind, SignatureAlgorithm, UnsupportedKey};

const ALL: [SignatureAlgorithm; 7] = [
    SignatureAlgorithm::EcdsaSha256,
    SignatureAlgorithm::EcdsaSha384,
    SignatureAlgorithm::EcdsaSha512,
    SignatureAlgorithm::RsaSha256,
    SignatureAlgorithm::RsaSha384,
    SignatureAlgorithm::RsaSha512,
    SignatureAlgorithm::Ed25519,
];

#[derive(Sequence)]
struct RsaPublicKey {
    modulus: Uint,
    public_exponent: Uint,
}

fn oid(id: &str) -> ObjectIdentifier {
    id.parse().unwrap()
}

fn spki(algorithm: &str, parameters: Option<Any>, key: &[u8]) -> Vec<u8> {
    let algorithm = AlgorithmIdentifierOwned {
        oid: oid(algorithm),
        parameters,
    };
    let subject_public_key = BitString::from_bytes(key).unwrap();
    SubjectPublicKeyInfoOwned {
        algorithm,
        subject_public_key,
    }
    .to_der()
    .unwrap()
}

fn rsa(modulus_bytes: usize, exponent: &[u8]) -> Result<PublicKeyKind, UnsupportedKey> {
    let key = RsaPublicKey {
        modulus: Uint::new(&vec![0x81; modulus_bytes]).unwrap(),
        public_exponent: Uint::new(exponent).unwrap(),
    };
    let key = key.to_der().unwrap();
    PublicKeyKind::of(&spki("1.2.840.113549.1.1.1", Some(Any::null()), &key))
}

#[test]
fn every_algorithm_is_written_as_it_is_read() {
    for algorithm in ALL {
        let mut identifier = algorithm.identifier();
        assert_eq!(SignatureAlgorithm::named(&identifier), Some(algorithm));
        identifier.parameters = Some(Any::encode_from(&oid("1.2.3")).unwrap());
        assert_eq!(SignatureAlgorithm::named(&identifier), None);
    }
    let mut ecdsa = SignatureAlgorithm::EcdsaSha256.identifier();
    ecdsa.parameters = Some(Any::null());
    assert_eq!(SignatureAlgorithm::named(&ecdsa), None);
}

#[test]
fn rsa_keys_have_2048_to_4096_bits_and_a_short_exponent() {
    let usual = &[1, 0, 1];
    assert_eq!(rsa(256, usual), Ok(PublicKeyKind::Rsa { bits: 2048 }));
    assert_eq!(rsa(512, usual), Ok(PublicKeyKind::Rsa { bits: 4096 }));
    assert_eq!(rsa(255, usual), Err(UnsupportedKey::RsaBits(2040)));
    assert_eq!(rsa(513, usual), Err(UnsupportedKey::RsaBits(4104)));
    assert_eq!(rsa(256, &[1; 9]), Err(UnsupportedKey::Malformed));
    assert_eq!(rsa(1024, usual), Err(UnsupportedKey::Malformed));
}

#[test]
fn keys_have_the_form_of_their_kind() {
    let curve = |id: &str| Some(Any::encode_from(&oid(id)).unwrap());
    let ec = |id: &str, key: &[u8]| PublicKeyKind::of(&spki("1.2.840.10045.2.1", curve(id), key));
    let (p256, p384) = ("1.2.840.10045.3.1.7", "1.3.132.0.34");
    let point = [&[4][..], &[1; 64]].concat();
    assert_eq!(ec(p256, &point), Ok(PublicKeyKind::P256));
    let compressed = [&[2][..], &[1; 32]].concat();
    assert_eq!(ec(p256, &compressed), Err(UnsupportedKey::Compressed));
    assert_eq!(ec(p384, &point), Err(UnsupportedKey::Malformed));
    assert_eq!(ec(p256, &[2; 65]), Err(UnsupportedKey::Malformed));
    let no_curve = PublicKeyKind::of(&spki("1.2.840.10045.2.1", None, &point));
    assert_eq!(no_curve, Err(UnsupportedKey::Malformed));
    let ed25519 = |key: &[u8]| PublicKeyKind::of(&spki("1.3.101.112", None, key));
    assert_eq!(ed25519(&[1; 32]), Ok(PublicKeyKind::Ed25519));
    assert_eq!(ed25519(&[1; 33]), Err(UnsupportedKey::Malformed));
}
