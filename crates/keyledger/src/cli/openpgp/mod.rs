//! `keyledger openpgp`: certificates whose certify key stays offline. Works on files; needs no service.

mod accept;
mod add_user_id;
mod bind;
mod change;
mod change_passphrase;
mod escrow;
mod export;
pub(crate) mod files;
mod init;
mod renew;
mod revoke;
mod revoke_with;
mod show;

pub(crate) use change::Agree;

use crate::output::Output;

/// Make and change OpenPGP certificates whose certify key stays offline. Works on files; needs no server
///
/// The certify key signs where its file is: with --key here and now, or with --request on another machine, which has no
/// network and runs `keyledger offline sign`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger openpgp init --user-id 'Alice Archer <alice@example.org>' --out alice.certify
  keyledger openpgp bind --certificate alice.asc --subkeys card.json --expires +365d --key alice.certify
  keyledger openpgp renew --certificate alice.asc --primary --expires +1825d --request request.json
  keyledger openpgp show alice.asc
  keyledger openpgp export alice.asc --ssh")]
pub(crate) struct Openpgp {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Init(init::Init),
    Show(show::Show),
    Bind(bind::Bind),
    Renew(renew::Renew),
    Revoke(revoke::Revoke),
    RevokeWith(revoke_with::RevokeWith),
    AddUserId(add_user_id::AddUserId),
    Escrow(escrow::Escrow),
    Accept(accept::Accept),
    ChangePassphrase(change_passphrase::ChangePassphrase),
    Export(export::Export),
}

impl Openpgp {
    pub(crate) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        match self.verb {
            Verb::Init(init) => init.run(out),
            Verb::Show(show) => show.run(out),
            Verb::Bind(bind) => bind.run(out),
            Verb::Renew(renew) => renew.run(out),
            Verb::Revoke(revoke) => revoke.run(out),
            Verb::RevokeWith(revoke) => revoke.run(out),
            Verb::AddUserId(add) => add.run(out),
            Verb::Escrow(escrow) => escrow.run(out),
            Verb::Accept(accept) => accept.run(out),
            Verb::ChangePassphrase(change) => change.run(out),
            Verb::Export(export) => export.run(out),
        }
    }
}
