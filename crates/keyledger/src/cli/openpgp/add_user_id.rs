//! `keyledger openpgp add-user-id`: another name or address.

use keyledger_custody::openpgp::{UserId, offline::Ask};

use super::change::CertificateChange;
use crate::output::Output;

/// Add a user id to a certificate; it lives as long as the primary key
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  keyledger openpgp add-user-id 'Alice Archer <archer@example.com>' --certificate alice.asc --key alice.certify")]
pub(super) struct AddUserId {
    #[command(flatten)]
    change: CertificateChange,
    /// The user id
    #[arg(value_name = "USER ID")]
    user_id: UserId,
}

impl AddUserId {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let certificate = self.change.certificate()?;
        let asks = vec![Ask::AddUserId { id: self.user_id }];
        self.change.run(&certificate, asks, out)
    }
}
