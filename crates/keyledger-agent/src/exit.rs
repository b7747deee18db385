//! How a command ends: its exit code, what it says, and what to do about it.

use std::{io::Write, process::ExitCode};

use keyledger_custody::SecretFileError;
use keyledger_domain::text::plain;
use keyledger_wire::NotAnEnrolment;

use crate::{
    config::{AgentJwtError, ConfigError},
    identity::IdentityError,
    run::{LockError, RunError},
};

/// The part of `--help` about exit codes.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done
  1  an error: the world failed
  2  the command line, a setting or the enrolment file is wrong
  3  refused: this workstation is not enrolled, the enrolment is another agent's, or an agent runs already
  4  no agent runs here, or it cannot see any token";

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The world failed.
    Error = 1,
    /// The command line, a setting or the enrolment is wrong.
    Usage = 2,
    /// A rule of the agent says no.
    Refused = 3,
    /// No agent runs, or no token can be seen.
    Unreachable = 4,
}

/// Why a command ended, where no other error type says it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CliError {
    pub(crate) exit: Exit,
    message: String,
    remedy: Option<String>,
}

impl CliError {
    /// An error that says `message`.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            remedy: None,
        }
    }

    /// With what to do about it.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// Writes to `err` why a command ended; with `json` also to `out`, for programs. Returns the exit code.
pub(crate) fn report(
    error: &anyhow::Error,
    json: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> ExitCode {
    let broken = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    if error.chain().any(|e| e.downcast_ref().is_some_and(broken)) {
        return ExitCode::SUCCESS; // the reader has closed the pipe: it has read enough
    }
    let (code, remedy) = (code(error), remedy(error));
    // If the terminal or the log is gone, there is nobody left to tell.
    if json {
        let said = serde_json::json!({
            "status": "error", "message": format!("{error:#}"), "help": remedy, "exit_code": code as u8,
        });
        drop(writeln!(out, "{said:#}"));
    }
    drop(writeln!(err, "error: {}", plain(&format!("{error:#}"))));
    if let Some(remedy) = remedy {
        drop(writeln!(err, " help: {}", plain(&remedy)));
    }
    ExitCode::from(code as u8)
}

fn code(error: &anyhow::Error) -> Exit {
    if let Some(failure) = error.downcast_ref::<CliError>() {
        return failure.exit;
    }
    match error.downcast_ref::<ConfigError>() {
        Some(ConfigError::NotEnrolled { .. } | ConfigError::Jwt(_)) => return Exit::Refused,
        Some(
            ConfigError::Form { .. }
            | ConfigError::Prefix { .. }
            | ConfigError::Url { .. }
            | ConfigError::NoSigners { .. },
        ) => return Exit::Usage,
        Some(ConfigError::Io { .. } | ConfigError::File(_)) | None => {}
    }
    if error.downcast_ref::<AgentJwtError>().is_some() {
        return Exit::Refused;
    }
    if error.downcast_ref::<NotAnEnrolment>().is_some() {
        return Exit::Usage;
    }
    let taken = |e: &(dyn std::error::Error + 'static)| {
        matches!(e.downcast_ref(), Some(LockError::Taken { .. }))
            || matches!(
                e.downcast_ref(),
                Some(RunError::Lock(LockError::Taken { .. }))
            )
    };
    if error.chain().any(taken) {
        return Exit::Refused;
    }
    Exit::Error
}

fn remedy(error: &anyhow::Error) -> Option<String> {
    const OWN_JWT: &str = "ask the administrator for this agent's own: `keyledger-agent enrol --name THIS-WORKSTATION` shows what to run";
    const ENROL: &str = "begin with `keyledger-agent enrol --name THIS-WORKSTATION`";
    if let Some(failure) = error.downcast_ref::<CliError>() {
        return failure.remedy.clone();
    }
    if let Some(IdentityError::File(SecretFileError::Missing { .. })) = error.downcast_ref() {
        return Some(ENROL.to_owned());
    }
    if let Some(RunError::Journal(error)) = error.downcast_ref() {
        return error.remedy();
    }
    if error.downcast_ref::<NotAnEnrolment>().is_some() {
        return Some(
            "give the file that `keyledger agent enrol NAME --nkey U… --out FILE` writes"
                .to_owned(),
        );
    }
    if error.downcast_ref::<AgentJwtError>().is_some() {
        return Some(OWN_JWT.to_owned());
    }
    let remedy = match error.downcast_ref::<ConfigError>()? {
        ConfigError::NotEnrolled { .. } => ENROL,
        ConfigError::File(SecretFileError::Missing { .. }) => {
            "accept the enrolment again: `keyledger-agent enrol --accept FILE`"
        }
        ConfigError::Jwt(_) => OWN_JWT,
        ConfigError::Form { .. }
        | ConfigError::Prefix { .. }
        | ConfigError::Url { .. }
        | ConfigError::NoSigners { .. }
        | ConfigError::Io { .. }
        | ConfigError::File(_) => return None,
    };
    Some(remedy.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{JournalError, JournalLineError};

    #[test]
    fn a_forged_journal_comes_with_its_cause_and_its_remedy() {
        let forged = JournalError::Forged {
            path: "/home/ada/my state/journal".into(),
            line: 3,
            source: JournalLineError::OutOfOrder,
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = report(&RunError::from(forged).into(), false, &mut out, &mut err);
        assert_eq!(code, ExitCode::from(Exit::Error as u8));
        let said = String::from_utf8(err).unwrap();
        let error = "error: the journal: line 3 of /home/ada/my state/journal is not what this agent wrote there: it does not follow \
                     the line before it\n help: ";
        assert!(said.starts_with(error), "{said}");
        let file = "'/home/ada/my state/journal'";
        assert!(
            said.contains(&format!("`mv {file} {file}.forged`")),
            "{said}"
        );
    }
}
