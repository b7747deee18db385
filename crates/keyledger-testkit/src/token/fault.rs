//! What a test can have happen to a token: a touch or none, and what may be wrong with it.

use serde::{Deserialize, Serialize};

/// What happens when a token blinks.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Touch {
    /// It is touched at once.
    #[default]
    Given,
    /// It goes on blinking: the command hangs until this changes, or 15 seconds have gone.
    Withheld,
    /// The 15 seconds have gone at once.
    TimedOut,
}

/// What may be wrong with a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// It is pulled out at the `nth` command with this instruction from now on; once.
    Remove {
        /// Of a whole command; the parts of a chained one count once.
        instruction: u8,
        /// 1 is the next.
        nth: u32,
        /// Whether the command still has its effect.
        when: When,
    },
    /// It answers the `nth` command with this instruction with this status word, and does nothing; once.
    Answer {
        /// Of a whole command; the parts of a chained one count once.
        instruction: u8,
        /// 1 is the next.
        nth: u32,
        /// For example `0x6f00`.
        status: u16,
    },
    /// It is pulled out while it answers the `nth` command with this instruction: so many bytes of the answer are heard; once.
    CutOff {
        /// Of a whole command; the parts of a chained one count once.
        instruction: u8,
        /// 1 is the next.
        nth: u32,
        /// 0 is an empty answer.
        bytes: usize,
    },
    /// PIV does not know GET SERIAL, as before firmware 5: management and OTP say it.
    WithoutGetSerial,
    /// It says its serial number nowhere, as its owner may wish.
    HidesSerial,
    /// PIV is switched off: it cannot be selected.
    PivOff,
    /// It is held to a reader of NFC, and restricted there until it is plugged into USB: nothing can be selected.
    NfcRestricted,
    /// It has a fingerprint reader, and so no PUK, and retries that cannot be set.
    Fingerprints {
        /// FIDO is configured: PIV alone cannot be reset.
        fido: bool,
    },
    /// It is of the FIPS series: PIV keys ask for a PIN always, none is of X25519, PIN and PUK have eight characters.
    Fips,
    /// It refuses this new PIN as too simple, with this status word: 6985, or 6a80.
    RefusesPin {
        /// Which.
        pin: String,
        /// What it answers.
        status: u16,
    },
    /// It refuses the next values that are to become this, with this status word: 6985, or 6a80.
    FindsTooSimple {
        /// What is set.
        secret: NewSecret,
        /// How many values.
        times: u32,
        /// What it answers.
        status: u16,
    },
    /// It is told to refuse simple values of everything that a person may type, as firmware 5.7 can be.
    PinComplexity,
    /// The metadata of the slot says that its PIN policy has this number; 4 and 5 are those of fingerprints.
    ReportsPinPolicy {
        /// For example `0x9a`.
        slot: u8,
        /// The policy.
        number: u8,
    },
    /// It says everywhere that it has this serial number, as if another token had been plugged in instead.
    PosesAsSerial {
        /// For example 2000001.
        serial: u32,
    },
    /// The attestation of the slot names another serial number.
    AttestsOtherSerial {
        /// For example `0x9a`.
        slot: u8,
    },
    /// The attestation of the slot is for a key that is not there.
    AttestsOtherKey {
        /// For example `0x9a`.
        slot: u8,
    },
    /// All attestations, and the certificate of the attestation key, come from a root nobody knows.
    AttestsUnderUnknownRoot,
    /// The attestation of the slot says that no touch is needed.
    AttestsWithoutTouch {
        /// For example `0x9a`.
        slot: u8,
    },
    /// The metadata of the slot says that no touch is needed.
    ReportsWithoutTouch {
        /// For example `0x9a`.
        slot: u8,
    },
    /// An imported key poses as one generated on the token, in metadata and attestation.
    PosesAsGenerated {
        /// For example `0x9d`.
        slot: u8,
    },
}

/// What may be set on a token, and be too simple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "their names say all there is")]
pub enum NewSecret {
    Pin,
    Puk,
    OpenPgpPin,
    OpenPgpAdminPin,
    OpenPgpResetCode,
}

/// Before or after a command has had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Nothing has happened.
    Before,
    /// It has happened, and the answer is never heard.
    After,
}
