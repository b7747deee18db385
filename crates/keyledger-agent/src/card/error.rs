//! Why a token did not do what it was told.

use keyledger_custody::ProviderFailure;
use keyledger_domain::token::Serial;

/// Why a token did not do what it was told. No variant holds a secret: only the name of the command that was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// The PC/SC daemon does not answer: start it (`systemctl start pcscd.socket`).
    #[error("the smart card service does not answer: start pcscd (`systemctl start pcscd.socket`)")]
    NoService,
    /// No reader holds a token with this serial number: plug it in.
    #[error("token {0} is not plugged in")]
    Absent(Serial),
    /// The token was pulled, or another program reset it, during a command: begin again from what it shows.
    #[error("the token went away in the middle of {during}")]
    Removed {
        /// The command that was not answered.
        during: &'static str,
    },
    /// PIV is switched off on the token: switch it on.
    #[error("PIV is switched off on token {0}: switch it on with `ykman config usb --enable PIV`")]
    WithoutPiv(Serial),
    /// The token shows its serial number nowhere.
    #[error(
        "the token does not show its serial number: make it visible (`ykman otp settings --serial-usb-visible`), or use another token"
    )]
    Unnumbered,
    /// The token lies on an NFC reader, and lets nothing be selected there.
    #[error("this YubiKey cannot be read over NFC yet: plug it into USB for three seconds first")]
    Restricted,
    /// Another program holds the token: let that program finish, or end it.
    #[error("another program holds the token: {by}")]
    Held {
        /// Which program, as far as this user may know.
        by: String,
    },
    /// Another token answers in the place of the one that was opened: stop.
    #[error("token {found} answers where token {expected} was")]
    SerialChanged {
        /// The token that was opened.
        expected: Serial,
        /// The token that answers.
        found: Serial,
    },
    /// A PIN or PUK is wrong.
    #[error("the {what} is wrong: {tries} tries are left")]
    Wrong {
        /// Which.
        what: Reference,
        /// This many more wrong tries block it.
        tries: u8,
    },
    /// The token finds a new PIN, PUK or code too simple: choose another.
    #[error("the token finds the new {0} too simple")]
    TooSimple(Reference),
    /// The PIN, PUK or code was wrong too often.
    #[error("the {0} is blocked")]
    Blocked(Reference),
    /// This is not the token's management key.
    #[error("the token refuses this management key")]
    ManagementKey,
    /// The PIN, the management key or a touch is missing.
    #[error("the token refuses {0}: the PIN, the management key or a touch is missing")]
    Denied(&'static str),
    /// The token has no such key, object or applet.
    #[error("the token has nothing for {0}")]
    Nothing(&'static str),
    /// The token answers with an unexpected status.
    #[error("the token answers {during} with status {status:04x}")]
    Status {
        /// The command.
        during: &'static str,
        /// ISO 7816-4's two bytes.
        status: u16,
    },
    /// The token's answer cannot be read.
    #[error("the token's answer to {0} cannot be read")]
    Malformed(&'static str),
    /// The token does not answer.
    #[error("the token does not answer {0}")]
    Silent(&'static str),
    /// The smart card service fails.
    #[error("the smart card service fails")]
    Service(#[source] pcsc::Error),
    /// The system gives no thread to talk to the token: it is short of memory or of processes.
    #[error("the system gives no thread to talk to the token: {0}")]
    NoThread(std::io::ErrorKind),
    /// No random numbers can be made.
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
}

/// A secret that a token compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// The PIV PIN.
    Pin,
    /// The PIV PUK.
    Puk,
    /// The OpenPGP user PIN, for signatures or for everything else.
    OpenpgpPin,
    /// The OpenPGP admin PIN.
    OpenpgpAdminPin,
    /// The OpenPGP reset code.
    OpenpgpResetCode,
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pin => "PIN",
            Self::Puk => "PUK",
            Self::OpenpgpPin => "OpenPGP PIN",
            Self::OpenpgpAdminPin => "OpenPGP admin PIN",
            Self::OpenpgpResetCode => "OpenPGP reset code",
        })
    }
}

fn is_service_gone() -> bool {
    pcsc::Context::establish(pcsc::Scope::User).is_err()
}

impl CardError {
    /// True if the next try may succeed: the token went away, or the smart card service did.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::NoService | Self::Absent(_) | Self::Removed { .. }
        )
    }

    /// True if a pull may have cut off or damaged the answer. Whether the token is still there tells.
    pub(crate) const fn may_be_a_pull(&self) -> bool {
        matches!(
            self,
            Self::Malformed(_) | Self::Status { .. } | Self::Nothing(_) | Self::Silent(_)
        )
    }

    /// The meaning of an error on the line to a token. A pcscd that has ended gives much the same errors as a token that was pulled.
    pub(crate) fn of_line(error: pcsc::Error, during: &'static str) -> Self {
        match Self::of_service(error, during) {
            Self::Removed { .. } if is_service_gone() => Self::NoService,
            other => other,
        }
    }

    pub(crate) const fn of_service(error: pcsc::Error, during: &'static str) -> Self {
        use pcsc::Error as E;
        match error {
            E::NoService | E::ServiceStopped => Self::NoService,
            // pcscd has a dozen errors for a token that is pulled while it works.
            E::RemovedCard
            | E::ResetCard
            | E::NoSmartcard
            | E::UnknownReader
            | E::ReaderUnavailable
            | E::NoReadersAvailable
            | E::UnresponsiveCard
            | E::UnpoweredCard
            | E::NotTransacted
            | E::CommError
            | E::CommDataLost
            | E::InvalidHandle
            | E::SystemCancelled
            | E::Cancelled => Self::Removed { during },
            other => Self::Service(other),
        }
    }
}
