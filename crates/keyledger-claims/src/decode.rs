//! A signed token to claims.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::claims::{Body, Claims, VERSION};
use crate::encode::MAX_TOKEN_BYTES;
use crate::go_json::zero;
use crate::nkey::{NkeyError, PublicNkey};
use crate::rules::{self, IssuerError};

/// Reads a token: header, signature, type, and whether this issuer may say this about this subject.
///
/// Whether the issuer is *trusted*, and whether the claims hold at a [time](Claims::check_times), is for the
/// caller to ask. White space around the token is ignored. Never panics.
///
/// # Errors
///
/// [`DecodeError`], whose variants follow the order of the checks.
pub fn decode<B: Body>(token: &str) -> Result<Claims<B>, DecodeError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(DecodeError::TooLong { bytes: token.len() });
    }
    let token = token.trim();
    let parts: Vec<&str> = token.splitn(5, '.').collect();
    let &[header, payload, signature] = parts.as_slice() else {
        return Err(DecodeError::Parts { found: parts.len() });
    };
    check_header(&bytes_of(header, JwtPart::Header)?)?;
    let json = bytes_of(payload, JwtPart::Claims)?;
    let signature = bytes_of(signature, JwtPart::Signature)?;
    check_type::<B>(&json)?;
    let claims: Claims<B> = serde_json::from_slice(&json).map_err(DecodeError::Claims)?;

    let issuer = rules::check_issuer(&claims).map_err(DecodeError::Issuer)?;
    let signed = &token.as_bytes()[..header.len() + 1 + payload.len()];
    KeyPair::from_public_key(issuer.as_str())
        .and_then(|key| key.verify(signed, &signature))
        .map_err(|_| DecodeError::Signature)?;
    match B::SUBJECT {
        Some(kind) => {
            PublicNkey::parse_kind(&claims.sub, kind).map_err(DecodeError::Subject)?;
        }
        None if claims.sub.is_empty() => return Err(DecodeError::NoSubject),
        None => {}
    }
    Ok(claims)
}

/// Flattened into a struct, keeps serde from reading the struct from an array too.
type ObjectOnly = BTreeMap<String, IgnoredAny>;

fn bytes_of(text: &str, part: JwtPart) -> Result<Vec<u8>, DecodeError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|source| DecodeError::Base64 { part, source })
}

fn check_header(json: &[u8]) -> Result<(), DecodeError> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Header {
        #[serde(deserialize_with = "zero")]
        typ: String,
        #[serde(deserialize_with = "zero")]
        alg: String,
        #[serde(flatten)]
        _rest: ObjectOnly,
    }
    let Header { typ, alg, .. } = serde_json::from_slice(json).map_err(DecodeError::Header)?;
    if !typ.eq_ignore_ascii_case("JWT") {
        return Err(DecodeError::NotJwt { typ });
    }
    if alg.eq_ignore_ascii_case("ed25519") {
        return Err(DecodeError::Version { found: 1 });
    }
    if !alg.eq_ignore_ascii_case("ed25519-nkey") {
        return Err(DecodeError::Algorithm { alg });
    }
    Ok(())
}

/// Finds out type and version first, so that a user is not reported as a malformed account.
fn check_type<B: Body>(json: &[u8]) -> Result<(), DecodeError> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Envelope {
        #[serde(rename = "type", deserialize_with = "zero")]
        kind: String,
        #[serde(deserialize_with = "zero")]
        nats: Marks,
        #[serde(flatten)]
        _rest: ObjectOnly,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Marks {
        #[serde(rename = "type", deserialize_with = "zero")]
        kind: String,
        #[serde(deserialize_with = "zero")]
        version: i64,
        #[serde(flatten)]
        _rest: ObjectOnly,
    }
    let Some(expected) = B::TYPE else {
        return Ok(());
    };
    let found: Envelope = serde_json::from_slice(json).map_err(DecodeError::Claims)?;
    if !found.kind.is_empty() {
        // Only version 1 had the type outside.
        return Err(DecodeError::Version { found: 1 });
    }
    if found.nats.kind != expected {
        return Err(DecodeError::Type {
            expected,
            found: found.nats.kind,
        });
    }
    if u64::try_from(found.nats.version) != Ok(VERSION) {
        return Err(DecodeError::Version {
            found: found.nats.version,
        });
    }
    Ok(())
}

/// One of the three parts of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtPart {
    /// The first.
    Header,
    /// The second.
    Claims,
    /// The third.
    Signature,
}

impl std::fmt::Display for JwtPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Claims => "claims",
            Self::Signature => "signature",
        })
    }
}

/// Why a token was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Longer than anything a resolver takes: this is no NATS JWT.
    #[error("the token has {bytes} bytes, the most is {MAX_TOKEN_BYTES}")]
    TooLong {
        /// Bytes found.
        bytes: usize,
    },
    /// Not three parts: copy all of the token, without the lines around it.
    #[error("a token is three parts joined by dots, this has {found}: copy all of it")]
    Parts {
        /// Parts found; 5 stands for 5 and more.
        found: usize,
    },
    /// A part is not base64url without padding: copy all of the token.
    #[error("the {part} is not base64url without padding: copy all of the token")]
    Base64 {
        /// Which part.
        part: JwtPart,
        /// Where it goes wrong.
        source: base64::DecodeError,
    },
    /// The header is not a JSON object with `typ` and `alg`.
    #[error("the header is not that of a JWT")]
    Header(#[source] serde_json::Error),
    /// `typ` is not `JWT`.
    #[error("the token says it is a {typ:?}, not a JWT")]
    NotJwt {
        /// What it says.
        typ: String,
    },
    /// `alg` is not `ed25519-nkey`: this is no NATS JWT, or a forgery (`none`).
    #[error("the algorithm is {alg:?}, and NATS knows ed25519-nkey only: do not trust the token")]
    Algorithm {
        /// What it says.
        alg: String,
    },
    /// The claims are not the JSON that claims of this type are.
    #[error("the claims are malformed")]
    Claims(#[source] serde_json::Error),
    /// Claims of another type.
    #[error("these are {found:?} claims: give {expected} claims")]
    Type {
        /// The type asked for.
        expected: &'static str,
        /// The type found.
        found: String,
    },
    /// Not version 2: issue the claims again with a tool of this decade.
    #[error("the claims are of version {found}, and 2 is read: issue them again")]
    Version {
        /// The version found.
        found: i64,
    },
    /// This issuer may not sign claims of this type.
    #[error("the issuer may not sign these claims")]
    Issuer(#[source] IssuerError),
    /// The signature is not the issuer's: the token was damaged or forged.
    #[error("the signature is not the issuer's: the token was damaged or forged")]
    Signature,
    /// `sub` does not name what claims of this type are about.
    #[error("the claims are about the wrong thing")]
    Subject(#[source] NkeyError),
    /// `sub` is empty.
    #[error("the claims have no subject")]
    NoSubject,
}
