//! `keyledger openpgp revoke`: for good.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use keyledger_custody::openpgp::{Fingerprint, RevocationReason, SubkeyRole, offline::Ask};
use keyledger_domain::text::Reason;

use super::change::CertificateChange;
use crate::output::Output;

/// Revoke subkeys or all of a certificate, for good
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger openpgp revoke --certificate alice.asc --role sign --role authenticate --reason compromised --text 'card lost' --key alice.certify
  keyledger openpgp revoke --certificate alice.asc --whole --reason retired --request request.json")]
pub(super) struct Revoke {
    #[command(flatten)]
    change: CertificateChange,
    #[command(flatten)]
    what: RevokedPart,
    /// Why
    #[arg(long, value_parser = reason())]
    reason: RevocationReason,
    /// Why in words, for everybody to read
    #[arg(long, value_name = "TEXT")]
    text: Option<Reason>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct RevokedPart {
    /// A subkey, by its fingerprint; give it again for others
    #[arg(long, value_name = "FINGERPRINT")]
    subkey: Vec<Fingerprint>,
    /// Every subkey of a role; give it again for others
    #[arg(long, value_parser = role())]
    role: Vec<SubkeyRole>,
    /// The whole certificate
    #[arg(long, conflicts_with_all = ["subkey", "role"])]
    whole: bool,
}

fn reason() -> impl TypedValueParser<Value = RevocationReason> {
    let all = RevocationReason::ALL;
    PossibleValuesParser::new(all.map(RevocationReason::as_str)).map(move |name| {
        let found = all.into_iter().find(|reason| reason.as_str() == name);
        found.expect("it is one of the possible values")
    })
}

fn role() -> impl TypedValueParser<Value = SubkeyRole> {
    let all = SubkeyRole::ALL;
    PossibleValuesParser::new(all.map(SubkeyRole::as_str)).map(move |name| {
        let found = all.into_iter().find(|role| role.as_str() == name);
        found.expect("it is one of the possible values")
    })
}

impl Revoke {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let (reason, text) = (self.reason, self.text);
        let certificate = self.change.certificate()?;
        let mut subkeys = self.what.subkey;
        for view in certificate.subkeys() {
            let is_meant = self.what.role.contains(&view.role) && view.revoked.is_none();
            if is_meant && !subkeys.contains(&view.fingerprint) {
                subkeys.push(view.fingerprint);
            }
        }
        let asks = if self.what.whole {
            vec![Ask::Revoke { reason, text }]
        } else {
            let ask = |subkey| Ask::RevokeSubkey {
                subkey,
                reason,
                text: text.clone(),
            };
            subkeys.into_iter().map(ask).collect()
        };
        self.change.run(&certificate, asks, out)
    }
}
