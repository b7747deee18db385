//! What can be asked of a key.

use serde::{Deserialize, Serialize};

use super::Serial;
use crate::{
    address::{EmailAddress, HostName, IpAddress},
    algorithm::{Algorithm, Purposes},
    command::{body, commands},
    name::{Aggregate, Name},
    text::{Labels, Note, Reason, Subject, Ticket, Title},
    time::Timestamp,
};

commands! { Aggregate::Key;
    /// Generate a key whose secret half never leaves custody
    "generate" => Generate,
    /// Register a public key whose secret half is kept elsewhere
    "register" => Register,
    /// Activate a pre-active key: from now on it protects and processes
    "activate" => Activate,
    /// Suspend an active key: it protects nothing until it is resumed
    "suspend" => Suspend,
    /// Resume a suspended key
    "resume" => Resume,
    /// Deactivate a key at the end of its use: it still processes what it protected
    "deactivate" => Deactivate,
    /// Revoke a key for one of KMIP's reasons; a compromise makes it compromised, anything else deactivated
    "revoke" => Revoke,
    /// Rotate an active key to a new version; older versions only process
    "rotate" => Rotate,
    /// Destroy a key's material for good; its record stays
    "destroy" => Destroy,
    /// Archive a key that is no longer active
    "archive" => Archive,
    /// Recover an archived key
    "recover" => Recover,
    /// Describe a key: owner, classification, usage, handling, disposal, title, labels
    "describe" => Describe,
    /// Schedule a key's dates and its rotation period
    "schedule" => Schedule,
    /// Certify a key: an X.509 certificate over it, signed by a key that certifies, or by itself
    "certify" => Certify,
    /// Install a certificate over a key that was signed elsewhere, by a key that is not in custody, or by the key itself
    "install" => Install,
    /// Revoke one certificate over a key, which goes on: from now on its authority's list names it
    "revoke-certificate" => RevokeCertificate,
}

/// How sensitive a key is.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Classification {
    /// May be known to anyone.
    Public,
    /// For the organisation.
    #[default]
    Internal,
    /// For those who need it.
    Confidential,
    /// For those named.
    Restricted,
}

impl Classification {
    /// All of them, least sensitive first.
    pub const ALL: [Self; 4] = [
        Self::Public,
        Self::Internal,
        Self::Confidential,
        Self::Restricted,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Restricted => "restricted",
        }
    }
}

/// Why a key is revoked: KMIP 2.1 §11.48.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// No reason given.
    Unspecified,
    /// Somebody else has, or may have, the secret.
    KeyCompromise,
    /// The same of the authority that certified it.
    CaCompromise,
    /// Its owner's affiliation changed.
    AffiliationChanged,
    /// Another key took its place.
    Superseded,
    /// What it was for has ended.
    CessationOfOperation,
    /// Its owner's privilege was withdrawn.
    PrivilegeWithdrawn,
}

impl RevocationReason {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key_compromise",
            Self::CaCompromise => "ca_compromise",
            Self::AffiliationChanged => "affiliation_changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation_of_operation",
            Self::PrivilegeWithdrawn => "privilege_withdrawn",
        }
    }

    /// True where the key becomes compromised, not merely deactivated.
    #[must_use]
    pub const fn is_compromise(self) -> bool {
        matches!(self, Self::KeyCompromise | Self::CaCompromise)
    }
}

body! { optional reason;
    /// Generate a key.
    Generate {
        /// The algorithm and length.
        algorithm: Algorithm,
        /// What it is for; the algorithm's usual purpose if absent.
        purposes: Option<Purposes>,
        /// The key above it in the hierarchy.
        parent: Option<Name>,
        /// Activate it at once.
        activate: Option<bool>,
        /// What people call it.
        title: Option<Title>,
        /// The principal that answers for it.
        owner: Option<Name>,
        /// How sensitive it is; `internal` if absent.
        classification: Option<Classification>,
        /// What it may be used for, in words.
        usage: Option<Note>,
        /// How it is to be handled.
        handling: Option<Note>,
        /// How it is to be disposed of.
        disposal: Option<Note>,
        /// Labels, by name; at most 32.
        labels: Option<Labels>,
        /// When it is to be activated; left pre-active until then.
        activation_at: Option<Timestamp>,
        /// The end of its originator-usage period; reckoned from activation by its class if absent.
        protect_stop_at: Option<Timestamp>,
        /// The end of its recipient-usage period.
        process_stop_at: Option<Timestamp>,
        /// Days of 86,400 seconds after which rotation falls due; its class's period if absent, 1 to 7,300.
        rotation_period_days: Option<u16>,
        /// The certificate over it, made with it: both, or neither. Of an issuer that is kept elsewhere it is only checked that it
        /// could be asked for.
        certify: Option<Box<Certification>>,
    }
}

body! { optional reason;
    /// Register a public key.
    Register {
        /// The algorithm and length.
        algorithm: Algorithm,
        /// The public key: base64 of its DER `SubjectPublicKeyInfo`, or a PEM `PUBLIC KEY`.
        public_key: String,
        /// What it is for; the algorithm's usual purpose if absent.
        purposes: Option<Purposes>,
        /// The key above it in the hierarchy.
        parent: Option<Name>,
        /// Activate it at once.
        activate: Option<bool>,
        /// What people call it.
        title: Option<Title>,
        /// The principal that answers for it.
        owner: Option<Name>,
        /// How sensitive it is; `internal` if absent.
        classification: Option<Classification>,
        /// What it may be used for, in words.
        usage: Option<Note>,
        /// How it is to be handled.
        handling: Option<Note>,
        /// How it is to be disposed of.
        disposal: Option<Note>,
        /// Labels, by name; at most 32.
        labels: Option<Labels>,
        /// When it is to be activated; left pre-active until then.
        activation_at: Option<Timestamp>,
        /// The end of its originator-usage period; reckoned from activation by its class if absent.
        protect_stop_at: Option<Timestamp>,
        /// The end of its recipient-usage period.
        process_stop_at: Option<Timestamp>,
        /// Days of 86,400 seconds after which rotation falls due; its class's period if absent, 1 to 7,300.
        rotation_period_days: Option<u16>,
        /// The certificate over it, made with it: both, or neither.
        certify: Option<Box<Certification>>,
        /// A certificate over it that was signed elsewhere, installed with it: both, or neither.
        install: Option<Installation>,
    }
}

body! { optional reason;
    /// Activate a key.
    Activate {}
}

body! { required reason;
    /// Suspend a key.
    Suspend {}
}

body! { optional reason;
    /// Resume a suspended key.
    Resume {}
}

body! { optional reason;
    /// Deactivate a key.
    Deactivate {}
}

body! { required reason;
    /// Revoke a key.
    Revoke {
        /// Why, in KMIP's words.
        revocation_reason: RevocationReason,
        /// When the compromise happened, as far as is known; never in the future.
        compromise_occurred_at: Option<Timestamp>,
        /// When it was noticed; now if absent.
        compromise_detected_at: Option<Timestamp>,
    }
}

body! { optional reason;
    /// Rotate a key to a new version.
    Rotate {
        /// The new version's public key, for a key whose secret half is kept elsewhere.
        public_key: Option<String>,
    }
}

body! { required reason;
    /// Destroy a key.
    Destroy {}
}

body! { optional reason;
    /// Archive a key.
    Archive {}
}

body! { required reason;
    /// Recover an archived key.
    Recover {}
}

body! { optional reason;
    /// Describe a key: what is absent stays as it is.
    Describe {
        /// What people call it.
        title: Option<Title>,
        /// The principal that answers for it.
        owner: Option<Name>,
        /// How sensitive it is.
        classification: Option<Classification>,
        /// What it may be used for, in words.
        usage: Option<Note>,
        /// How it is to be handled.
        handling: Option<Note>,
        /// How it is to be disposed of.
        disposal: Option<Note>,
        /// Labels, by name; at most 32. They replace all there are.
        labels: Option<Labels>,
    }
}

body! { optional reason;
    /// Schedule a key: what is absent stays as it is.
    Schedule {
        /// When it is to be activated; only while it is pre-active.
        activation_at: Option<Timestamp>,
        /// The end of its originator-usage period.
        protect_stop_at: Option<Timestamp>,
        /// The end of its recipient-usage period.
        process_stop_at: Option<Timestamp>,
        /// Days of 86,400 seconds after which rotation falls due, 1 to 7,300.
        rotation_period_days: Option<u16>,
    }
}

body! { optional reason;
    /// Certify a key.
    Certify {
        /// The key that signs the certificate; the key itself, for a root, if absent.
        issuer: Option<Name>,
        /// Whom it is for: a common name, or a name as RFC 4514 writes it, like `CN=Ada,OU=Keys,O=Example`.
        subject: Subject,
        /// Days until the certificate expires, 1 to 7,300 (20 years, a root's in the key management plan). This, or `until`.
        days: Option<u16>,
        /// The moment at which it expires, within 7,300 days.
        until: Option<Timestamp>,
        /// Makes the key an authority: how many authorities may stand below it, 0 to 4.
        path_length: Option<u8>,
        /// What it may be used for, where it is no authority.
        usages: Option<Vec<crate::token::CertificateUsage>>,
        /// DNS names that it is for; at most 16.
        dns_names: Option<Vec<HostName>>,
        /// IP addresses that it is for; at most 16.
        ip_addresses: Option<Vec<IpAddress>>,
        /// E-mail addresses that it is for; at most 16.
        emails: Option<Vec<EmailAddress>>,
        /// A request (PKCS#10, in PEM or base64 of DER) that is signed with the key: proof that whoever asks has it. What else it
        /// asks for is not looked at.
        request: Option<String>,
    }
}

/// What a certificate is to say: `certify`'s fields, where a key is certified as it comes to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certification {
    /// The key that signs the certificate; the key itself, for a root, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Name>,
    /// Whom it is for: a common name, or a name as RFC 4514 writes it, like `CN=Ada,OU=Keys,O=Example`.
    pub subject: Subject,
    /// Days until the certificate expires, 1 to 7,300. This, or `until`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u16>,
    /// The moment at which it expires, within 7,300 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Makes the key an authority: how many authorities may stand below it, 0 to 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_length: Option<u8>,
    /// What it may be used for, where it is no authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usages: Option<Vec<crate::token::CertificateUsage>>,
    /// DNS names that it is for; at most 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_names: Option<Vec<HostName>>,
    /// IP addresses that it is for; at most 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_addresses: Option<Vec<IpAddress>>,
    /// E-mail addresses that it is for; at most 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emails: Option<Vec<EmailAddress>>,
    /// A request (PKCS#10, in PEM or base64 of DER) that is signed with the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

impl Certify {
    /// What its certificate is to say.
    #[must_use]
    pub fn certification(&self) -> Certification {
        Certification {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            days: self.days,
            until: self.until,
            path_length: self.path_length,
            usages: self.usages.clone(),
            dns_names: self.dns_names.clone(),
            ip_addresses: self.ip_addresses.clone(),
            emails: self.emails.clone(),
            request: self.request.clone(),
        }
    }

    /// The command that asks for a certificate.
    #[must_use]
    pub fn of(wanted: Certification, reason: Option<Reason>, ticket: Option<Ticket>) -> Self {
        Self {
            issuer: wanted.issuer,
            subject: wanted.subject,
            days: wanted.days,
            until: wanted.until,
            path_length: wanted.path_length,
            usages: wanted.usages,
            dns_names: wanted.dns_names,
            ip_addresses: wanted.ip_addresses,
            emails: wanted.emails,
            request: wanted.request,
            reason,
            ticket,
        }
    }
}

body! { optional reason;
    /// Install a certificate over a key.
    Install {
        /// The key that signed the certificate; the key itself, for a root, if absent.
        issuer: Option<Name>,
        /// The certificate: base64 of its DER, or a PEM `CERTIFICATE`.
        certificate: String,
    }
}

/// A certificate that was signed elsewhere: `install`'s fields, where it is installed as its key is registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Installation {
    /// The key that signed the certificate; the key itself, for a root, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Name>,
    /// The certificate: base64 of its DER, or a PEM `CERTIFICATE`.
    pub certificate: String,
}

impl Install {
    /// What it installs.
    #[must_use]
    pub fn installation(&self) -> Installation {
        Installation {
            issuer: self.issuer.clone(),
            certificate: self.certificate.clone(),
        }
    }
}

body! { required reason;
    /// Revoke one certificate over a key.
    RevokeCertificate {
        /// Its serial number, in hexadecimal.
        serial: Serial,
        /// The authority that signed it; needed only where two have used the number.
        issuer: Option<Name>,
        /// Why, in KMIP's words. A compromise is the key's: revoke that.
        revocation_reason: RevocationReason,
    }
}
