//! An enrolment: what a workstation's agent is given, in a file, so that it can begin. Holds no secret.

use std::str::FromStr as _;

use keyledger_domain::Name;
use serde::{Deserialize, Serialize};

use crate::Prefix;

/// What an agent is given when it is enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// The form's version.
    pub version: u32,
    /// The workstation: the name of the agent's user.
    pub workstation: Name,
    /// Where its server is.
    pub url: String,
    /// What all subjects begin with.
    pub prefix: String,
    /// The JWT of its user, for the nkey it made itself.
    pub jwt: String,
    /// The public nkeys that sign the ledger: a task is believed under one of them only.
    pub signers: Vec<String>,
    /// The operator's public nkey (`O…`).
    pub operator: String,
}

/// Why a file is no enrolment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no enrolment of an agent: {0}")]
pub struct NotAnEnrolment(String);

impl Enrolment {
    /// The version that is written.
    pub const VERSION: u32 = 1;
    /// The largest file, in bytes.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Reads an enrolment.
    ///
    /// # Errors
    ///
    /// [`NotAnEnrolment`], which says what does not fit.
    pub fn read(bytes: &[u8]) -> Result<Self, NotAnEnrolment> {
        let refuse = |said: String| Err(NotAnEnrolment(said));
        if bytes.len() > Self::MAX_BYTES {
            return refuse(format!("it has more than {} bytes", Self::MAX_BYTES));
        }
        let read: Self =
            serde_json::from_slice(bytes).map_err(|e| NotAnEnrolment(e.to_string()))?;
        if read.version != Self::VERSION {
            return refuse(format!(
                "it is of version {}, and this program reads version {}: use one of the same version",
                read.version,
                Self::VERSION
            ));
        }
        Prefix::from_str(&read.prefix).map_err(|e| NotAnEnrolment(e.to_string()))?;
        if read.signers.is_empty() || read.signers.len() > 64 {
            return refuse("it names no signer of the ledger, or more than 64".to_owned());
        }
        Ok(read)
    }
}
