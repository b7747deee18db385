//! Certificates that are none, or not quite.

use crate::x509::{Certificate, MAX_CERTIFICATE_BYTES, MalformedCertificate};

const PEM: &str = include_str!("vectors/firmware-5.7.4-f9.pem");
/// sha256WithRSAEncryption without parameters, as this certificate has it.
const BARE: &[u8] = &[
    0x30, 0x0b, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0b,
];
/// The same with the NULL that RFC 4055 asks for.
const WITH_NULL: &[u8] = &[
    0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0b, 5, 0,
];

fn real() -> Vec<u8> {
    Certificate::from_pem(PEM).unwrap().der().to_vec()
}

#[test]
fn the_algorithm_outside_is_the_one_inside() {
    let mut der = real();
    let outside = der.windows(BARE.len()).rposition(|it| it == BARE).unwrap();
    der.splice(outside..outside + BARE.len(), WITH_NULL.iter().copied());
    let length = u16::try_from(der.len() - 4).unwrap();
    der[2..4].copy_from_slice(&length.to_be_bytes());
    assert_eq!(
        Certificate::from_der(&der),
        Err(MalformedCertificate::TwoAlgorithms)
    );
}

#[test]
fn a_certificate_is_one_certificate() {
    let der = real();
    let twice = [der.clone(), der.clone()].concat();
    for wrong in [&der[1..], &der[..der.len() - 1], &twice, &[], b"\x30\x00"] {
        let refusal = Certificate::from_der(wrong);
        assert!(matches!(refusal, Err(MalformedCertificate::NotDer(_))));
    }
    let long = vec![0; MAX_CERTIFICATE_BYTES + 1];
    assert_eq!(
        Certificate::from_der(&long),
        Err(MalformedCertificate::TooLong(long.len()))
    );
}

#[test]
fn pem_is_one_block_of_a_certificate() {
    let certificate = Certificate::from_pem(PEM).unwrap();
    assert_eq!(certificate.to_pem(), PEM);
    for wrong in [
        String::new(),
        "MIIC".to_owned(),
        PEM.repeat(2),
        PEM.replace("CERTIFICATE", "X509 CRL"),
        PEM.replace("-----END", "----END"),
    ] {
        let refusal = Certificate::from_pem(&wrong);
        let not_pem = matches!(refusal, Err(MalformedCertificate::NotPem));
        assert!(not_pem, "{wrong}: {refusal:?}");
    }
    let long = " ".repeat(2 * MAX_CERTIFICATE_BYTES + 1);
    assert!(matches!(
        Certificate::from_pem(&long),
        Err(MalformedCertificate::TooLong(_))
    ));
}

#[test]
fn a_certificate_shows_its_facts() {
    let certificate = Certificate::from_pem(PEM).unwrap();
    assert_eq!(certificate.subject(), "CN=Yubico PIV Attestation");
    assert_eq!(certificate.issuer(), "CN=Yubico PIV Attestation B 1");
    assert_eq!(certificate.serial_number().to_string(), "ba36e4565864961b");
    assert_eq!(certificate.not_before().to_string(), "2024-12-01T00:00:00Z");
    assert_eq!(certificate.not_after().to_string(), "9999-12-31T23:59:59Z");
    assert!(certificate.is_ca());
    assert_eq!(certificate.path_length(), Some(0));
    assert_eq!(certificate.subject_key_id(), None);
    assert_eq!(
        data_encoding::HEXLOWER.encode(&certificate.sha256()),
        "7ee706d267df53e5cc4505372d26e5daeadd8feaaf4b58562afde8cc392192c1"
    );
}
