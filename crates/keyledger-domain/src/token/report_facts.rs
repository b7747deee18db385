//! What was found out about an agent's report, and made for it.

use std::collections::BTreeMap;

use super::{Findings, Slot};
use crate::key::{Certified, Escrowed};

/// What was found out about a report, and made for it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReportFacts {
    /// What cryptography found.
    pub findings: Findings,
    /// The certificates that were signed, by slot.
    pub certificates: BTreeMap<Slot, NewCertificate>,
    /// The entry that the sealed secrets were written to.
    pub entry: Option<Box<str>>,
    /// The key that was made in custody, to be imported.
    pub escrow: Option<NewEscrow>,
}

/// A certificate that was signed for a key in a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCertificate {
    /// The certificate.
    pub certified: Certified,
    /// Base64 of the DER `SubjectPublicKeyInfo` it is over.
    pub public_key: Box<str>,
}

/// A key that custody made for a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEscrow {
    /// What is public of it.
    pub escrowed: Escrowed,
    /// The entry that its sealed secret half was written to.
    pub entry: Box<str>,
}
