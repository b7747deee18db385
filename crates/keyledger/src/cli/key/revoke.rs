//! `keyledger key revoke`.

use keyledger_domain::{
    Name, Timestamp,
    key::{self, RevocationReason},
};

use crate::{
    args::{self, Reasoned},
    cli::order,
    when,
};

/// Revoke a key: it stops protecting at once, everywhere
///
/// A compromise (key_compromise, ca_compromise) makes it compromised, any other reason deactivated.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger key revoke orders-db --revocation-reason key_compromise --reason 'laptop stolen' --sign-with piv:9c
  keyledger key revoke orders-db --revocation-reason key_compromise --reason 'laptop stolen' \
--compromise-occurred-at 2026-11-20 --ticket SEC-1123")]
pub(crate) struct Revoke {
    /// The key's name
    name: Name,
    /// Why, in KMIP's words
    #[arg(long, value_parser = args::revocation_reason())]
    revocation_reason: RevocationReason,
    /// When the compromise happened, as far as is known
    #[arg(long, value_name = "TIME", value_parser = when::parse_moment, allow_hyphen_values = true)]
    compromise_occurred_at: Option<Timestamp>,
    /// When it was noticed [default: now]
    #[arg(long, value_name = "TIME", value_parser = when::parse_moment, allow_hyphen_values = true)]
    compromise_detected_at: Option<Timestamp>,
    #[command(flatten)]
    why: Reasoned,
}

order!(Revoke => "revoked", key::Revoke, |this| key::Revoke {
    revocation_reason: this.revocation_reason,
    compromise_occurred_at: this.compromise_occurred_at,
    compromise_detected_at: this.compromise_detected_at,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});
