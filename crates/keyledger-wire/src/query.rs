//! The payloads and answers of questions that are not the domain's own views.

use keyledger_domain::{Timestamp, template::TemplateVersion};
use serde::{Deserialize, Serialize};

/// Asks for stored events, in stream order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Only events after this sequence.
    #[serde(default)]
    pub after: u64,
    /// The most events of a page, 1 to 500; 200 if absent. A page has fewer if they do not fit in a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
}

/// Stored events, as lines of an export.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EventsPage {
    /// One line for each event; empty at the end of the ledger.
    pub lines: Vec<String>,
}

/// The certificates over a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Certificates {
    /// The certificates over the key: first the valid ones, then the others, newest first.
    pub certificates: Vec<keyledger_domain::key::Certified>,
    /// The chain above the first of them, the root last; empty if it is a root.
    pub chain: Vec<keyledger_domain::key::Certified>,
    /// What to send as `after` for the next page: a serial number; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An authority of the organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AuthorityRow {
    /// Its key.
    pub name: keyledger_domain::Name,
    /// The key's state.
    pub state: keyledger_domain::key::State,
    /// True if it may sign certificates now: it is active, its certificate is valid, and nothing above it was revoked.
    pub issues: bool,
    /// Who holds its secret half.
    pub custodian: keyledger_domain::key::Custodian,
    /// Its name in certificates, as RFC 4514 writes names.
    pub subject: String,
    /// The authority above it; a root names itself.
    pub issuer: keyledger_domain::Name,
    /// The serial number of its newest valid certificate, or of the last one that was valid.
    pub serial: String,
    /// That certificate's SHA-256.
    pub sha256: String,
    /// How many levels of authorities may be below it; absent if there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_length: Option<u8>,
    /// The start of that certificate's validity.
    pub not_before: Timestamp,
    /// The end of its validity.
    pub not_after: Timestamp,
    /// How many of the certificates that it issued are valid, without its own.
    pub holding: usize,
    /// How many of them are on its list of revoked certificates.
    pub listed: usize,
    /// Where its list is published, as the service's configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl_url: Option<String>,
}

/// Asks for the certificates that an authority issued, by serial number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuedQuery {
    /// Only those in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<CertificateState>,
    /// Only those that are valid and end within this number of days, 0 to 7,300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiring_days: Option<u16>,
    /// The most rows of a page, 1 to 500; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// Only those after this serial number: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<keyledger_domain::key::Serial>,
}

/// How a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CertificateState {
    /// It is valid.
    Valid,
    /// Its validity has ended.
    Expired,
    /// It is on its issuer's list of revoked certificates.
    Revoked,
    /// It is on its issuer's list for as long as its key is suspended.
    OnHold,
}

impl CertificateState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Valid, Self::Expired, Self::Revoked, Self::OnHold];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::OnHold => "on_hold",
        }
    }
}

/// A certificate that an authority issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IssuedRow {
    /// Its serial number, lower-case hex.
    pub serial: String,
    /// The key that it is over.
    pub key: keyledger_domain::Name,
    /// Its subject, as RFC 4514 writes names.
    pub subject: String,
    /// Its alternative names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The start of its validity.
    pub not_before: Timestamp,
    /// The end of its validity.
    pub not_after: Timestamp,
    /// True if it is an authority's certificate.
    pub authority: bool,
    /// How it stands.
    pub state: CertificateState,
    /// When it was revoked, alone or with its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// Why, in RFC 5280's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Who may log in by SSH as a principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AuthorizedKeys {
    /// The principal whose keys they are.
    pub principal: keyledger_domain::Name,
    /// One line for each key.
    pub lines: Vec<String>,
    /// What to send as `after` for the next page: the number of lines until here; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u32>,
}

/// Asks for lines, in their order.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct LinesQuery {
    /// How many lines to skip: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
}

/// The authorities whose attestations of tokens are believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AttestationAuthorities {
    /// The authorities that sign the certificates with which tokens attest.
    pub authorities: Vec<AttestationAuthorityRow>,
}

/// An authority that signs the certificates with which tokens attest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AttestationAuthorityRow {
    /// The subject of its certificate.
    pub subject: String,
    /// The certificate's SHA-256, in lower-case hexadecimal.
    pub sha256: String,
    /// The root above it.
    pub root: String,
    /// Why it is believed.
    pub origin: Origin,
}

/// Why an authority is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It is built into Keyledger.
    Embedded,
    /// An administrator added it, and it is known by its fingerprint.
    Trusted,
    /// The service was started with it. This is for tests, and proves nothing about hardware.
    Test,
}

/// A principal's OpenPGP certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OpenpgpCertificate {
    /// The principal that it belongs to.
    pub principal: keyledger_domain::Name,
    /// Its primary key's fingerprint, 40 digits of hex.
    pub fingerprint: String,
    /// Base64 of the certificate.
    pub certificate: String,
    /// Fingerprints of subkeys that are revoked in the ledger, and not yet in the certificate: its certify key must revoke them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to_revoke: Vec<String>,
}

/// An account that stands on an older version of the templates, and what the newest changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AccountUpgrade {
    /// Its name.
    pub name: keyledger_domain::Name,
    /// What it is for.
    pub purpose: keyledger_domain::account::Purpose,
    /// The version that it stands on.
    pub from: TemplateVersion,
    /// The newest version.
    pub to: TemplateVersion,
    /// When its turn is, from 0: an account imports only from accounts of earlier stages.
    pub stage: u8,
    /// What it and its users gain: permissions, exports, imports and limits, one line each.
    pub gains: Vec<String>,
    /// What they lose, likewise.
    pub loses: Vec<String>,
    /// Why its JWT cannot be made; absent if it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// A list of revoked certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Crl {
    /// The authority that issued the certificates.
    pub issuer: keyledger_domain::Name,
    /// Base64 of the DER. If the list is too long for one message, it is this page's part of it.
    pub crl: String,
    /// The size of the whole list in bytes.
    #[serde(default)]
    pub bytes: usize,
    /// What to send as `after` for the next page of the same list; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Asks for the list of an authority's revoked certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CrlQuery {
    /// The `next` of the page before, to get more of the list that was signed for the first page. If absent, a new list is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// The bytes that an authority must sign whose secret half is kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ToBeSigned {
    /// The authority's key.
    pub issuer: keyledger_domain::Name,
    /// Base64 of the DER of the certificate under which it issues.
    pub issuer_certificate: String,
    /// Base64 of the DER to be signed: a certificate, or a list of revoked certificates. If the list is too long for one message, it is
    /// this page's part of it.
    pub to_be_signed: String,
    /// What to send as `after` for the next page of the same list; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Asks for the list of an authority's revoked certificates, to be signed elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CrlWanted {
    /// The days after which the next list is due, 1 to 366; 180 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u16>,
    /// The `next` of the page before. Ask for the same number of days again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A view was rebuilt from the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Rebuilt {
    /// How many events were folded.
    pub events: u64,
    /// How many keys the view has.
    pub keys: usize,
    /// True if it equals the live view that it replaced.
    pub equal: bool,
}

/// How the vault of an instance is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VaultStatus {
    /// The instance's own id in `nats micro`.
    pub instance: String,
    /// Whether it is sealed.
    pub state: VaultState,
    /// The id of the root key that it is open with; absent while it is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_key: Option<String>,
    /// How many keys are open in its memory to sign with.
    pub open_keys: usize,
    /// How many there may be. The one that signed longest ago is closed first.
    pub max_open_keys: usize,
}

/// Whether a vault is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VaultState {
    /// Nothing secret is in the instance's memory: it answers questions, and refuses commands.
    Sealed,
    /// The root key is in its memory, and it takes commands.
    Open,
}

/// How an instance is: what `keyledger doctor` shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ServiceStatus {
    /// The instance's own id in `nats micro`.
    pub instance: String,
    /// Its version.
    pub version: String,
    /// Its prefix.
    pub prefix: String,
    /// The name and version of the server that it is connected to.
    pub server: String,
    /// How many milliseconds its clock is ahead of the server's; absent if the server did not say.
    pub clock_ahead_ms: Option<i64>,
    /// Events folded.
    pub events: u64,
    /// The last sequence folded in order.
    pub sequence: u64,
    /// Keys in the inventory.
    pub keys: usize,
    /// Whether commands are acknowledged durably; else what is wrong.
    pub durability: String,
    /// What is wrong with the settings of one of the service's streams or buckets, checked now; absent if all settings are as they were
    /// made.
    pub stream_fault: Option<String>,
    /// What that stream or bucket holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_fault_of: Option<StreamHolds>,
    /// Each server that answered: name, version, `sync_always`.
    pub servers: Vec<ServerStatus>,
    /// Accounts whose JWT is not confirmed on every server, the first 500 by name.
    pub unconfirmed_accounts: Vec<String>,
    /// How many such accounts there are.
    #[serde(default)]
    pub unconfirmed: usize,
    /// Keys whose protect-stop or rotation falls within 30 days.
    pub expiring_within_30_days: usize,
    /// How many parts of the reserve exist, and how many there should be. The reserve is room for revocations when the store is full.
    #[serde(default)]
    pub reserve: (usize, usize),
    /// Accounts whose users may store in JetStream without a limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unlimited_accounts: Vec<String>,
    /// Commands that the instance accepts only with a signature by a key on the sender's token.
    #[serde(default)]
    pub token_signature_required: Vec<String>,
    /// Why the inventory bucket is behind the ledger; absent if it is not behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory_fault: Option<String>,
    /// Present if this instance found the inventory bucket missing and made it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory_remade: Option<InventoryRemade>,
    /// What the organisation's own users lack whose creds an earlier version made, one sentence each.
    #[serde(default)]
    pub outdated_users: Vec<String>,
    /// Its findings about trust, servers, and things that expire.
    #[serde(default)]
    pub findings: Vec<StatusFinding>,
}

/// What an instance counts about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ServiceMetrics {
    /// The instance that answered. Each counts for itself.
    pub instance: String,
    /// What it counts, in the text format of OpenMetrics 1.0.
    pub text: String,
}

/// The inventory bucket was missing while the connection was up, and was made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InventoryRemade {
    /// How many times since this instance was started.
    pub times: u32,
    /// The last time.
    pub at: Timestamp,
}

/// One finding of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StatusFinding {
    /// How bad it is.
    pub severity: Severity,
    /// What was looked at.
    pub what: String,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// How bad a finding is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// All is well.
    Ok,
    /// It works, but somebody should look at it.
    Warn,
    /// It does not work, or is not safe.
    Fail,
}

/// The state of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ServerStatus {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether it syncs each write to disk; absent if it has no JetStream.
    pub sync_always: Option<bool>,
    /// What its JetStream holds on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<Room>,
    /// What its JetStream holds in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Room>,
    /// How many atomic batches all accounts together may have open; absent if its configuration does not say, or if it has no JetStream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_batches: Option<u64>,
    /// The service's own streams that it can no longer write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unwritable: Vec<Unwritable>,
}

/// What a stream or bucket of the service's own holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamHolds {
    /// The ledger. While its stream has a fault, no command is accepted.
    Ledger,
    /// Sealed keys. While the bucket has a fault, no key is made.
    SealedKeys,
    /// The queue of tasks, or the inventory. Commands are accepted while it has a fault, because the ledger has everything in it.
    View,
}

/// A stream that a server cannot write, because its disk is full or fails. The server accepts and answers no writes until it is
/// restarted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Unwritable {
    /// The stream.
    pub stream: String,
    /// The error of the write, such as `no space left on device`.
    pub said: String,
}

/// How many open atomic batches a server should allow. With fewer, a few accounts with JetStream can use up those that the ledger
/// needs.
pub const OPEN_BATCHES: u64 = 100_000;

/// From this percentage on, somebody should look at a store.
pub const ROOM_WARN_PERCENT: u64 = 70;
/// From this percentage on, a store must get more room soon.
pub const ROOM_FAIL_PERCENT: u64 = 90;

/// The size and the limit of a store, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Room {
    /// How much it holds.
    pub used: u64,
    /// How much it may hold.
    pub most: u64,
}

impl Room {
    /// How full it is, in percent; 0 if it may hold nothing.
    #[must_use]
    pub const fn used_percent(&self) -> u64 {
        match self.used.saturating_mul(100).checked_div(self.most) {
            Some(percent) => percent,
            None => 0,
        }
    }
}

/// A question without a payload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}
