//! Turns claims into a signed token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::claims::{Body, Claims};
use crate::go_json;
use crate::nkey::{NkeyError, PublicNkey};
use crate::rules::{self, IssuerError};
use crate::signer::{SignError, Signer};

/// The only header that is written or read.
const HEADER: &str = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;

/// The longest token that is written or read, in bytes: what a resolver accepts in one message.
pub const MAX_TOKEN_BYTES: usize = 1024 * 1024;

/// Signs `claims`: sets `iss` and `jti`, adds type and version, and writes the bytes that Go would.
///
/// Deterministic: the same claims and key give the same token.
///
/// # Errors
///
/// [`EncodeError`] if subject or issuer do not fit the type, the time of issue is missing, the key did not
/// sign, or the token is longer than [`MAX_TOKEN_BYTES`].
pub fn encode<B: Body>(claims: &Claims<B>, signer: &dyn Signer) -> Result<String, EncodeError> {
    if claims.iat <= 0 {
        return Err(EncodeError::NotIssued);
    }
    match B::SUBJECT {
        Some(kind) => {
            PublicNkey::parse_kind(&claims.sub, kind).map_err(EncodeError::Subject)?;
        }
        None if claims.sub.is_empty() => return Err(EncodeError::NoSubject),
        None => {}
    }
    let mut claims = claims.clone();
    claims.iss = signer.public_nkey().to_owned();
    rules::check_issuer(&claims).map_err(EncodeError::Issuer)?;
    claims.jti = claims.hash().map_err(EncodeError::Unserialisable)?;

    let payload = go_json::to_string(&claims).map_err(EncodeError::Unserialisable)?;
    let mut token = URL_SAFE_NO_PAD.encode(HEADER);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = signer.sign(token.as_bytes()).map_err(EncodeError::Sign)?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    if token.len() > MAX_TOKEN_BYTES {
        return Err(EncodeError::TooLong { bytes: token.len() });
    }
    Ok(token)
}

/// Why claims were not signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// `iat` is 0 or less: give the time of issue.
    #[error("the claims have no time of issue: set iat to Unix seconds")]
    NotIssued,
    /// `sub` is empty: name the subject of the claims.
    #[error("the claims have no subject: set sub")]
    NoSubject,
    /// `sub` is of a kind that claims of this type cannot be about.
    #[error("the claims cannot be about this subject")]
    Subject(#[source] NkeyError),
    /// This key may not sign claims of this type.
    #[error("the claims cannot be signed with this key")]
    Issuer(#[source] IssuerError),
    /// An unknown field cannot be written as JSON.
    #[error("the claims cannot be written as JSON")]
    Unserialisable(#[source] serde_json::Error),
    /// The custodian of the key did not sign.
    #[error("the claims were not signed")]
    Sign(#[source] SignError),
    /// Longer than a resolver accepts: remove revocations that are no longer needed.
    #[error("the token has {bytes} bytes, the most is {MAX_TOKEN_BYTES}: drop old revocations")]
    TooLong {
        /// Bytes of the token.
        bytes: usize,
    },
}
