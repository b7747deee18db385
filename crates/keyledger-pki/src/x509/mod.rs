//! X.509, and no more of it than Keyledger needs: requests and certificates of the organisation's authority, its CRLs,
//! and what Yubico's attestations say about keys on tokens.
//!
//! Signing is in two phases: the bytes of a [`ToBeSigned`] go to wherever the key lives, and [`ToBeSigned::finish`] takes the
//! signature and checks it.

mod algorithm;
mod anchors;
mod attestation;
mod attestation_error;
mod attribute;
mod believed;
mod certificate;
mod crl;
mod crl_url;
mod csr;
mod envelope;
pub mod exchange;
mod issue;
mod issue_error;
mod listed;
mod name;
mod profile;
mod root;
mod serial_number;
mod to_be_signed;
mod usage;
mod verify;
mod yubico_extensions;

#[cfg(test)]
mod tests;

pub use algorithm::{PublicKeyKind, SignatureAlgorithm, UnsupportedKey};
pub(crate) use algorithm::{public_numbers, rsa_numbers};
pub use anchors::{Anchors, AnchorsError, Generation};
pub use attestation::{Attested, verify_attestation, verify_device};
pub use attestation_error::{AttestationError, Link};
pub use believed::{NotBelieved, check_root};
pub use certificate::{Certificate, MalformedCertificate};
pub use crl::{CertificateRevocationReason, NewCrl, Revoked};
pub use crl_url::{CrlUrl, NotACrlUrl};
pub use csr::{CertificateRequest, RequestError};
pub use issue::{Issuer, NewCertificate};
pub use issue_error::IssueError;
pub use listed::{BadList, ListContent, NotAList, check_list};
pub use name::{DistinguishedName, NotAName};
pub use profile::{AlternativeName, AuthorityReach, CertificateProfile};
pub use root::{BACKDATED_SECONDS, new_root};
pub use serial_number::{NotASerialNumber, SerialNumber};
pub use to_be_signed::{FinishError, ReopenError, ToBeSigned, pem};
pub use usage::{ExtendedKeyUsage, KeyUsage};
pub use verify::{BadSignature, verify_signature};
pub use yubico_extensions::{AttestedPin, AttestedTouch, FirmwareVersion};

/// The largest certificate or request that is looked at, in bytes of DER. Real ones have one to three thousand.
pub const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;
