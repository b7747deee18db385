//! A request to a certify key, checked.

use keyledger_domain::Timestamp;
use keyledger_pki::exchange;

use super::{
    AcceptCertificateError, Ask, AskCertifyError, CertifyAnswer, CertifyAsked, MAX_ASKS, Request,
    RequestError, expected::Expected,
};
use crate::{
    dates::moment,
    openpgp::{Certificate, UserId},
};

/// What is asked of the certify key, for one person's certificate. All of it holds: the certificate is verified, the person
/// is in it, signing subkeys agreed, and what is asked can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifyRequest {
    asked: CertifyAsked,
    certificate: Certificate,
}

/// Asks for `asks` to be done to `certificate`, which is `user_id`'s.
///
/// # Errors
///
/// [`RequestError`] if it cannot be done.
pub fn ask(
    certificate: &Certificate,
    user_id: UserId,
    asks: Vec<Ask>,
    now: Timestamp,
) -> Result<Request, RequestError> {
    let asked = CertifyAsked {
        user_id,
        asks,
        certificate: certificate.to_armored(),
    };
    let nonce = crate::nonce().map_err(|e| exchange::RequestError::Asked(e.into()))?;
    Request::new(asked, nonce, moment(now))
}

impl CertifyRequest {
    /// The certificate as it is now.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Whose certificate it is.
    #[must_use]
    pub const fn user_id(&self) -> &UserId {
        &self.asked.user_id
    }

    /// What is asked, in the order in which it is done.
    #[must_use]
    pub fn asks(&self) -> &[Ask] {
        &self.asked.asks
    }

    /// Checks what is asked, whole.
    pub(super) fn checked(asked: CertifyAsked) -> Result<Self, AskCertifyError> {
        if asked.asks.is_empty() || asked.asks.len() > MAX_ASKS {
            let count = asked.asks.len();
            return Err(AskCertifyError::Count { count });
        }
        let certificate = Certificate::parse(asked.certificate.as_bytes())?;
        let mut ids = certificate.user_ids().iter();
        if !ids.any(|view| view.id == asked.user_id) {
            return Err(AskCertifyError::OtherPerson {
                user_id: asked.user_id,
            });
        }
        for ask in &asked.asks {
            if let Ask::Bind { subkey, .. } = ask {
                subkey.verify(&certificate.key().primary_key)?;
            }
        }
        Expected::of(&certificate).after(&asked.asks)?;
        Ok(Self { asked, certificate })
    }

    /// What is asked, as it stands in the file.
    pub(super) const fn form(&self) -> &CertifyAsked {
        &self.asked
    }

    /// The new certificate, if it is the old one with exactly what was asked.
    pub(super) fn accepted(
        &self,
        answer: &CertifyAnswer,
    ) -> Result<Certificate, AcceptCertificateError> {
        let certificate = Certificate::parse(answer.certificate.as_bytes())?;
        let expected = Expected::of(&self.certificate).after(self.asks());
        let is_as_asked = expected.is_ok_and(|expected| expected == Expected::of(&certificate));
        if is_as_asked && certificate.holds(&self.certificate) {
            Ok(certificate)
        } else {
            Err(AcceptCertificateError::OtherCertificate)
        }
    }
}
