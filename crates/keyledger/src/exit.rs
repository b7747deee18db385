//! How a command ends: its exit code, what it says, and what to do about it.

use std::{fmt, io::Write, process::ExitCode};

use keyledger_domain::{
    Rejection,
    text::{in_full, plain},
};
use keyledger_wire::{CommandError, Refusal, reply};

/// The part of `--help` about exit codes.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done
  1  an error: the world failed, or `doctor` found a fault
  2  the command line is wrong
  3  refused by a rule: a rejection, missing permissions, refused credentials; trying again does not help
  4  not now: nobody answers, the service is busy or starting, or JetStream has no leader; trying again may help
  5  verification failed: the ledger is not what was written
  6  `doctor` warns: nothing fails, and something should be looked at
  70 an error in the program itself: please report it with what it said";

/// What to do if somebody gave a private key.
pub(crate) const PUBLIC_HALF: &str = "give its public half: `openssl pkey -in FILE -pubout`, `gpg --export`, `nk -inkey FILE -pubout`, or the certificate alone";

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The world failed.
    Error = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A rule said no.
    Rejected = 3,
    /// Nobody answers.
    Unreachable = 4,
    /// A ledger does not verify.
    Unverified = 5,
    /// Something should be looked at.
    Warned = 6,
    /// The program panicked: `EX_SOFTWARE` of sysexits.h.
    Panicked = 70,
}

/// Why a command ended, where no other error says it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// How to exit.
    pub(crate) exit: Exit,
    message: String,
    remedy: Option<String>,
    told: bool,
    #[source]
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Failure {
    /// A failure that says `message`.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            remedy: None,
            told: false,
            cause: None,
        }
    }

    /// The same, with the error that it comes from: that is shown behind its message.
    pub(crate) fn because(
        mut self,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Marks that the output already told programs about it.
    pub(crate) const fn told(mut self) -> Self {
        self.told = true;
        self
    }

    /// Adds what to do about it.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// Prints on `err` why a command ended, and with `json` also on `out` for programs; returns the exit code.
pub(crate) fn report(
    error: &anyhow::Error,
    json: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS; // the reader has read enough
    }
    // If the terminal or the log is gone, nobody can read this.
    if json {
        let text = match refusal(error) {
            Some(refusal) => serde_json::to_string_pretty(refusal),
            // A verification has printed this already.
            None if code(error) == Exit::Unverified => Ok(String::new()),
            // The findings were printed, and no second document follows.
            None if is_told(error) => Ok(String::new()),
            None => serde_json::to_string_pretty(&serde_json::json!({
                "status": "error", "message": in_full(&**error), "help": remedy(error),
                "exit_code": code(error) as u8,
            })),
        };
        let text = text.expect("it has only text keys");
        if !text.is_empty() {
            drop(writeln!(out, "{text}"));
        }
    }
    let word = match code(error) {
        Exit::Warned => "warning",
        _ => "error",
    };
    drop(writeln!(err, "{word}: {}", plain(&in_full(&**error))));
    if let Some(remedy) = remedy(error) {
        drop(writeln!(err, " help: {}", plain(&remedy)));
    }
    ExitCode::from(code(error) as u8)
}

/// The exit code of an error.
pub(crate) fn code(error: &anyhow::Error) -> Exit {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.exit;
    }
    match error.downcast_ref::<CommandError>() {
        Some(CommandError::Refused(refusal)) if is_passing(refusal) => Exit::Unreachable,
        Some(CommandError::Refused(refusal)) if refusal.is_worth_retrying() => Exit::Error,
        Some(CommandError::Refused(_)) => Exit::Rejected,
        Some(CommandError::PrivateKey { .. }) => Exit::Usage,
        Some(
            CommandError::NobodyServes { .. }
            | CommandError::NoAnswer { .. }
            | CommandError::NotSent { .. },
        ) => Exit::Unreachable,
        _ => Exit::Error,
    }
}

/// True if the refusal will pass without anybody's help.
fn is_passing(refusal: &Refusal) -> bool {
    ["busy", "not_ready", "store_unavailable"].contains(&refusal.reason.as_str())
}

/// What to do about an error, if that is known.
pub(crate) fn remedy(error: &anyhow::Error) -> Option<String> {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.remedy.clone();
    }
    match error.downcast_ref::<CommandError>()? {
        CommandError::Refused(refusal) => advice(&refusal.reason).map(str::to_owned),
        CommandError::PrivateKey { .. } => Some(PUBLIC_HALF.to_owned()),
        CommandError::NobodyServes { .. } => Some(
            "start the service with `keyledger up` or `keyledger serve`; `keyledger doctor` shows what answers"
                .to_owned(),
        ),
        CommandError::NoAnswer { id, .. } if !id.is_nil() => {
            Some(format!("repeat the command with --message-id {id}: it is never done twice"))
        }
        _ => None,
    }
}

/// What to do about a refusal, from the table in `subjects.md`; `None` if the message itself says it.
fn advice(reason: &str) -> Option<&'static str> {
    if matches!(reason, "bad_value" | "bad_date" | "out_of_range") {
        return None;
    }
    let mut rows = Rejection::TABLE.iter().chain(reply::ERRORS);
    rows.find(|row| row.0 == reason).map(|row| row.2)
}

/// The service's refusal, if that is the error.
pub(crate) fn refusal(error: &anyhow::Error) -> Option<&Refusal> {
    match error.downcast_ref::<CommandError>()? {
        CommandError::Refused(refusal) => Some(refusal),
        _ => None,
    }
}

/// True if the service refused for this `reason`, a code of the table in `subjects.md`.
pub(crate) fn is_refused_for(error: &anyhow::Error, reason: &str) -> bool {
    refusal(error).is_some_and(|refusal| refusal.reason == reason)
}

fn is_told(error: &anyhow::Error) -> bool {
    let failure = error.downcast_ref::<Failure>();
    failure.is_some_and(|failure| failure.told)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|e| e.downcast_ref().is_some_and(broken))
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", *self as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;
    use keyledger_wire::Status;

    fn refused(reason: &str, code: u16) -> anyhow::Error {
        let refusal = Refusal {
            status: Status::Rejected,
            command_id: None,
            correlation_id: None,
            reason: reason.to_owned(),
            message: "key orders-db is compromised".to_owned(),
            code,
            retry_after_ms: None,
        };
        Err::<(), _>(CommandError::from(refusal))
            .context("activating key orders-db")
            .unwrap_err()
    }

    #[test]
    fn every_end_has_its_code() {
        assert_eq!(code(&refused("not_allowed", 409)), Exit::Rejected);
        for passing in ["busy", "not_ready", "store_unavailable"] {
            assert_eq!(code(&refused(passing, 503)), Exit::Unreachable, "{passing}");
        }
        for lasting in ["store_full", "custody_failed", "clock_skewed"] {
            assert_eq!(code(&refused(lasting, 503)), Exit::Error, "{lasting}");
        }
        let subject = "keys.queries.status".to_owned();
        assert_eq!(
            code(&CommandError::NobodyServes { subject }.into()),
            Exit::Unreachable
        );
        assert_eq!(
            code(&Failure::new(Exit::Unverified, "altered").into()),
            Exit::Unverified
        );
        assert_eq!(code(&anyhow::anyhow!("disk")), Exit::Error);
    }

    #[test]
    fn a_refusal_is_said_to_people_and_to_programs() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        report(&refused("not_allowed", 409), true, &mut out, &mut err);
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["reason"], "not_allowed");
        assert_eq!(
            String::from_utf8(err).unwrap(),
            "error: activating key orders-db: not_allowed: key orders-db is compromised\n \
             help: the state does not allow it; `keyledger key show NAME` or `keyledger token show SERIAL` says which it is\n"
        );
    }

    #[test]
    fn programs_are_told_the_refusal_also_where_a_command_has_a_remedy_of_its_own() {
        let own = Failure::new(Exit::Rejected, "nothing was issued").remedy("look at the users");
        let error = refused("name_taken", 409)
            .context(own)
            .context("issuing user x");
        assert_eq!(code(&error), Exit::Rejected);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        report(&error, true, &mut out, &mut err);
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["reason"], "name_taken");
        let said = String::from_utf8(err).unwrap();
        assert!(said.contains("nothing was issued: "), "{said}");
        assert!(said.contains(" help: look at the users\n"), "{said}");
    }

    #[test]
    fn a_reader_that_has_enough_is_no_error() {
        let gone = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let mut err = Vec::new();
        report(&gone.into(), false, &mut Vec::new(), &mut err);
        assert!(err.is_empty());
    }
}
