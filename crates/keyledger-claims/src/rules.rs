//! Who may sign what.

use crate::claims::{Body, Claims};
use crate::nkey::{NkeyError, NkeyKind, PublicNkey};

/// Checks that `iss` and `issuer_account` fit the type of the claims, and returns the issuer.
///
/// An operator is signed by an operator, an account by an operator or itself, a user and an activation by an
/// account. Go also allows an operator to sign an activation, and an account to sign another account; we need neither.
pub(crate) fn check_issuer<B: Body>(claims: &Claims<B>) -> Result<PublicNkey, IssuerError> {
    let issuer: PublicNkey = claims.iss.parse().map_err(IssuerError::Malformed)?;
    let kind = issuer.kind();
    if kind == NkeyKind::Curve || !(B::ISSUERS.is_empty() || B::ISSUERS.contains(&kind)) {
        return Err(IssuerError::Kind {
            found: kind,
            allowed: B::ISSUERS,
        });
    }
    if B::SELF_ISSUED && B::SUBJECT == Some(kind) && claims.iss != claims.sub {
        return Err(IssuerError::NotItself);
    }
    if let Some(account) = claims.nats.issuer_account() {
        PublicNkey::parse_kind(account, NkeyKind::Account).map_err(IssuerError::Account)?;
    }
    Ok(issuer)
}

/// Why a key may not sign claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// `iss` is not a public nkey.
    #[error("iss is not a public nkey")]
    Malformed(#[source] NkeyError),
    /// `iss` names something that may not sign claims of this type.
    #[error("a {found} key may not sign these claims: use one of {allowed:?}")]
    Kind {
        /// What `iss` names.
        found: NkeyKind,
        /// What it may name; empty for anything but a curve key.
        allowed: &'static [NkeyKind],
    },
    /// An account key signed another account.
    #[error("an account key may sign only its own account: let the operator sign")]
    NotItself,
    /// `issuer_account` is not a public account nkey.
    #[error("issuer_account is not an account")]
    Account(#[source] NkeyError),
}
