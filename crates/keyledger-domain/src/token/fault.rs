//! What may be wrong with evidence.

use super::{Firmware, PinPolicy, Serial, Slot, TouchPolicy};
use crate::algorithm::Algorithm;

/// What does not fit. `Display` says it to an administrator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceFault {
    /// The attestation does not lead to a trusted root, or cannot be read.
    #[error("slot {slot}: the attestation does not hold: {why}")]
    Attestation {
        /// Where.
        slot: Slot,
        /// What is wrong.
        why: Box<str>,
    },
    /// It attests a key of another token.
    #[error("slot {slot}: the attestation is of token {found}, not of {expected}")]
    Serial {
        /// Where.
        slot: Slot,
        /// The token of the task.
        expected: Serial,
        /// The token that made it.
        found: Serial,
    },
    /// It attests another slot.
    #[error("slot {slot}: the attestation is of slot {found}")]
    Slot {
        /// Where.
        slot: Slot,
        /// Which it attests.
        found: Slot,
    },
    /// The key asks for the PIN less often than it should.
    #[error("slot {slot}: the key's PIN policy is {}, not {}", found.as_str(), expected.as_str())]
    PinPolicy {
        /// Where.
        slot: Slot,
        /// The profile's.
        expected: PinPolicy,
        /// The attested one.
        found: PinPolicy,
    },
    /// The key asks to be touched less often than it should.
    #[error("slot {slot}: the key's touch policy is {}, not {}", found.as_str(), expected.as_str())]
    TouchPolicy {
        /// Where.
        slot: Slot,
        /// The profile's.
        expected: TouchPolicy,
        /// The attested one.
        found: TouchPolicy,
    },
    /// The key is of another algorithm.
    #[error("slot {slot}: the key is not {expected}")]
    Algorithm {
        /// Where.
        slot: Slot,
        /// The profile's.
        expected: Algorithm,
    },
    /// The request for a certificate is signed by another key than the attested one.
    #[error("slot {slot}: the request for a certificate does not hold: {why}")]
    Request {
        /// Where.
        slot: Slot,
        /// What is wrong.
        why: Box<str>,
    },
    /// A slot of the profile is missing, one too many is there, or one is there twice.
    #[error("slot {slot}: {why}")]
    Slots {
        /// Which.
        slot: Slot,
        /// What is wrong.
        why: &'static str,
    },
    /// Another key was attested than the one that was made for the task.
    #[error("slot {slot}: the key is not the one that was made for this task")]
    OtherKey {
        /// Where.
        slot: Slot,
    },
    /// The key did not sign the statement.
    #[error("slot {slot}: the key did not prove itself")]
    Proof {
        /// Where.
        slot: Slot,
    },
    /// The certificate in the slot is not the one that was issued.
    #[error("slot {slot}: the certificate in it is not the one that was issued")]
    Certificate {
        /// Where.
        slot: Slot,
    },
    /// The nonce is another task's.
    #[error("the nonce is not this task's: old evidence, or another's")]
    Nonce,
    /// The firmware is not the one that the attestations name.
    #[error("the token says firmware {said}, and its attestations {attested}")]
    Firmware {
        /// What was reported.
        said: Firmware,
        /// What is attested.
        attested: Firmware,
    },
    /// A factory secret still opens the token.
    #[error("the factory's {0} was not refused")]
    Factory(&'static str),
    /// The ledger knows the key from before: its evidence is old, or another's.
    #[error("{place}: the key was on a token before: old evidence, or another's")]
    UsedBefore {
        /// Where it is said to be.
        place: Box<str>,
    },
    /// The OpenPGP keys are not what the profile asks for.
    #[error("{place}: {why}")]
    Openpgp {
        /// Which key.
        place: Box<str>,
        /// What is wrong.
        why: &'static str,
    },
    /// A token that was to be reset is not in the factory's state.
    #[error("the token is not in the factory's state")]
    NotReset,
}

impl EvidenceFault {
    /// Its stable name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Attestation { .. } => "attestation",
            Self::Serial { .. } => "serial",
            Self::Slot { .. } => "slot",
            Self::PinPolicy { .. } => "pin_policy",
            Self::TouchPolicy { .. } => "touch_policy",
            Self::Algorithm { .. } => "algorithm",
            Self::Request { .. } => "request",
            Self::Slots { .. } => "slots",
            Self::OtherKey { .. } => "other_key",
            Self::Proof { .. } => "proof",
            Self::Certificate { .. } => "certificate",
            Self::Nonce => "nonce",
            Self::Firmware { .. } => "firmware",
            Self::Factory(_) => "factory",
            Self::Openpgp { .. } => "openpgp",
            Self::UsedBefore { .. } => "used_before",
            Self::NotReset => "not_reset",
        }
    }
}
