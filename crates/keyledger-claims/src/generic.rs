//! Generic claims: a body of any shape. `$SYS.REQ.CLAIMS.DELETE` takes one.

use serde::{Deserialize, Serialize};

use crate::claims::{Body, Claims, Extra};
use crate::nkey::NkeyKind;

/// Claims with a body of any shape; also reads claims of every other type.
pub type GenericClaims = Claims<GenericBody>;

impl GenericClaims {
    /// Claims about `sub` with an empty body.
    #[must_use]
    pub fn new(sub: impl Into<String>, iat: i64) -> Self {
        Self::with_body(sub, iat, GenericBody::default())
    }

    /// The claims for `$SYS.REQ.CLAIMS.DELETE`: `operator` is the subject, and must sign them too.
    ///
    /// Under `strict_signing_key_usage` that is an operator *signing* key.
    #[must_use]
    pub fn delete_accounts<A: Into<String>>(
        operator: impl Into<String>,
        accounts: impl IntoIterator<Item = A>,
        iat: i64,
    ) -> Self {
        let mut claims = Self::new(operator, iat);
        let accounts: Vec<String> = accounts.into_iter().map(Into::into).collect();
        claims
            .nats
            .data
            .insert("accounts".to_owned(), accounts.into());
        claims
    }
}

/// The `nats` part of generic claims.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GenericBody {
    /// Every field, `type` and `version` included.
    pub data: Extra,
}

impl Body for GenericBody {
    const TYPE: Option<&'static str> = None;
    const SUBJECT: Option<NkeyKind> = None;
    const ISSUERS: &'static [NkeyKind] = &[];

    fn extra_mut(&mut self) -> &mut Extra {
        &mut self.data
    }
}
