//! Activation claims: an exporter lets one account import.

use serde::{Deserialize, Serialize};

use crate::account::ExportType;
use crate::claims::{Body, Claims, Extra};
use crate::go_json::{is_zero, zero};
use crate::nkey::NkeyKind;

/// Claims that let the account `sub` import a subject, signed by the exporting account or its signing key.
pub type ActivationClaims = Claims<ActivationBody>;

impl ActivationClaims {
    /// Lets the account `sub` import `subject`.
    #[must_use]
    pub fn new(
        sub: impl Into<String>,
        subject: impl Into<String>,
        kind: ExportType,
        iat: i64,
    ) -> Self {
        let subject = subject.into();
        Self::with_body(
            sub,
            iat,
            ActivationBody {
                subject,
                kind,
                ..ActivationBody::default()
            },
        )
    }
}

/// The `nats` part of activation claims.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActivationBody {
    /// What may be imported; may be narrower than the export.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub subject: String,
    /// Stream or service.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub kind: ExportType,
    /// The exporting account, where `iss` is one of its signing keys.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub issuer_account: String,
    /// Lower-case labels.
    #[serde(deserialize_with = "zero", skip_serializing_if = "is_zero")]
    pub tags: Vec<String>,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Body for ActivationBody {
    const TYPE: Option<&'static str> = Some("activation");
    const SUBJECT: Option<NkeyKind> = Some(NkeyKind::Account);
    const ISSUERS: &'static [NkeyKind] = &[NkeyKind::Account];

    fn issuer_account(&self) -> Option<&str> {
        Some(self.issuer_account.as_str()).filter(|account| !account.is_empty())
    }

    fn extra_mut(&mut self) -> &mut Extra {
        &mut self.extra
    }
}
