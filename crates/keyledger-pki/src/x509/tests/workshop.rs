//! A workshop of attestations: tokens of our own, honest or not, under a root of our own.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::x509::{Anchors, AttestationError, Attested, verify_attestation};

use super::now;

pub(super) const FIRMWARE: &[u64] = &[1, 3, 6, 1, 4, 1, 41482, 3, 3];
pub(super) const SERIAL: &[u64] = &[1, 3, 6, 1, 4, 1, 41482, 3, 7];
pub(super) const POLICIES: &[u64] = &[1, 3, 6, 1, 4, 1, 41482, 3, 8];
pub(super) const FORM_FACTOR: &[u64] = &[1, 3, 6, 1, 4, 1, 41482, 3, 9];

/// A root with its key.
pub(super) struct Root {
    pub(super) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A token: its F9 certificate, and the key of it.
pub(super) struct Token {
    pub(super) der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

/// What a token says of a key; a test changes what it wants to.
pub(super) struct Claim {
    pub(super) subject: String,
    pub(super) extensions: Vec<(&'static [u64], Vec<u8>)>,
    pub(super) is_ca: IsCa,
    pub(super) critical: bool,
    pub(super) key: KeyPair,
}

/// Parameters of a certificate of this name, and nothing else.
pub(super) fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Root {
    pub(super) fn new(name: &str) -> Self {
        Self::with(authority(named(name), 1))
    }

    pub(super) fn with(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    pub(super) fn anchors(&self) -> Anchors {
        Anchors::yubico().with_test_root(&self.pem).unwrap()
    }

    pub(super) fn token(&self) -> Token {
        self.token_with(authority(named("Yubico PIV Attestation"), 0))
    }

    pub(super) fn token_with(&self, params: CertificateParams) -> Token {
        let key = KeyPair::generate().unwrap();
        let der = params.signed_by(&key, &self.issuer).unwrap().der().to_vec();
        let issuer = Issuer::new(params, key);
        Token { der, issuer }
    }
}

impl Token {
    pub(super) fn attest(&self, claim: &Claim) -> Vec<u8> {
        let mut params = named(&claim.subject);
        params.is_ca = claim.is_ca;
        params.custom_extensions = claim
            .extensions
            .iter()
            .map(|(id, content)| {
                let mut extension = CustomExtension::from_oid_content(id, content.clone());
                extension.set_criticality(claim.critical);
                extension
            })
            .collect();
        let certificate = params.signed_by(&claim.key, &self.issuer).unwrap();
        certificate.der().to_vec()
    }

    pub(super) fn verify(
        &self,
        slot: &[u8],
        anchors: &Anchors,
    ) -> Result<Attested, AttestationError> {
        verify_attestation(slot, &self.der, anchors, now())
    }
}

impl Claim {
    /// Token 12345678 of firmware 5.7.4, slot 9a, PIN once, touch cached, USB-C.
    pub(super) fn honest() -> Self {
        Self {
            subject: "YubiKey PIV Attestation 9a".to_owned(),
            extensions: vec![
                (FIRMWARE, vec![5, 7, 4]),
                (SERIAL, vec![2, 4, 0x00, 0xbc, 0x61, 0x4e]),
                (POLICIES, vec![2, 3]),
                (FORM_FACTOR, vec![3]),
            ],
            is_ca: IsCa::NoCa,
            critical: false,
            key: KeyPair::generate().unwrap(),
        }
    }

    /// Says something else, or nothing.
    pub(super) fn saying(mut self, id: &'static [u64], content: Option<&[u8]>) -> Self {
        self.extensions.retain(|(other, _)| *other != id);
        if let Some(content) = content {
            self.extensions.push((id, content.to_vec()));
        }
        self
    }
}

pub(super) fn authority(mut params: CertificateParams, path_length: u8) -> CertificateParams {
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}
