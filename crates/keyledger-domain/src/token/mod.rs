//! The aggregate `token`: a YubiKey, from the day an agent sees it to its end.
//!
//! An administrator's commands file tasks; a workstation's agent walks them and reports; what it reports is believed only
//! as far as cryptography found it to hold ([`Findings`]) and the rules of evidence let it pass.

mod escrow;
mod event;
mod evidence;
mod fault;
mod filing;
mod filled_subject;
mod fold;
mod limits;
mod number;
mod profile;
mod refused;
mod report;
mod report_facts;
mod reported;
mod state;
mod subject_part;
mod task;
mod told;
mod unable;
mod verbs;
mod words;

pub use escrow::{check_vouched, vouched_place};
pub use event::{
    Announced, Assigned, At, Enrolled, EscrowedKeyReleased, HolderLeft, KeysMadeOn, Proved,
    Quarantined, SecretsErased, SecretsEscrowed, SecretsReleased, TaskEnded, TaskFailed,
    TaskProgressed, TokenKey, UserBound,
};
pub use evidence::{
    Attested, Findings, SlotFinding, check_made, check_made_openpgp, check_proved, check_reset,
};
pub use fault::EvidenceFault;
pub use filing::{FilesTask, TaskMade, ToProvision};
pub(crate) use filing::{UNDER_WAY, check_task, profile_of, workstation_of};
pub use filled_subject::subject;
pub use fold::Event;
pub(crate) use limits::check as check_size;
pub use limits::{
    MAX_BOUND_USERS, MAX_DER_CHARACTERS, MAX_DOUBTFUL_SECRETS, MAX_PROOF_CHARACTERS,
    MAX_PUBLIC_KEY_CHARACTERS, MAX_SEALED_CHARACTERS, MAX_SLOTS,
};
pub use profile::{
    CertificatePlan, OpenpgpPlan, PinRules, Profile, ProfileError, SlotPlan, SubkeyPlan,
};
pub(crate) use refused::OfToken;
pub use report::{
    ANNOUNCEMENTS, Announcement, AttesterShown, EscrowWanted, Evidence, Failure, FailureCode,
    KeyMade, KeysMade, OpenpgpKeyMade, OpenpgpProof, OpenpgpRole, Progress, Prompt, Report,
    SecretsSealed, SecretsWanted, SlotProof, SlotShown, Step, statement,
};
pub use report_facts::{NewCertificate, NewEscrow, ReportFacts};
pub use reported::Reported;
pub use state::{MAX_ELSEWHERE, OpenTask, Phase, Sighting, Token};
pub use subject_part::{
    MAX_SUBJECT_PARTS, NotASubjectPart, SubjectAttribute, SubjectCharacters, SubjectPart,
};
pub use task::{Holder, TaskFiled, TaskKind};
pub use told::{announce, erased, fail, progress};
pub use unable::{FIRMWARE_4_3, FIRMWARE_4_3_5, FIRMWARE_5_2_3, FIRMWARE_5_7, Unable, Unsuited};
pub use verbs::*;
pub use words::{
    Applet, Firmware, FormFactor, NotAFirmware, NotASerial, NotASlot, PinPolicy, Restriction,
    Serial, Slot, TouchPolicy,
};
