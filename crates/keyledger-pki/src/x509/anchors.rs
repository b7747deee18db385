//! Whom we believe that a token is a token.

use super::{
    certificate::{Certificate, MalformedCertificate},
    verify::BadSignature,
};

const PIV_ROOT: &str = include_str!("yubico/piv-root-263751.pem");
const ATTESTATION_ROOT: &str = include_str!("yubico/attestation-root-1.pem");
const INTERMEDIATE_A: &str = include_str!("yubico/attestation-intermediate-a-1.pem");
const INTERMEDIATE_B: &str = include_str!("yubico/attestation-intermediate-b-1.pem");
const PIV_ATTESTATION_A: &str = include_str!("yubico/piv-attestation-a-1.pem");
const PIV_ATTESTATION_B: &str = include_str!("yubico/piv-attestation-b-1.pem");

/// Published by Yubico after the embedded ones, and accepted when somebody brings them: SHA-256 of Yubico PIV Attestation
/// B2 1 (2025).
const PINS: [&str; 1] = ["0c90b7d184a36edf50a35f9be935f0c5689bfdcfe5bdd073366cafb49061a440"];

/// The authorities that vouch for tokens, as far as this installation believes them. Each signs the F9 certificates of
/// tokens itself: an authority of another Yubico product under the same root vouches for nothing here.
#[derive(Debug, Clone)]
pub struct Anchors {
    authorities: Vec<Authority>,
}

/// Which root an attestation ends at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Generation {
    /// Yubico PIV Root CA Serial 263751: firmware before 5.7.4.
    PivRoot263751,
    /// Yubico Attestation Root 1: firmware 5.7.4 and later.
    AttestationRoot1,
    /// A root of tests, which the configuration names: no evidence of hardware.
    Test,
}

/// Why an anchor was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorsError {
    /// See [`MalformedCertificate`].
    #[error("the certificate of an authority")]
    Certificate(#[from] MalformedCertificate),
    /// A test root must be a self-signed certificate authority that may sign an intermediate one.
    #[error("{subject} is no self-signed root that can vouch for tokens")]
    NotARoot {
        /// Whose certificate it is.
        subject: String,
    },
    /// Its fingerprint is none that Yubico published and we know: update Keyledger if the certificate is newer.
    #[error(
        "no pin for {subject} with SHA-256 {sha256}: only certificates known by fingerprint are accepted"
    )]
    NotPinned {
        /// Whose certificate it is.
        subject: String,
        /// Its fingerprint, in hexadecimal.
        sha256: String,
    },
    /// It is pinned, and yet none of the embedded authorities signed it: report it.
    #[error("no embedded authority signed {subject}")]
    Unlinked {
        /// Whose certificate it is.
        subject: String,
        /// What the last candidate said.
        #[source]
        source: Option<BadSignature>,
    },
}

/// An authority that signs F9 certificates, and its way up: itself first, the root last.
#[derive(Debug, Clone)]
pub(super) struct Authority {
    pub(super) generation: Generation,
    pub(super) path: Vec<Certificate>,
}

impl Generation {
    /// What the root is called.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PivRoot263751 => "Yubico PIV Root CA Serial 263751",
            Self::AttestationRoot1 => "Yubico Attestation Root 1",
            Self::Test => "a test root",
        }
    }
}

impl Anchors {
    /// Yubico's authorities for PIV of both generations, as embedded.
    #[must_use]
    pub fn yubico() -> Self {
        let old = [PIV_ROOT].as_slice();
        let a = [PIV_ATTESTATION_A, INTERMEDIATE_A, ATTESTATION_ROOT].as_slice();
        let b = [PIV_ATTESTATION_B, INTERMEDIATE_B, ATTESTATION_ROOT].as_slice();
        let embedded = [
            (Generation::PivRoot263751, old),
            (Generation::AttestationRoot1, a),
            (Generation::AttestationRoot1, b),
        ];
        let authorities = embedded.map(|(generation, path)| Authority {
            generation,
            path: path.iter().map(|pem| embedded_certificate(pem)).collect(),
        });
        Self {
            authorities: authorities.into(),
        }
    }

    /// Believes a root of tests too. Only if the configuration names it: whoever has its key makes any evidence.
    ///
    /// # Errors
    ///
    /// [`AnchorsError`] if it is no certificate in PEM, or no self-signed root.
    pub fn with_test_root(mut self, pem: &str) -> Result<Self, AnchorsError> {
        let root = Certificate::from_pem(pem)?;
        let self_issued = root.subject_name() == root.issuer_name();
        let signs = root.is_ca() && root.may_sign_certificates() && root.path_length() != Some(0);
        let understood = root.unknown_critical_extension().is_none();
        if !(self_issued && signs && understood) || root.verify_signed_by(&root).is_err() {
            return Err(AnchorsError::NotARoot {
                subject: root.subject(),
            });
        }
        self.authorities.push(Authority {
            generation: Generation::Test,
            path: vec![root],
        });
        Ok(self)
    }

    /// Believes an authority that Yubico published later, if it is one of those known by their fingerprint.
    ///
    /// # Errors
    ///
    /// [`AnchorsError`] if it has no pin, or does not hang below an embedded authority.
    pub fn with_pinned_intermediate(self, certificate: Certificate) -> Result<Self, AnchorsError> {
        self.with_intermediate(certificate, &PINS)
    }

    pub(super) fn with_intermediate(
        mut self,
        certificate: Certificate,
        pins: &[&str],
    ) -> Result<Self, AnchorsError> {
        let subject = certificate.subject();
        let sha256 = certificate.fingerprint();
        if !pins.contains(&sha256.as_str()) {
            return Err(AnchorsError::NotPinned { subject, sha256 });
        }
        let mut last = None;
        for upper in [INTERMEDIATE_A, INTERMEDIATE_B].map(embedded_certificate) {
            match certificate.verify_signed_by(&upper) {
                Ok(()) if certificate.issuer_name() == upper.subject_name() => {
                    self.authorities.push(Authority {
                        generation: Generation::AttestationRoot1,
                        path: vec![certificate, upper, embedded_certificate(ATTESTATION_ROOT)],
                    });
                    return Ok(self);
                }
                Ok(()) => {}
                Err(error) => last = Some(error),
            }
        }
        Err(AnchorsError::Unlinked {
            subject,
            source: last,
        })
    }

    /// Who signs the F9 certificates that are believed, and the root above each.
    pub fn vouching(&self) -> impl Iterator<Item = (Generation, &Certificate)> {
        let authorities = self.authorities.iter();
        authorities.filter_map(|it| Some((it.generation, it.path.first()?)))
    }

    /// True of an authority's certificate that is on a way up to a root already.
    #[must_use]
    pub fn holds(&self, certificate: &Certificate) -> bool {
        let mut paths = self.authorities.iter().map(|it| &it.path);
        paths.any(|path| path.contains(certificate))
    }

    pub(super) fn authorities(&self) -> &[Authority] {
        &self.authorities
    }
}

fn embedded_certificate(pem: &str) -> Certificate {
    Certificate::from_pem(pem).expect("embedded certificates are read by a test")
}
