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

/// The bytes of a signature in a token, with the dot before it: 64 bytes in base64.
const SIGNATURE_BYTES: usize = 1 + 86;

/// Signs `claims`: sets `iss` and `jti`, adds type and version, and writes the bytes that Go would.
///
/// Deterministic: the same claims and key give the same token.
///
/// # Errors
///
/// As [`Draft::new`]; [`EncodeError::Sign`] if the key did not sign.
pub fn encode<B: Body>(claims: &Claims<B>, signer: &dyn Signer) -> Result<String, EncodeError> {
    let draft = Draft::new(claims, signer.public_nkey())?;
    let signature = signer.sign(draft.to_be_signed());
    Ok(draft.finish(&signature.map_err(EncodeError::Sign)?))
}

/// Claims that are ready to be signed, for a signer that does not answer at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft(String);

impl Draft {
    /// Writes `claims` for a signer with this public nkey.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if subject or issuer do not fit the type, the time of issue is missing, or the token would be longer than
    /// [`MAX_TOKEN_BYTES`].
    pub fn new<B: Body>(claims: &Claims<B>, issuer: &str) -> Result<Self, EncodeError> {
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
        issuer.clone_into(&mut claims.iss);
        rules::check_issuer(&claims).map_err(EncodeError::Issuer)?;
        claims.jti = claims.hash().map_err(EncodeError::Unserialisable)?;

        let payload = go_json::to_string(&claims).map_err(EncodeError::Unserialisable)?;
        let mut token = URL_SAFE_NO_PAD.encode(HEADER);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let draft = Self(token);
        match draft.token_bytes() {
            bytes if bytes > MAX_TOKEN_BYTES => Err(EncodeError::TooLong { bytes }),
            _ => Ok(draft),
        }
    }

    /// What the signature must be over.
    #[must_use]
    pub fn to_be_signed(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// How many bytes the token will have.
    #[must_use]
    pub const fn token_bytes(&self) -> usize {
        self.0.len() + SIGNATURE_BYTES
    }

    /// The token.
    #[must_use]
    pub fn finish(self, signature: &[u8; 64]) -> String {
        let mut token = self.0;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }
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
