//! Requests for certificates (PKCS#10): whoever asks has the key.

use keyledger_domain::{Rejection, pem, text::in_full};
use keyledger_pki::x509::CertificateRequest;

use super::error::{CertifyError, bad};

/// Whether a request was signed with the key that is to be certified.
pub(super) fn check(text: &str, spki: &[u8]) -> Result<(), CertifyError> {
    let der = pem::one(text, "CERTIFICATE REQUEST").map_err(|fault| {
        CertifyError::from(Rejection::BadValue {
            field: "request",
            fault: fault.to_string(),
        })
    })?;
    let request = CertificateRequest::from_der(&der).map_err(|e| bad("request", &in_full(&e)))?;
    if request.spki() == spki {
        return Ok(());
    }
    Err(bad(
        "request",
        "it is over another public key than the one to be certified: compare with `keyledger key show`",
    ))
}
