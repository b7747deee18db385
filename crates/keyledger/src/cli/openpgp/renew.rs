//! `keyledger openpgp renew`: another end.

use keyledger_custody::openpgp::{Fingerprint, Renewal, offline::Ask};
use keyledger_domain::Timestamp;

use super::change::CertificateChange;
use crate::{output::Output, when};

/// Move the end of a certificate or of its subkeys; also of what has expired
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger openpgp renew --certificate alice.asc --primary --expires +1825d --key alice.certify
  keyledger openpgp renew --certificate alice.asc --all-subkeys --expires +365d --request request.json")]
pub(super) struct Renew {
    #[command(flatten)]
    change: CertificateChange,
    #[command(flatten)]
    what: RenewedPart,
    /// When they expire then
    #[arg(long, value_name = "TIME", value_parser = when::parse_moment)]
    expires: Timestamp,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct RenewedPart {
    /// The primary key, and with it the whole
    #[arg(long)]
    primary: bool,
    /// A subkey, by its fingerprint; give it again for others
    #[arg(long, value_name = "FINGERPRINT")]
    subkey: Vec<Fingerprint>,
    /// Every subkey that is not revoked
    #[arg(long, conflicts_with = "subkey")]
    all_subkeys: bool,
}

impl Renew {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let certificate = self.change.certificate()?;
        let mut subkeys = self.what.subkey;
        if self.what.all_subkeys {
            let living = certificate.subkeys().iter().filter(|s| s.revoked.is_none());
            subkeys.extend(living.map(|subkey| subkey.fingerprint));
        }
        let primary = self.what.primary.then_some(Renewal::Primary);
        let what = primary
            .into_iter()
            .chain(subkeys.into_iter().map(Renewal::Subkey));
        let expires = self.expires;
        let asks = what.map(|what| Ask::Renew { what, expires }).collect();
        self.change.run(&certificate, asks, out)
    }
}
