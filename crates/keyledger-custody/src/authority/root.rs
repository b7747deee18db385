//! A root's own certificate.

use keyledger_domain::Timestamp;
use keyledger_pki::x509::{
    Certificate, DistinguishedName, FinishError, IssueError, MalformedCertificate, NotAName,
    SerialNumber, new_root,
};

use super::key::{AuthorityKey, AuthorityKeyError};
use crate::{ProviderFailure, dates::moment};

/// Why a root has no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootCertificateError {
    /// It cannot be called so: the source says what a name may be.
    #[error("the subject of the root")]
    Subject(#[from] NotAName),
    /// It cannot be made: the source says why.
    #[error("the certificate of the root")]
    Issue(#[from] IssueError),
    /// See [`AuthorityKeyError`].
    #[error(transparent)]
    Key(#[from] AuthorityKeyError),
    /// The key's own signature does not verify: report it.
    #[error("the root's signature")]
    Finish(#[from] FinishError),
    /// What was made is no certificate: report it.
    #[error("the certificate of the root")]
    Malformed(#[from] MalformedCertificate),
    /// See [`ProviderFailure`].
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
}

impl AuthorityKey {
    /// The certificate of this key as a root, until `until`, under a common name or a name like `CN=Example Root,O=Example`. One
    /// authority may stand below it.
    ///
    /// # Errors
    ///
    /// [`RootCertificateError::Subject`] if it cannot be called so, [`RootCertificateError::Issue`] if it would end before it
    /// begins.
    pub fn certify_itself(
        &self,
        subject: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Certificate, RootCertificateError> {
        let subject = DistinguishedName::of_subject(subject)?;
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random).map_err(ProviderFailure::from)?;
        let serial_number = SerialNumber::from_random(random);
        let (until, now) = (moment(until), moment(now));
        let to_be_signed = new_root(&subject, self.public_key(), &serial_number, until, now)?;
        let der = to_be_signed.finish(&self.sign(to_be_signed.bytes())?)?;
        Ok(Certificate::from_der(&der)?)
    }
}
