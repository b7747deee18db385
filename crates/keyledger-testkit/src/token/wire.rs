//! What travels over the control socket: one JSON object a line, question and answer in turn.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::device::Firmware;
use super::fault::{Fault, Touch};
use super::openpgp::TouchFlag;
use super::piv::{Algorithm, ManagementAlgorithm, PinPolicy, TouchPolicy};

/// A question or an order.
#[derive(Serialize, Deserialize)]
pub(crate) struct ControlRequest {
    /// Which token, counted from 0.
    pub(crate) token: usize,
    #[serde(flatten)]
    pub(crate) action: ControlAction,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum ControlAction {
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
pub(crate) enum ControlReply {
    Done,
    State(Box<TokenState>),
    Is(bool),
    Refused(String),
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
