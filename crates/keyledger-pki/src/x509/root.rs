//! The certificate of a new root.

use super::{
    issue::{Issuer, NewCertificate},
    issue_error::IssueError,
    name::DistinguishedName,
    profile::CertificateProfile,
    serial_number::SerialNumber,
    to_be_signed::ToBeSigned,
};
use crate::Moment;

/// How long before it is issued a certificate begins to hold, in seconds: clocks differ.
pub const BACKDATED_SECONDS: i64 = 300;

/// The certificate of a new root over its public key, for that key to sign: an authority that may have one authority below it,
/// until `until`.
///
/// # Errors
///
/// [`IssueError`] naming what cannot be so.
pub fn new_root(
    subject: &DistinguishedName,
    spki: &[u8],
    serial_number: &SerialNumber,
    until: Moment,
    now: Moment,
) -> Result<ToBeSigned, IssueError> {
    let issuer = Issuer::new_root(subject, spki)?;
    issuer.certificate(&NewCertificate {
        serial_number,
        subject,
        spki,
        alternative_names: &[],
        not_before: Moment::from_seconds(now.seconds() - BACKDATED_SECONDS),
        not_after: until,
        profile: &CertificateProfile::authority(1),
    })
}
