//! The envelope that every NATS JWT shares.

use std::collections::BTreeMap;

use data_encoding::BASE32_NOPAD;
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha512_256};

use crate::go_json::{self, is_zero, zero};
use crate::nkey::NkeyKind;

/// Fields that this crate does not know, kept so that re-encoding loses nothing.
pub type Extra = BTreeMap<String, Value>;

/// The version of the claims this crate reads and writes.
pub const VERSION: u64 = 2;

/// Claims with a body of one type. Times are Unix seconds; 0 and empty mean absent, as in Go.
///
/// The type and version of the body are not fields: they follow from `B`, are written by
/// [`encode`](crate::encode()) and checked by [`decode`](crate::decode()).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, bound(deserialize = "B: Body"))]
pub struct Claims<B: Body> {
    /// The audience of the claims.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub aud: String,
    /// Last second of validity.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub exp: i64,
    /// Hash of the other fields of the envelope, *not* of the body: set by `encode`, unique only as far as
    /// subject, issuer, name and times are.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub jti: String,
    /// When the claims were issued.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub iat: i64,
    /// Public nkey that signed: set by `encode`.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub iss: String,
    /// For people.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub name: String,
    /// First second of validity.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub nbf: i64,
    /// Public nkey that the claims are about.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub sub: String,
    /// The body.
    #[serde(serialize_with = "write_body", deserialize_with = "read_body")]
    pub nats: B,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl<B: Body> Claims<B> {
    /// Claims about `sub`, issued at `iat` (Unix seconds), with all else absent.
    #[must_use]
    pub fn with_body(sub: impl Into<String>, iat: i64, nats: B) -> Self {
        Self {
            sub: sub.into(),
            iat,
            nats,
            ..Self::default()
        }
    }

    /// The account that vouches: `issuer_account` of the body, or else `iss`.
    ///
    /// It has a meaning only for user and activation claims.
    #[must_use]
    pub fn issuer_account(&self) -> &str {
        self.nats.issuer_account().unwrap_or(&self.iss)
    }

    /// Checks the times at `now` (Unix seconds).
    ///
    /// # Errors
    ///
    /// [`TimesError::Expired`] once `now` is past `exp`, [`TimesError::NotYetValid`] before `nbf`,
    /// [`TimesError::IssuedInFuture`] if `iat` is past `now`: nats-server accepts that, and such a JWT
    /// outlives a revocation dated now.
    pub fn check_times(&self, now: i64) -> Result<(), TimesError> {
        if self.exp > 0 && now > self.exp {
            return Err(TimesError::Expired { exp: self.exp, now });
        }
        if self.nbf > 0 && self.nbf > now {
            return Err(TimesError::NotYetValid { nbf: self.nbf, now });
        }
        if self.iat > now {
            return Err(TimesError::IssuedInFuture { iat: self.iat, now });
        }
        Ok(())
    }

    /// The `jti` that belongs to these claims: base32 of the SHA-512/256 (FIPS 180-4) of the standard fields.
    pub(crate) fn hash(&self) -> Result<String, serde_json::Error> {
        /// The fields of Go's `ClaimsData`, in its order; `jti` is empty and so left out.
        #[derive(Serialize)]
        struct Standard<'a> {
            #[serde(skip_serializing_if = "str::is_empty")]
            aud: &'a str,
            #[serde(skip_serializing_if = "is_zero")]
            exp: i64,
            #[serde(skip_serializing_if = "is_zero")]
            iat: i64,
            #[serde(skip_serializing_if = "str::is_empty")]
            iss: &'a str,
            #[serde(skip_serializing_if = "str::is_empty")]
            name: &'a str,
            #[serde(skip_serializing_if = "is_zero")]
            nbf: i64,
            #[serde(skip_serializing_if = "str::is_empty")]
            sub: &'a str,
        }
        let json = go_json::to_string(&Standard {
            aud: &self.aud,
            exp: self.exp,
            iat: self.iat,
            iss: &self.iss,
            name: &self.name,
            nbf: self.nbf,
            sub: &self.sub,
        })?;
        Ok(BASE32_NOPAD.encode(&Sha512_256::digest(json)))
    }
}

/// Why claims are not valid at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimesError {
    /// Too late: issue again.
    #[error("the claims expired at {exp}, and it is {now}: issue them again")]
    Expired {
        /// Last second of validity.
        exp: i64,
        /// The time of the check.
        now: i64,
    },
    /// Too early: wait.
    #[error("the claims are valid from {nbf}, and it is {now}: wait, or compare the clocks")]
    NotYetValid {
        /// First second of validity.
        nbf: i64,
        /// The time of the check.
        now: i64,
    },
    /// Would outlive a revocation dated now: refuse.
    #[error(
        "the claims were issued at {iat}, and it is {now}: compare the clocks and issue them again"
    )]
    IssuedInFuture {
        /// When they say they were issued.
        iat: i64,
        /// The time of the check.
        now: i64,
    },
}

/// The `nats` part of claims, with one implementation for each type of JWT.
pub trait Body: Clone + Default + Serialize + DeserializeOwned {
    /// The `type` of the body; `None` reads and writes any.
    const TYPE: Option<&'static str>;
    /// The kind of nkey in `sub`; `None` allows any text.
    const SUBJECT: Option<NkeyKind>;
    /// The kinds of nkeys that may sign; empty allows every nkey that can sign.
    const ISSUERS: &'static [NkeyKind];
    /// Whether an issuer of the same kind as the subject must be the subject itself.
    const SELF_ISSUED: bool = false;

    /// The account that lists the issuer as a signing key, if the body names it.
    fn issuer_account(&self) -> Option<&str> {
        None
    }

    /// Sorts the body as Go writes it.
    fn sort(&mut self) {}

    /// Where unknown fields are kept.
    fn extra_mut(&mut self) -> &mut Extra;
}

/// The body, with the fields that the envelope adds to it.
#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "B: Body"))]
struct Typed<B: Body> {
    #[serde(flatten)]
    body: B,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    kind: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<Value>,
}

fn write_body<B: Body, S: Serializer>(body: &B, serializer: S) -> Result<S::Ok, S::Error> {
    let mut body = body.clone();
    body.sort();
    match B::TYPE {
        Some(kind) => {
            // A body that was read alone may contain them.
            body.extra_mut().remove("type");
            body.extra_mut().remove("version");
            Typed {
                body,
                kind: Some(kind.into()),
                version: Some(VERSION.into()),
            }
            .serialize(serializer)
        }
        None => {
            let version = VERSION.into();
            body.extra_mut().insert("version".to_owned(), version);
            body.serialize(serializer)
        }
    }
}

fn read_body<'de, B: Body, D: Deserializer<'de>>(deserializer: D) -> Result<B, D::Error> {
    if B::TYPE.is_none() {
        return zero(deserializer);
    }
    Ok(Typed::deserialize(deserializer)?.body)
}
