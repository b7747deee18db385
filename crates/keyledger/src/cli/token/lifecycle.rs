//! Commands for a token that need no agent.

use keyledger_domain::{Name, text::Title, token};

use crate::{
    args::{Reasoned, Why},
    cli::order,
};

/// Enrol a token: from now on it belongs to the organisation
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  keyledger token enrol 12345678 --title 'Ada, first'")]
pub(super) struct Enrol {
    /// The token's serial number
    name: Name,
    /// What people call it
    #[arg(long)]
    title: Option<Title>,
    #[command(flatten)]
    why: Why,
}

order!(Enrol => "enrolled", token::Enrol, |this| token::Enrol {
    title: this.title,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

/// Assign an enrolled token to the principal that holds it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  keyledger token assign 12345678 --principal ada")]
pub(super) struct Assign {
    /// The token's serial number
    name: Name,
    /// Who holds it
    #[arg(long)]
    principal: Name,
    #[command(flatten)]
    why: Why,
}

order!(Assign => "assigned", token::Assign, |this| token::Assign {
    principal: this.principal,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

/// Cancel a token's open task
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  keyledger token cancel 12345678 --reason 'wrong profile'")]
pub(super) struct Cancel {
    /// The token's serial number
    name: Name,
    #[command(flatten)]
    why: Reasoned,
}

order!(Cancel => "cancelled the task of", token::Cancel, |this| token::Cancel {
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

/// Bind a NATS user to a token: when the token is lost, the user is revoked
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  keyledger token bind 12345678 --user ada-laptop-nats")]
pub(super) struct Bind {
    /// The token's serial number
    name: Name,
    /// The NATS user
    #[arg(long = "user", value_name = "USER")]
    bound: Name,
    #[command(flatten)]
    why: Why,
}

order!(Bind => "bound a user to", token::Bind, |this| token::Bind {
    user: this.bound,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

/// Declare a lost token found: it must be reset before it can be used
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  keyledger token find 12345678 --reason 'was in the other coat'"
)]
pub(super) struct Find {
    /// The token's serial number
    name: Name,
    #[command(flatten)]
    why: Reasoned,
}

order!(Find => "found", token::Find, |this| token::Find {
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

/// Transfer a token to another principal, after it was reset
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  keyledger token transfer 12345678 --principal grace --reason 'Ada has another'"
)]
pub(super) struct Transfer {
    /// The token's serial number
    name: Name,
    /// Who holds it from now on
    #[arg(long)]
    principal: Name,
    #[command(flatten)]
    why: Reasoned,
}

order!(Transfer => "transferred", token::Transfer, |this| token::Transfer {
    principal: this.principal,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

/// Retire a token that is lost, or that is enrolled and has no keys: it is never used again
///
/// A token has no keys if it was reset, or never provisioned. Reset a provisioned or quarantined token first, or declare it lost.
/// This cannot be undone.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  keyledger token retire 12345678 --reason 'too old a firmware' --yes"
)]
pub(super) struct Retire {
    /// The token's serial number
    name: Name,
    /// Do not ask for the serial number again
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    why: Reasoned,
}

order!(Retire => "retired", token::Retire, |this| token::Retire {
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

impl Retire {
    pub(super) fn confirmed(self) -> anyhow::Result<Self> {
        let what = format!("Token {} can never be used again.", self.name);
        crate::cli::confirm::serial(&self.name, &what, self.yes)?;
        Ok(self)
    }
}

/// Record that a retired or lost token was physically destroyed
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  keyledger token destroy 12345678 --reason 'shredded, protocol 17' --yes"
)]
pub(super) struct Destroy {
    /// The token's serial number
    name: Name,
    /// Do not ask for the serial number again
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    why: Reasoned,
}

order!(Destroy => "recorded the destruction of", token::Destroy, |this| token::Destroy {
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

impl Destroy {
    pub(super) fn confirmed(self) -> anyhow::Result<Self> {
        let what = format!(
            "This records for ever that token {} no longer exists.",
            self.name
        );
        crate::cli::confirm::serial(&self.name, &what, self.yes)?;
        Ok(self)
    }
}
