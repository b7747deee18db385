//! The description and the dates of a key, for new and for existing keys.

use keyledger_domain::{
    Name, Purpose, Timestamp,
    key::{self, Classification},
    text::{Note, Title},
};

use crate::{
    args::{self, Label, Why},
    cli::order,
    when,
};

/// The attributes of a new key besides its algorithm.
#[derive(Debug, clap::Args)]
pub(super) struct Attributes {
    /// What it is for: sign, encrypt, wrap, derive, authenticate, certify [default: the algorithm's usual purpose]
    #[arg(long = "purpose", value_name = "PURPOSE", value_delimiter = ',', value_parser = args::purpose(), hide_possible_values = true)]
    pub(super) purposes: Vec<Purpose>,
    /// The key above it in the hierarchy
    #[arg(long, value_name = "KEY")]
    pub(super) parent: Option<Name>,
    /// Activate it at once
    #[arg(long, conflicts_with = "activation_at")]
    pub(super) activate: bool,
    #[command(flatten)]
    pub(super) description: KeyDescription,
    #[command(flatten)]
    pub(super) dates: Dates,
}

/// The description of a key.
#[derive(Debug, clap::Args)]
pub(super) struct KeyDescription {
    /// What people call it
    #[arg(long)]
    pub(super) title: Option<Title>,
    /// The principal that answers for it
    #[arg(long, value_name = "PRINCIPAL")]
    pub(super) owner: Option<Name>,
    /// How sensitive it is [default for a new key: internal]
    #[arg(long, value_parser = args::classification())]
    pub(super) classification: Option<Classification>,
    /// What it may be used for, in words
    #[arg(long, value_name = "TEXT")]
    pub(super) usage: Option<Note>,
    /// How people should handle it
    #[arg(long, value_name = "TEXT")]
    pub(super) handling: Option<Note>,
    /// How people should dispose of it
    #[arg(long, value_name = "TEXT")]
    pub(super) disposal: Option<Note>,
    /// A label; may be given several times. The given labels replace all that the key had
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub(super) labels: Vec<Label>,
}

/// A key's dates.
#[derive(Debug, clap::Args)]
pub(super) struct Dates {
    /// When to activate it: 2026-11-22, 2026-11-22T10:00:00Z or +30d
    #[arg(long, value_name = "TIME", value_parser = when::parse_moment, allow_hyphen_values = true)]
    pub(super) activation_at: Option<Timestamp>,
    /// The end of its originator-usage period: from then on it only processes
    #[arg(long, value_name = "TIME", value_parser = when::parse_moment, allow_hyphen_values = true)]
    pub(super) protect_stop_at: Option<Timestamp>,
    /// The end of its recipient-usage period
    #[arg(long, value_name = "TIME", value_parser = when::parse_moment, allow_hyphen_values = true)]
    pub(super) process_stop_at: Option<Timestamp>,
    /// After how many days rotation falls due, such as 90d; 1 to 7,300
    #[arg(long, value_name = "DAYS", value_parser = when::parse_days)]
    pub(super) rotation_period_days: Option<u16>,
}

/// Describe a key: title, owner, classification, usage, handling, disposal, labels
///
/// What is not given stays as it is. To see a key, use `keyledger key show`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  keyledger key describe orders-db --owner ada --classification restricted --label env=prod --label team=orders")]
pub(crate) struct Describe {
    /// The key's name
    name: Name,
    #[command(flatten)]
    description: KeyDescription,
    #[command(flatten)]
    why: Why,
}

order!(Describe => "described", key::Describe, |this| key::Describe {
    labels: args::labels(&this.description.labels)?,
    title: this.description.title,
    owner: this.description.owner,
    classification: this.description.classification,
    usage: this.description.usage,
    handling: this.description.handling,
    disposal: this.description.disposal,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

/// Schedule a key's dates and its rotation period
///
/// What is not given stays as it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  keyledger key schedule orders-db --protect-stop-at 2027-06-30 --rotation-period-days 90d")]
pub(crate) struct Schedule {
    /// The key's name
    name: Name,
    #[command(flatten)]
    dates: Dates,
    #[command(flatten)]
    why: Why,
}

order!(Schedule => "scheduled", key::Schedule, |this| key::Schedule {
    activation_at: this.dates.activation_at,
    protect_stop_at: this.dates.protect_stop_at,
    process_stop_at: this.dates.process_stop_at,
    rotation_period_days: this.dates.rotation_period_days,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});
