//! What can be asked of a token.

use uuid::Uuid;

use super::{Profile, Report};
use crate::{
    address::EmailAddress,
    command::{body, commands},
    name::{Aggregate, Name},
    text::Title,
};

commands! { Aggregate::Token;
    /// Enrol a token, by its serial number: from now on it is the organisation's
    "enrol" => Enrol,
    /// Assign an enrolled token to a principal
    "assign" => Assign,
    /// Provision a token: files a task for a workstation's agent, which resets it, makes its keys and proves it
    "provision" => Provision,
    /// Verify that a token still is what the ledger says: files a task
    "verify" => Verify,
    /// Reset a token to the factory's state: files a task; everything on it will be gone
    "reset" => Reset,
    /// Unblock a token's PIN with its PUK: files a task; the person chooses a new PIN
    "unblock" => Unblock,
    /// Give a token a new PUK and a new management key: files a task
    "rotate-secrets" => RotateSecrets,
    /// Cancel a token's open task
    "cancel" => Cancel,
    /// Transfer a token to another principal, after it was reset
    "transfer" => Transfer,
    /// Bind a NATS user to a token: when the token is lost, the user is revoked
    "bind" => Bind,
    /// Release a token's PUK and management key, sealed to your curve key; for approvers
    "release" => Release,
    /// Declare a token lost: revokes every key on it, their certificates, and the NATS users bound to it
    "lose" => Lose,
    /// Declare a lost token found: it must be reset before anything else
    "find" => Find,
    /// Retire a token that was reset or lost
    "retire" => Retire,
    /// Record that a token was physically destroyed
    "destroy" => Destroy,
}

body! { optional reason;
    /// Enrol a token.
    Enrol {
        /// What people call it.
        title: Option<Title>,
    }
}

body! { optional reason;
    /// Assign a token.
    Assign {
        /// The principal that holds it.
        principal: Name,
    }
}

body! { optional reason;
    /// Provision a token.
    Provision {
        /// The workstation it is plugged into: the name of its agent's user.
        workstation: Name,
        /// What to put on it.
        profile: Profile,
        /// The key that certifies the keys of its slots; the only certified authority if absent.
        issuer: Option<Name>,
        /// The holder's e-mail address, for certificates.
        email: Option<EmailAddress>,
    }
}

body! { optional reason;
    /// Verify a token.
    Verify {
        /// The workstation it is plugged into; the one it was last seen at if absent.
        workstation: Option<Name>,
    }
}

body! { required reason;
    /// Reset a token.
    Reset {
        /// The workstation it is plugged into; the one it was last seen at if absent.
        workstation: Option<Name>,
    }
}

body! { optional reason;
    /// Unblock a token's PIN.
    Unblock {
        /// The workstation it is plugged into; the one it was last seen at if absent.
        workstation: Option<Name>,
    }
}

body! { optional reason;
    /// Give a token new secrets.
    RotateSecrets {
        /// The workstation it is plugged into; the one it was last seen at if absent.
        workstation: Option<Name>,
    }
}

body! { required reason;
    /// Cancel a token's open task.
    Cancel {}
}

body! { required reason;
    /// Transfer a token.
    Transfer {
        /// The principal that holds it from now on.
        principal: Name,
    }
}

body! { optional reason;
    /// Bind a NATS user to a token.
    Bind {
        /// The user.
        user: Name,
    }
}

body! { required reason;
    /// Release a token's secrets.
    Release {
        /// The requester's public curve key (`X…`): they are sealed to it.
        seal_to: String,
    }
}

body! { required reason;
    /// Declare a token lost.
    Lose {}
}

body! { required reason;
    /// Declare a token found.
    Find {}
}

body! { required reason;
    /// Retire a token.
    Retire {}
}

body! { required reason;
    /// Record a token's destruction.
    Destroy {}
}

/// What an agent reports of a token, with whose subject it came on.
#[derive(Debug, Clone, PartialEq)]
pub struct Reported {
    /// The agent's public nkey, which its subject pins.
    pub agent: Box<str>,
    /// The task it is about; none of an announcement.
    pub task: Option<Uuid>,
    /// What it says.
    pub report: Report,
}

impl Reported {
    /// The verb under which it is known.
    pub const VERB: &'static str = "report";
}
