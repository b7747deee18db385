//! What an agent reports of a token: announcements, progress, and evidence.
//!
//! A report is the payload of `keys.reports.{agent nkey}.{task}`. Everything in it is claimed, nothing believed, until
//! the service has checked it.

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct as _};

use super::{Applet, Firmware, FormFactor, PinPolicy, Restriction, Serial, Slot, TouchPolicy};
use crate::{algorithm::Algorithm, text::Note};

/// What an agent reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "report", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(with = "serde_json::Value")]
#[allow(clippy::large_enum_variant)] // a report lives for one decision
pub enum Report {
    /// A token is plugged in, or what it shows has changed.
    Announced(Announcement),
    /// A step of a task begins.
    Progressed(Progress),
    /// Who vouches for the token: asked before anything on it is destroyed, and refused where nobody is believed to.
    AttesterShown(AttesterShown),
    /// The token's secrets, sealed to the task's curve key, before they are set on the token.
    SecretsSealed(SecretsSealed),
    /// The token's secrets are needed: to unblock its PIN, or to make new ones.
    SecretsWanted(SecretsWanted),
    /// The key that decrypts is needed, where it is made in custody: to import it.
    EscrowWanted(EscrowWanted),
    /// The keys were made on the token: their attestations, and requests for certificates.
    KeysMade(KeysMade),
    /// Everything is on the token: the evidence.
    Proved(Evidence),
    /// The task cannot go on.
    Failed(Failure),
}

/// The last token of the subject of an announcement: what is no task's.
pub const ANNOUNCEMENTS: &str = "tokens";

/// What a token shows to anybody.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announcement {
    /// Its serial number.
    pub serial: Serial,
    /// Its firmware.
    pub firmware: Firmware,
    /// What it looks like.
    pub form_factor: FormFactor,
    /// What it can do; at most 8.
    pub applets: Vec<Applet>,
    /// The slots in use; at most 24.
    pub slots: Vec<SlotShown>,
    /// PINs that may still be tried; absent where the token does not say.
    #[serde(default)]
    pub pin_tries: Option<u8>,
    /// PUKs that may still be tried; absent where the token does not say.
    #[serde(default)]
    pub puk_tries: Option<u8>,
    /// True if the PIN is the factory's, as the token's metadata says.
    #[serde(default)]
    pub factory_pin: Option<bool>,
    /// What it does not let be done with its PIV; at most 8.
    #[serde(default)]
    pub restrictions: Vec<Restriction>,
}

impl Serialize for Announcement {
    /// Without restrictions where there are none, as it was written before they were known; a snapshot has every field.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let absent = self.restrictions.is_empty() && serializer.is_human_readable();
        let fields = 9 - usize::from(absent);
        let mut shown = serializer.serialize_struct("Announcement", fields)?;
        shown.serialize_field("serial", &self.serial)?;
        shown.serialize_field("firmware", &self.firmware)?;
        shown.serialize_field("form_factor", &self.form_factor)?;
        shown.serialize_field("applets", &self.applets)?;
        shown.serialize_field("slots", &self.slots)?;
        shown.serialize_field("pin_tries", &self.pin_tries)?;
        shown.serialize_field("puk_tries", &self.puk_tries)?;
        shown.serialize_field("factory_pin", &self.factory_pin)?;
        if !absent {
            shown.serialize_field("restrictions", &self.restrictions)?;
        }
        shown.end()
    }
}

/// What a token shows of a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotShown {
    /// Which.
    pub slot: Slot,
    /// Its algorithm; absent if this version does not know it.
    #[serde(default)]
    pub algorithm: Option<Algorithm>,
    /// True if it was generated on the token, false if imported.
    pub generated: bool,
    /// When it asks for the PIN.
    pub pin: PinPolicy,
    /// When it asks to be touched.
    pub touch: TouchPolicy,
    /// Base64 of the DER `SubjectPublicKeyInfo`.
    pub public_key: Box<str>,
}

/// A step of a task, in the order in which it is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The agent has taken the task, and waits for the token.
    Taken,
    /// PIV, and OpenPGP where the profile has it, are reset to the factory's state.
    Reset,
    /// PIN, PUK, management key and their retries are set.
    Secrets,
    /// The keys are generated.
    Keys,
    /// Certificates are asked for and written.
    Certificates,
    /// OpenPGP keys are made or imported, their touch flags set.
    Openpgp,
    /// Each key signs the nonce; the factory's secrets are tried.
    Proof,
}

impl Step {
    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Reset => "reset",
            Self::Secrets => "secrets",
            Self::Keys => "keys",
            Self::Certificates => "certificates",
            Self::Openpgp => "openpgp",
            Self::Proof => "proof",
        }
    }
}

/// What the person at the token must do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Plug the token in.
    InsertToken,
    /// Type a new PIN at the agent's prompt.
    ChoosePin,
    /// Type the PIN.
    EnterPin,
    /// Touch the token's contact while it blinks.
    Touch,
    /// Release the token: another program holds it.
    ReleaseToken,
    /// Type the token's serial number, to agree that everything on it is destroyed.
    ConfirmReset,
    /// Start pcscd: no token can be reached without it.
    StartPcscd,
}

impl Prompt {
    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InsertToken => "insert_token",
            Self::ChoosePin => "choose_pin",
            Self::EnterPin => "enter_pin",
            Self::Touch => "touch",
            Self::ReleaseToken => "release_token",
            Self::ConfirmReset => "confirm_reset",
            Self::StartPcscd => "start_pcscd",
        }
    }

    /// What to say to the person.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::InsertToken => "plug the token in",
            Self::ChoosePin => "choose a PIN at the agent's prompt",
            Self::EnterPin => "enter the PIN at the agent's prompt",
            Self::Touch => "touch the token while it blinks",
            Self::ReleaseToken => "another program holds the token: let it go",
            Self::ConfirmReset => {
                "everything on the token is about to be destroyed: type its serial number at the agent's prompt to agree"
            }
            Self::StartPcscd => {
                "the smart card service does not answer: start it (`systemctl start pcscd.socket`)"
            }
        }
    }
}

/// A step begins, or waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The token.
    pub serial: Serial,
    /// The step.
    pub step: Step,
    /// What the person must do now.
    #[serde(default)]
    pub prompt: Option<Prompt>,
    /// What is being worked on: a slot, or an OpenPGP key.
    #[serde(default)]
    pub at: Option<Note>,
}

/// Who vouches for the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttesterShown {
    /// The token.
    pub serial: Serial,
    /// Base64 of the DER certificate of the token's attestation key (slot f9).
    pub attester: Box<str>,
}

/// The token's secrets, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsSealed {
    /// The token.
    pub serial: Serial,
    /// The public curve key it was sealed with, made for this alone.
    pub sender: Box<str>,
    /// Base64 of the sealed bytes, in NATS's `xkv1` form; at most 4,096 bytes.
    pub sealed: Box<str>,
}

/// The token's secrets are needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsWanted {
    /// The token.
    pub serial: Serial,
    /// The agent's public curve key (`X…`): they are sealed to it in the answer.
    pub seal_to: Box<str>,
}

/// The key that decrypts is needed, to be imported. A key of the token vouches for who asks: whoever has the agent's nkey alone is given
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EscrowWanted {
    /// The token.
    pub serial: Serial,
    /// The agent's public curve key (`X…`): it is sealed to it in the answer.
    pub seal_to: Box<str>,
    /// The slot whose key vouches: one of the profile's that signs.
    pub slot: Slot,
    /// Base64 of the DER certificate of the token's attestation key (slot f9).
    pub attester: Box<str>,
    /// Base64 of the DER attestation certificate of the key, made for this task.
    pub attestation: Box<str>,
    /// Base64 of its signature over the [`statement`] with [`vouched_place`](super::vouched_place) as place.
    pub proof: Box<str>,
}

/// The keys were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysMade {
    /// The token.
    pub serial: Serial,
    /// Base64 of the DER certificate of the token's attestation key (slot f9).
    pub attester: Box<str>,
    /// A key for each slot of the profile.
    pub keys: Vec<KeyMade>,
    /// The OpenPGP keys.
    #[serde(default)]
    pub openpgp: Vec<OpenpgpKeyMade>,
}

/// A key was made in a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyMade {
    /// The slot.
    pub slot: Slot,
    /// Base64 of the DER attestation certificate.
    pub attestation: Box<str>,
    /// Base64 of a DER PKCS#10 request, signed by the key; absent where the profile asks for no certificate.
    #[serde(default)]
    pub request: Option<Box<str>>,
}

/// Which OpenPGP key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenpgpRole {
    /// Signs.
    Sign,
    /// Decrypts.
    Encrypt,
    /// Authenticates.
    Authenticate,
}

impl OpenpgpRole {
    /// All of them, in the order of the card's slots.
    pub const ALL: [Self; 3] = [Self::Sign, Self::Encrypt, Self::Authenticate];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sign => "sign",
            Self::Encrypt => "encrypt",
            Self::Authenticate => "authenticate",
        }
    }

    /// Where such a key lies: `openpgp.sign`.
    #[must_use]
    pub fn place(self) -> String {
        format!("openpgp.{}", self.as_str())
    }
}

/// An OpenPGP key was made on, or imported to, the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenpgpKeyMade {
    /// Which.
    pub role: OpenpgpRole,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Base64 of the DER `SubjectPublicKeyInfo`.
    pub public_key: Box<str>,
    /// When it was made, in seconds since 1970: part of its fingerprint.
    pub created_at: i64,
    /// Its version 4 fingerprint, 40 digits of hex.
    pub fingerprint: Box<str>,
    /// The JSON of what the holder's certify key needs to bind it: the subkey, and the signing one's agreement to be bound. Absent
    /// where the holder has no OpenPGP certificate yet. At most 4,096 characters.
    #[serde(default)]
    pub bind: Option<Box<str>>,
}

/// What a task's end is proved by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The token.
    pub serial: Serial,
    /// Its firmware.
    pub firmware: Firmware,
    /// The task's nonce, as it was given.
    pub nonce: Box<str>,
    /// Base64 of the DER certificate of the token's attestation key (slot f9).
    pub attester: Box<str>,
    /// A proof for each slot of the profile.
    pub slots: Vec<SlotProof>,
    /// The OpenPGP keys.
    #[serde(default)]
    pub openpgp: Vec<OpenpgpProof>,
    /// The factory's PIN was tried and refused.
    pub factory_pin_refused: bool,
    /// The factory's PUK was tried and refused.
    pub factory_puk_refused: bool,
    /// The factory's management key was tried and refused.
    pub factory_management_key_refused: bool,
}

/// The proof of a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotProof {
    /// The slot.
    pub slot: Slot,
    /// Base64 of the DER attestation certificate, made now.
    pub attestation: Box<str>,
    /// Base64 of the signature by the key over [`statement`], or, of a key that only agrees, of the HMAC-SHA-256 of it under
    /// the secret agreed with the task's challenge.
    pub proof: Box<str>,
    /// SHA-256 in hex of the certificate that lies in the slot; absent if there is none.
    #[serde(default)]
    pub certificate_sha256: Option<Box<str>>,
}

/// The proof of an OpenPGP key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenpgpProof {
    /// Which.
    pub role: OpenpgpRole,
    /// The fingerprint read back from the card, 40 digits of hex.
    pub fingerprint: Box<str>,
    /// Whether it asks to be touched, read back.
    pub touch: bool,
    /// Base64 of the DER `SubjectPublicKeyInfo`, read back.
    pub public_key: Box<str>,
    /// Base64 of the signature over [`statement`]; of the key that decrypts, of the HMAC as of [`SlotProof::proof`].
    pub proof: Box<str>,
}

/// Why a task cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// Another token than the task's appeared in its place.
    SerialChanged,
    /// The firmware cannot do what the profile asks for.
    Unable,
    /// The PIN is blocked.
    PinBlocked,
    /// The PUK is blocked.
    PukBlocked,
    /// The management key is not what the task was given.
    ManagementKeyUnknown,
    /// Nobody touched the token.
    NotTouched,
    /// Another program holds the token and does not let go.
    Held,
    /// Somebody at the workstation said no.
    Declined,
    /// The token answered with what no token should.
    Misbehaved,
    /// The task's signature is not the ledger's.
    Untrusted,
    /// The service refuses for good what the task needs.
    Refused,
}

impl FailureCode {
    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SerialChanged => "serial_changed",
            Self::Unable => "unable",
            Self::PinBlocked => "pin_blocked",
            Self::PukBlocked => "puk_blocked",
            Self::ManagementKeyUnknown => "management_key_unknown",
            Self::NotTouched => "not_touched",
            Self::Held => "held",
            Self::Declined => "declined",
            Self::Misbehaved => "misbehaved",
            Self::Untrusted => "untrusted",
            Self::Refused => "refused",
        }
    }

    /// What an administrator does about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::SerialChanged => "plug the right token in and file the task again",
            Self::Unable => "take another token or another profile",
            Self::PinBlocked => "unblock it with `keyledger token unblock`",
            Self::PukBlocked => {
                "only a reset helps: `keyledger token reset`, then provision it again"
            }
            Self::ManagementKeyUnknown => {
                "only a reset helps: `keyledger token reset`, then provision it again"
            }
            Self::NotTouched => "file the task again, and touch the token while it blinks",
            Self::Held => {
                "close what holds it (`gpg-connect-agent 'scd killscd' /bye` ends GnuPG's hold) and file the task again"
            }
            Self::Declined => "ask the person, and file the task again",
            Self::Misbehaved => "do not use this token; see the detail",
            Self::Untrusted => {
                "there, take a new enrolment: `keyledger-agent enrol --name NEW-NAME`"
            }
            Self::Refused => "mend what the detail says, and file the task again",
        }
    }
}

/// A task cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The token.
    pub serial: Serial,
    /// Why.
    pub code: FailureCode,
    /// What was seen.
    pub detail: Note,
}

/// What a key on a token signs to prove that it is there: it names the task, the nonce, the token and the place, so that no
/// proof serves twice.
#[must_use]
pub fn statement(task: &str, nonce: &str, serial: Serial, place: &str) -> Vec<u8> {
    format!("keyledger token proof v1\n{task}\n{nonce}\n{serial}\n{place}\n").into_bytes()
}

impl Report {
    /// The token it is about.
    #[must_use]
    pub const fn serial(&self) -> Serial {
        match self {
            Self::Announced(r) => r.serial,
            Self::Progressed(r) => r.serial,
            Self::AttesterShown(r) => r.serial,
            Self::SecretsSealed(r) => r.serial,
            Self::SecretsWanted(r) => r.serial,
            Self::EscrowWanted(r) => r.serial,
            Self::KeysMade(r) => r.serial,
            Self::Proved(r) => r.serial,
            Self::Failed(r) => r.serial,
        }
    }

    /// What it is called.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Announced(_) => "announced",
            Self::Progressed(_) => "progressed",
            Self::AttesterShown(_) => "attester_shown",
            Self::SecretsSealed(_) => "secrets_sealed",
            Self::SecretsWanted(_) => "secrets_wanted",
            Self::EscrowWanted(_) => "escrow_wanted",
            Self::KeysMade(_) => "keys_made",
            Self::Proved(_) => "proved",
            Self::Failed(_) => "failed",
        }
    }
}
