//! The commands: one file each, or a folder for a group.

mod account;
mod agent;
mod anywhere;
mod ca;
mod completions;
mod confirm;
mod contexts;
mod doctor;
mod find;
mod history;
mod init;
mod inventory;
mod key;
mod ledger;
mod man;
mod notify;
mod offline;
mod openpgp;
mod pages;
mod passphrase;
mod plain;
mod principal;
mod root;
mod send;
mod serve;
mod setup;
mod shell;
mod signals;
mod subjects;
mod token;
mod unit;
mod up;
mod user;
mod vault;

use crate::{exit, output::Output};

pub(crate) use anywhere::arranged;
pub(crate) use send::{Order, order, send};
pub(crate) use up::Guard;

/// A key management service that lives on NATS.
///
/// Commands become immutable, signed events in JetStream. The inventory, NATS credentials and everything else are computed from
/// these events.
#[derive(Debug, clap::Parser)]
#[command(name = "keyledger", version, arg_required_else_help = true, after_help = exit::HELP)]
pub(crate) struct Cli {
    /// Print JSON, for programs
    #[arg(long, global = true, help_heading = "Output")]
    json: bool,
    /// Write log lines as JSON; RUST_LOG says which lines
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) log_json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Up(Box<up::Up>),
    Key(Box<key::Key>),
    Principal(Box<principal::Principal>),
    Account(Box<account::Account>),
    User(Box<user::User>),
    Token(Box<token::Token>),
    Agent(Box<agent::Agent>),
    Ca(Box<ca::Ca>),
    Inventory(Box<inventory::Inventory>),
    History(Box<find::History>),
    Ledger(Box<ledger::Ledger>),
    Doctor(Box<doctor::Doctor>),
    Vault(Box<vault::Vault>),
    Openpgp(Box<openpgp::Openpgp>),
    Offline(Box<offline::Offline>),
    Init(Box<init::Init>),
    Setup(Box<setup::Setup>),
    Serve(Box<serve::Serve>),
    Unit(unit::Unit),
    Contexts(Box<contexts::Contexts>),
    Completions(completions::Completions),
    Man(man::Man),
    Names(Box<completions::Names>),
    Subjects(subjects::Subjects),
}

impl Cli {
    /// True if the output is JSON, for programs.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Which log lines are written unless `RUST_LOG` says otherwise.
    pub(crate) const fn log_filter(&self) -> &'static str {
        match self.command {
            Command::Up(_) | Command::Serve(_) => "info,async_nats=warn",
            // The commands report connection problems better than the client's log.
            _ => "error,async_nats=off",
        }
    }

    /// Runs the command.
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        match self.command {
            Command::Up(up) => up.run(out).await,
            Command::Key(key) => key.run(out).await,
            Command::Principal(principal) => principal.run(out).await,
            Command::Account(account) => account.run(out).await,
            Command::User(user) => user.run(out).await,
            Command::Token(token) => token.run(out).await,
            Command::Agent(agent) => agent.run(out).await,
            Command::Ca(ca) => ca.run(out).await,
            Command::Inventory(inventory) => inventory.run(out).await,
            Command::History(history) => history.run(out).await,
            Command::Ledger(ledger) => ledger.run(out).await,
            Command::Doctor(doctor) => doctor.run(out).await,
            Command::Vault(vault) => vault.run(out).await,
            Command::Openpgp(openpgp) => openpgp.run(out),
            Command::Offline(offline) => offline.run(out),
            Command::Init(init) => init.run(out),
            Command::Setup(setup) => setup.run(out).await,
            Command::Serve(serve) => serve.run(out).await,
            Command::Unit(unit) => unit.run(out),
            Command::Contexts(contexts) => contexts.run(out),
            Command::Completions(completions) => completions.run(out),
            Command::Man(man) => man.run(out),
            Command::Names(names) => names.run(out).await,
            Command::Subjects(subjects) => subjects.run(out),
        }
    }
}

#[cfg(test)]
mod tests;
