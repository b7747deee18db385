//! A request to an authority, checked.

use super::{AskAuthorityError, Asked, Content, ToAuthority};
use crate::{
    exchange::KeyName,
    x509::{
        believed::check_root, certificate::Certificate, issue::Issuer, to_be_signed::ToBeSigned,
    },
};

/// What is asked of an authority whose key is elsewhere. All of it holds: the bytes are what they are said to be, of this issuer,
/// and within what it may sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityRequest {
    asked: ToAuthority,
    issuer_certificate: Certificate,
    to_be_signed: ToBeSigned,
    content: Content,
}

impl AuthorityRequest {
    /// The name of the issuer's key.
    #[must_use]
    pub const fn issuer(&self) -> &KeyName {
        &self.asked.issuer
    }

    /// What is asked.
    #[must_use]
    pub const fn asked_for(&self) -> &Asked {
        &self.asked.asked
    }

    /// True if a root is to sign its own next certificate.
    #[must_use]
    pub fn is_renewal(&self) -> bool {
        self.asked.is_renewal()
    }

    /// The issuer's certificate: what it says of itself.
    #[must_use]
    pub const fn issuer_certificate(&self) -> &Certificate {
        &self.issuer_certificate
    }

    /// What is to be signed.
    #[must_use]
    pub const fn to_be_signed(&self) -> &ToBeSigned {
        &self.to_be_signed
    }

    /// What that says.
    #[must_use]
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// What is asked, as it stands in the file.
    pub(super) const fn form(&self) -> &ToAuthority {
        &self.asked
    }

    /// Checks what is asked, whole.
    pub(super) fn checked(asked: ToAuthority) -> Result<Self, AskAuthorityError> {
        let issuer_certificate = Certificate::from_der(&asked.issuer_certificate.0)
            .map_err(AskAuthorityError::IssuerCertificate)?;
        // Of a root, whoever made the request cannot have made up what it may sign.
        let is_root = issuer_certificate.issuer_name() == issuer_certificate.subject_name();
        if is_root {
            check_root(&issuer_certificate, issuer_certificate.spki())
                .map_err(AskAuthorityError::IssuerNotBelieved)?;
        }
        let issuer = Issuer::of(&issuer_certificate).map_err(AskAuthorityError::Issuer)?;
        let der = asked.to_be_signed.0.clone();
        let to_be_signed = ToBeSigned::reopen(der, issuer_certificate.spki().to_vec())?;
        let own = asked.is_renewal() && is_root;
        let content = Content::read(&asked.asked, &to_be_signed, &issuer, own)?;
        Ok(Self {
            asked,
            issuer_certificate,
            to_be_signed,
            content,
        })
    }
}

impl ToAuthority {
    fn is_renewal(&self) -> bool {
        matches!(&self.asked, Asked::Certificate { key } if *key == self.issuer)
    }
}
