//! What travels over the control socket: one JSON object a line, question and answer in turn.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::device::Firmware;
use super::openpgp::TouchFlag;
use super::piv::{Algorithm, ManagementAlgorithm, PinPolicy, TouchPolicy};

/// A question or an order.
#[derive(Serialize, Deserialize)]
pub(crate) struct Request {
    /// Which token, counted from 0.
    pub(crate) token: usize,
    #[serde(flatten)]
    pub(crate) action: Action,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Action {
    /// Plugs it in and answers when clients can connect.
    Insert,
    Remove,
    Touch {
        touch: Touch,
    },
    Fault {
        fault: Fault,
    },
    ClearFaults,
    State,
    PinIs {
        value: String,
    },
    PukIs {
        value: String,
    },
    OpenPgpPinIs {
        value: String,
    },
    OpenPgpAdminPinIs {
        value: String,
    },
    OpenPgpResetCodeIs {
        value: String,
    },
    /// The key in hexadecimal digits.
    ManagementKeyIs {
        value: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    Done,
    State(Box<TokenState>),
    Is(bool),
    Refused(String),
}

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

/// The truth about a token, which no client can ask it for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "their names say all there is")]
pub struct TokenState {
    pub serial: u32,
    pub firmware: Firmware,
    pub inserted: bool,
    /// Whether it blinks now.
    pub awaiting_touch: bool,
    /// How often it was touched since the stack was started.
    pub touches: u64,
    /// How many whole commands came, by instruction, since the stack was started.
    pub operations: BTreeMap<u8, u64>,
    /// How many commands it answered since the stack was started, the parts of chained ones and of long answers counted each.
    pub answers: u64,
    /// How long it has worked on them, in microseconds, waiting for touches and writing its file included.
    pub busy_us: u64,
    /// Planted and not used up.
    pub faults_left: usize,
    pub pin_is_factory: bool,
    pub pin_tries: u8,
    pub pin_tries_left: u8,
    pub puk_is_factory: bool,
    pub puk_tries: u8,
    pub puk_tries_left: u8,
    pub management_key_is_factory: bool,
    pub management_algorithm: ManagementAlgorithm,
    /// By number, without the attestation key's.
    pub slots: BTreeMap<u8, SlotState>,
    /// Data objects by number, for example `0x5fc105`, without the attestation key's certificate.
    pub objects: Vec<u32>,
    pub openpgp: OpenPgpState,
}

/// The truth about the OpenPGP applet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "their names say all there is")]
pub struct OpenPgpState {
    pub pin_is_factory: bool,
    pub pin_tries_left: u8,
    /// 0 also if there is none.
    pub reset_code_tries_left: u8,
    pub admin_pin_is_factory: bool,
    pub admin_pin_tries_left: u8,
    /// Made by the signature key that is there now.
    pub signatures: u32,
    pub sign: Option<OpenPgpKeyState>,
    pub decrypt: Option<OpenPgpKeyState>,
    pub authenticate: Option<OpenPgpKeyState>,
}

/// The truth about an OpenPGP key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "their names say all there is")]
pub struct OpenPgpKeyState {
    pub algorithm: Algorithm,
    /// On the token, not imported.
    pub generated: bool,
    pub touch: TouchFlag,
    /// As the client wrote it, 20 bytes.
    #[serde(with = "super::hex")]
    pub fingerprint: Vec<u8>,
    /// SubjectPublicKeyInfo in DER.
    #[serde(with = "super::hex")]
    pub public_key: Vec<u8>,
}

/// The truth about a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "their names say all there is")]
pub struct SlotState {
    pub algorithm: Algorithm,
    pub pin_policy: PinPolicy,
    pub touch_policy: TouchPolicy,
    /// On the token, not imported.
    pub generated: bool,
    /// SubjectPublicKeyInfo in DER.
    #[serde(with = "super::hex")]
    pub public_key: Vec<u8>,
}
