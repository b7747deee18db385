//! Keys and certificates of authorities, as the ledger has them.

use data_encoding::{BASE64, HEXLOWER};
use keyledger_domain::{
    Ledger, Name, Rejection, Timestamp,
    key::{self, Certified},
    name::{Aggregate, HistoryId},
};
use keyledger_pki::x509::Certificate;

use super::error::{CertifyError, bad};

/// The certificate under which the key `name` issues at `now`: the newest that holds.
pub(super) fn authority_of(
    ledger: &Ledger,
    name: &Name,
    now: Timestamp,
) -> Result<Certificate, CertifyError> {
    let key = ledger.key(name).map(|e| &e.state);
    let key = key.ok_or_else(|| no_key(name))?;
    let fault = match key.is_authority() {
        true => {
            "its certificate as an authority has ended or was revoked: renew it first, with `keyledger ca renew`"
        }
        false => "it is no authority",
    };
    let certified = key.authority_at(now);
    read(certified.ok_or_else(|| bad("issuer", fault))?)
}

/// The newest public key of the key `name`, as SubjectPublicKeyInfo in DER.
pub(crate) fn public_key(ledger: &Ledger, name: &Name) -> Result<Vec<u8>, CertifyError> {
    let key = ledger.key(name).map(|e| &e.state);
    let key =
        key.ok_or_else(|| Rejection::NotFound(HistoryId::new(Aggregate::Key, name.clone())))?;
    let public_key = key.newest().and_then(|newest| newest.public_key.as_ref());
    let public_key = public_key.ok_or_else(|| Rejection::NoMaterial {
        key: name.clone(),
        why: "it is symmetric, and has no public half that a certificate could be over or verify",
    })?;
    Ok(BASE64.decode(public_key.as_bytes())?)
}

/// An authority of another name than it had.
pub(super) fn other_name(before: &Certificate, field: &'static str) -> CertifyError {
    let fault = format!(
        "an authority keeps its name, {}: what it issued and its lists name it; make another authority",
        before.subject()
    );
    bad(field, &fault)
}

/// The certificate under which the key `name` signs lists at `now`.
pub(super) fn lists_under(
    ledger: &Ledger,
    name: &Name,
    now: Timestamp,
) -> Result<Certificate, CertifyError> {
    let key = ledger.key(name).map(|e| &e.state);
    let key = key.ok_or_else(|| no_key(name))?;
    let certified = key.lists_under(now);
    read(certified.ok_or_else(|| bad("issuer", "it is no authority"))?)
}

/// Whether a certificate that was signed elsewhere leaves the key `name`, an authority, its name.
pub(super) fn check_same_name(
    ledger: &Ledger,
    name: &Name,
    certificate: &Certificate,
    now: Timestamp,
) -> Result<(), CertifyError> {
    let key = ledger.key(name).map(|e| &e.state);
    match key.and_then(|key| key.lists_under(now)) {
        Some(before) if certificate.is_ca() => {
            let before = read(before)?;
            match before.subject() == certificate.subject() {
                true => Ok(()),
                false => Err(other_name(&before, "certificate")),
            }
        }
        _ => Ok(()),
    }
}

/// True of an issuer whose secret half is not in custody.
pub(super) fn is_elsewhere(ledger: &Ledger, issuer: &Name) -> bool {
    let elsewhere = |key: &key::Key| !key.custodian.is_here();
    ledger.key(issuer).is_some_and(|e| elsewhere(&e.state))
}

pub(super) fn no_key(name: &Name) -> CertifyError {
    bad("issuer", &format!("there is no key {name}"))
}

/// A certificate as the ledger has it.
pub(super) fn read(certified: &Certified) -> Result<Certificate, CertifyError> {
    let der = BASE64.decode(certified.certificate.as_bytes());
    Ok(Certificate::from_der(&der?)?)
}

/// SHA-256 in hex of a certificate in base64 of DER.
pub(crate) fn fingerprint(certificate: &str) -> Option<Box<str>> {
    let der = BASE64.decode(certificate.as_bytes()).ok()?;
    let certificate = Certificate::from_der(&der).ok()?;
    Some(HEXLOWER.encode(&certificate.sha256()).into())
}
