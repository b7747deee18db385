//! `keyledger offline`: commands for the machine that has a certify key or an authority's key, and no network.

mod asked;
mod ca_init;
mod change_passphrase;
mod sign;

use std::path::PathBuf;

use asked::AskedFor;

use crate::output::Output;

/// Sign requests on a machine without a network. Works on files; needs no server
///
/// `keyledger openpgp` and `keyledger ca` write requests with --request. The file says which of them it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger offline ca-init --subject 'Example Root CA' --out root-ca.key
  keyledger offline show request.json
  keyledger offline sign request.json --key alice.certify --out response.json
  keyledger offline sign issuing.request --key root-ca.key --out issuing.response")]
pub(crate) struct Offline {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Verify a request and show it in words
    #[command(
        after_help = "Examples:\n  keyledger offline show request.json\n  keyledger offline show issuing.request"
    )]
    Show {
        /// The request
        #[arg(value_name = "FILE")]
        request: PathBuf,
    },
    Sign(sign::Sign),
    CaInit(ca_init::CaInit),
    ChangePassphrase(change_passphrase::ChangePassphrase),
}

impl Offline {
    pub(crate) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        match self.verb {
            Verb::Show { request } => AskedFor::read(&request)?.show(out),
            Verb::Sign(sign) => sign.run(out),
            Verb::CaInit(init) => init.run(out),
            Verb::ChangePassphrase(change) => change.run(out),
        }
    }
}
