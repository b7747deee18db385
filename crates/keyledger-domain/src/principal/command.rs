//! What can be asked of a principal.

use serde::{Deserialize, Serialize};

use crate::{
    address::EmailAddress,
    command::{body, commands},
    name::{Aggregate, Name},
    text::{Labels, Title},
};

commands! { Aggregate::Principal;
    /// Register a person, service, workstation or unit
    "register" => Register,
    /// Describe a principal: title, e-mail address, unit, responsible person, labels
    "describe" => Describe,
    /// Publish a principal's OpenPGP certificate, as its certify key signed it
    "publish" => Publish,
    /// Recover a key in custody that decrypts for a principal, sealed to your curve key; for approvers
    "recover-key" => RecoverKey,
    /// Offboard a principal: its NATS users and its tokens end at once, and what it owned goes to another
    "offboard" => Offboard,
}

/// What a principal is.
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
pub enum Kind {
    /// A human being.
    Person,
    /// A program.
    Service,
    /// A machine that people work at.
    Workstation,
    /// A part of the organisation.
    Unit,
}

impl Kind {
    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
            Self::Workstation => "workstation",
            Self::Unit => "unit",
        }
    }
}

body! { optional reason;
    /// Register a principal.
    Register {
        /// What it is.
        kind: Kind,
        /// What people call it.
        title: Title,
        /// Where to write to.
        email: Option<EmailAddress>,
        /// The unit it belongs to: a principal of kind `unit`.
        unit: Option<Name>,
        /// The person who answers for it; required of a service.
        responsible: Option<Name>,
        /// Labels, by name; at most 32.
        labels: Option<Labels>,
    }
}

body! { optional reason;
    /// Describe a principal: what is absent stays as it is.
    Describe {
        /// What people call it.
        title: Option<Title>,
        /// Where to write to.
        email: Option<EmailAddress>,
        /// The unit it belongs to.
        unit: Option<Name>,
        /// The person who answers for it.
        responsible: Option<Name>,
        /// Labels, by name; at most 32. They replace all there are.
        labels: Option<Labels>,
    }
}

body! { optional reason;
    /// Publish a principal's OpenPGP certificate.
    Publish {
        /// The certificate, in ASCII armor or base64; at most 32,768 bytes. It holds all that an earlier one held.
        openpgp: String,
    }
}

body! { required reason;
    /// Recover a key in custody that decrypts for a principal, also one that was revoked with a lost token.
    RecoverKey {
        /// Which key; the newest if absent.
        key: Option<Name>,
        /// The requester's public curve key (`X…`): it is sealed to it.
        seal_to: String,
    }
}

body! { required reason;
    /// Offboard a principal.
    Offboard {
        /// Who gets what it owned; who answers for it, or its unit, if absent.
        to: Option<Name>,
    }
}
