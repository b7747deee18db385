//! Why a token did not do what it was told.

use keyledger_custody::ProviderFailure;
use keyledger_domain::token::Serial;

/// Why a token did not do what it was told. None repeats a secret: of what was sent, only the command's name stands here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// The PC/SC daemon does not answer: start it (`systemctl start pcscd.socket`).
    #[error("the smart card service does not answer: start pcscd (`systemctl start pcscd.socket`)")]
    NoService,
    /// No reader shows a token of this serial number: plug it in.
    #[error("token {0} is not plugged in")]
    Absent(Serial),
    /// It was pulled, or reset by somebody else, in mid-command: begin again from what it shows.
    #[error("the token went away in the middle of {during}")]
    Removed {
        /// The command that was not answered.
        during: &'static str,
    },
    /// PIV is switched off on it: switch it on.
    #[error("PIV is switched off on token {0}: switch it on with `ykman config usb --enable PIV`")]
    WithoutPiv(Serial),
    /// It does not say its serial number anywhere.
    #[error(
        "a token that does not say its serial number: let it say it (`ykman otp settings --serial-usb-visible`), or take another"
    )]
    Unnumbered,
    /// It is held to a reader of NFC, and lets nothing be selected there.
    #[error(
        "a YubiKey that lets nothing be read over NFC: plug it into USB for three seconds first"
    )]
    Restricted,
    /// Another program holds it: let it end, or end it.
    #[error("another program holds the token: {by}")]
    Held {
        /// Who, as far as this user may know.
        by: String,
    },
    /// Where the token was, another one answers: stop.
    #[error("token {found} answers where token {expected} was")]
    SerialChanged {
        /// Whose place it was.
        expected: Serial,
        /// Who answers.
        found: Serial,
    },
    /// What a reference (PIN, PUK) was compared with is wrong.
    #[error("the {what} is wrong: {tries} tries are left")]
    Wrong {
        /// Which.
        what: Reference,
        /// How many more wrong ones until it is blocked.
        tries: u8,
    },
    /// The token finds a new one too simple: take another.
    #[error("the token finds the new {0} too simple")]
    TooSimple(Reference),
    /// It was wrong too often.
    #[error("the {0} is blocked")]
    Blocked(Reference),
    /// The management key is not this one.
    #[error("the token refuses this management key")]
    ManagementKey,
    /// PIN, management key or touch are missing.
    #[error("the token refuses {0}: PIN, management key or touch are missing")]
    Denied(&'static str),
    /// It has no such key, object or applet.
    #[error("the token has nothing for {0}")]
    Nothing(&'static str),
    /// It answers with a status that it should not have here.
    #[error("the token answers {during} with status {status:04x}")]
    Status {
        /// The command.
        during: &'static str,
        /// ISO 7816-4's two bytes.
        status: u16,
    },
    /// What it answers cannot be read.
    #[error("the token answers {0} with what cannot be read")]
    Malformed(&'static str),
    /// It does not answer at all.
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

/// What a token compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// The PIV PIN.
    Pin,
    /// The PIV PUK.
    Puk,
    /// The OpenPGP user PIN, as it is compared for signatures, or for everything else.
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
    /// True where the same may succeed on the next try: the token went away, or the service with it.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::NoService | Self::Absent(_) | Self::Removed { .. }
        )
    }

    /// True where what came may have been cut off by a pull, or spoilt by one: whether the token is still there tells.
    pub(crate) const fn may_be_a_pull(&self) -> bool {
        matches!(
            self,
            Self::Malformed(_) | Self::Status { .. } | Self::Nothing(_) | Self::Silent(_)
        )
    }

    /// What an error of a line to a token means. pcscd that is gone says much the same as a token that is gone.
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
            // pcscd says a dozen things of a token that is pulled while it works.
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
