//! Commands that file a task for a workstation's agent.

use keyledger_domain::{Name, address::EmailAddress, token};
use uuid::Uuid;

use super::{profiles, watch};
use crate::{
    args::{Reasoned, Why},
    cli::{
        order,
        send::{Order, order_of, print},
    },
    output::Output,
    session::Session,
};

/// Whether to show a task's progress.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Follow {
    /// Show the progress until the task ends, and what the person at the token must do
    #[arg(long)]
    wait: bool,
}

/// A command that files a task.
pub(super) trait Task: Order {
    /// How the task is followed.
    fn follow(&self) -> Follow;
}

/// Turns the arguments of a subcommand into the order of the same name, which files a task.
macro_rules! task {
    ($type:ident => $past:literal, |$this:ident| $made:expr) => {
        order!($type => $past, token::$type, |$this| $made);

        impl Task for $type {
            fn follow(&self) -> Follow {
                self.follow
            }
        }
    };
}

/// Provision a token: resets it, sets its secrets, makes its keys, certifies them, and proves it all
///
/// The workstation's agent carries it out, and continues where it was after any interruption. First everything on the token is
/// destroyed; the person at the workstation is asked to confirm that.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger token provision 12345678 --profile person --workstation ada-laptop --wait
  keyledger token provision 12345678 --profile ./ours.toml --workstation ada-laptop --issuer issuing-ca

`keyledger token profiles` shows the shipped profiles.")]
pub(super) struct Provision {
    /// The token's serial number
    name: Name,
    /// A shipped profile, or a TOML file of your own
    #[arg(long, value_name = "NAME|FILE")]
    profile: String,
    /// The workstation it is plugged into
    #[arg(long)]
    workstation: Name,
    /// The key that certifies its keys [default: the only authority]
    #[arg(long, value_name = "KEY")]
    issuer: Option<Name>,
    /// The holder's e-mail address, for certificates [default: the principal's]
    #[arg(long, value_name = "ADDRESS")]
    email: Option<EmailAddress>,
    #[command(flatten)]
    follow: Follow,
    #[command(flatten)]
    why: Why,
}

task!(Provision => "filed the provisioning of", |this| token::Provision {
    workstation: this.workstation,
    profile: profiles::profile(&this.profile)?,
    issuer: this.issuer,
    email: this.email,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

impl Provision {
    /// Reads the profile before the command connects.
    pub(super) fn checked(self) -> anyhow::Result<Self> {
        profiles::profile(&self.profile)?;
        Ok(self)
    }
}

/// Verify that a token still matches the ledger: it attests and proves every key again
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  keyledger token verify 12345678 --wait")]
pub(super) struct Verify {
    /// The token's serial number
    name: Name,
    /// The workstation it is plugged into [default: the one where it was last proved]
    #[arg(long)]
    workstation: Option<Name>,
    #[command(flatten)]
    follow: Follow,
    #[command(flatten)]
    why: Why,
}

task!(Verify => "filed the verification of", |this| token::Verify {
    workstation: this.workstation,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

/// Unblock a token's PIN with its PUK, which stays sealed; the person chooses a new PIN
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  keyledger token unblock 12345678 --wait --ticket HELP-7")]
pub(super) struct Unblock {
    /// The token's serial number
    name: Name,
    /// The workstation it is plugged into [default: the one where it was last proved]
    #[arg(long)]
    workstation: Option<Name>,
    #[command(flatten)]
    follow: Follow,
    #[command(flatten)]
    why: Why,
}

task!(Unblock => "filed the unblocking of", |this| token::Unblock {
    workstation: this.workstation,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

/// Give a token a new PUK and a new management key
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  keyledger token rotate-secrets 12345678 --wait --reason 'they were released'"
)]
pub(super) struct RotateSecrets {
    /// The token's serial number
    name: Name,
    /// The workstation it is plugged into [default: the one where it was last proved]
    #[arg(long)]
    workstation: Option<Name>,
    #[command(flatten)]
    follow: Follow,
    #[command(flatten)]
    why: Why,
}

task!(RotateSecrets => "filed new secrets for", |this| token::RotateSecrets {
    workstation: this.workstation,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

/// Reset a token to factory settings: everything on it is destroyed
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  keyledger token reset 12345678 --reason 'goes to Grace' --yes --wait"
)]
pub(super) struct Reset {
    /// The token's serial number
    name: Name,
    /// The workstation it is plugged into [default: the one where it was last proved]
    #[arg(long)]
    workstation: Option<Name>,
    /// Do not ask for the serial number again
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    follow: Follow,
    #[command(flatten)]
    why: Reasoned,
}

task!(Reset => "filed the reset of", |this| token::Reset {
    workstation: this.workstation,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

impl Reset {
    pub(super) fn confirmed(self) -> anyhow::Result<Self> {
        let what = format!("This destroys every key on token {}.", self.name);
        crate::cli::confirm::serial(&self.name, &what, self.yes)?;
        Ok(self)
    }
}

/// Files a task, and shows its progress if --wait was given.
pub(super) async fn file<T: Task>(
    session: &Session,
    out: &mut Output<'_>,
    task: T,
) -> anyhow::Result<()> {
    let name = task.name().clone();
    // Listening begins before the task is filed, so that nothing is missed.
    let watching = match task.follow().wait {
        true => Some(watch::Watching::begin(session, &name).await?),
        false => None,
    };
    let done = order_of(session, task).await?;
    print::<T>(out, &done)?;
    let task: Uuid = done.command_id;
    match watching {
        Some(watching) => watching.until_ended(session, out, Some(task)).await,
        None => Ok(()),
    }
}
