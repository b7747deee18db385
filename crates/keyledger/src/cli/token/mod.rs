//! `keyledger token`: YubiKeys, from enrolment until they are destroyed.

mod lifecycle;
mod lose;
mod profiles;
mod release;
mod show;
mod subkeys;
mod tasks;
mod trust;
mod watch;

use keyledger_domain::{Name, name::Aggregate};

use crate::{
    cli::{history, send},
    connect::Connection,
    output::Output,
};

/// Enrol, provision and verify YubiKeys; revoke everything on a lost one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger token list
  keyledger token enrol 12345678 --title 'Ada, first'
  keyledger token assign 12345678 --principal ada
  keyledger token provision 12345678 --profile person --workstation ada-laptop --wait
  keyledger token lose 12345678 --reason 'left on the train'

A token is named by the serial number that is printed on it.")]
pub(crate) struct Token {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List all tokens: state, holder, and where each was last seen
    #[command(after_help = "Example:\n  keyledger token list")]
    List,
    Show(show::Show),
    Enrol(lifecycle::Enrol),
    Assign(lifecycle::Assign),
    Provision(Box<tasks::Provision>),
    Watch(watch::Watch),
    Subkeys(subkeys::Subkeys),
    Verify(tasks::Verify),
    Unblock(tasks::Unblock),
    RotateSecrets(tasks::RotateSecrets),
    Cancel(lifecycle::Cancel),
    Bind(lifecycle::Bind),
    Release(release::Release),
    Lose(lose::Lose),
    Find(lifecycle::Find),
    Reset(tasks::Reset),
    Transfer(lifecycle::Transfer),
    Retire(lifecycle::Retire),
    Destroy(lifecycle::Destroy),
    /// Show a token's history: who did what, when and why, and what it changed
    #[command(after_help = "Example:\n  keyledger token history 12345678")]
    History {
        /// The token's serial number
        name: Name,
    },
    Profiles(profiles::Profiles),
    Trust(trust::Trust),
}

impl Token {
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let verb = match self.verb {
            Verb::Profiles(profiles) => return profiles.run(out),
            Verb::Provision(verb) => Verb::Provision(Box::new(verb.checked()?)),
            Verb::Reset(verb) => Verb::Reset(verb.confirmed()?),
            Verb::Retire(verb) => Verb::Retire(verb.confirmed()?),
            Verb::Destroy(verb) => Verb::Destroy(verb.confirmed()?),
            Verb::Release(verb) => Verb::Release(verb.checked()?),
            verb => verb,
        };
        let session = self.connection.open().await?;
        match verb {
            Verb::List => show::list(&session, out).await,
            Verb::Show(verb) => verb.run(&session, out).await,
            Verb::Enrol(verb) => send(&session, out, verb).await,
            Verb::Assign(verb) => send(&session, out, verb).await,
            Verb::Provision(verb) => tasks::file(&session, out, *verb).await,
            Verb::Watch(verb) => verb.run(&session, out).await,
            Verb::Subkeys(verb) => verb.run(&session, out).await,
            Verb::Verify(verb) => tasks::file(&session, out, verb).await,
            Verb::Unblock(verb) => tasks::file(&session, out, verb).await,
            Verb::RotateSecrets(verb) => tasks::file(&session, out, verb).await,
            Verb::Reset(verb) => tasks::file(&session, out, verb).await,
            Verb::Cancel(verb) => send(&session, out, verb).await,
            Verb::Bind(verb) => send(&session, out, verb).await,
            Verb::Release(verb) => verb.run(&session, out).await,
            Verb::Lose(verb) => verb.run(&session, out).await,
            Verb::Find(verb) => send(&session, out, verb).await,
            Verb::Transfer(verb) => send(&session, out, verb).await,
            Verb::Retire(verb) => send(&session, out, verb).await,
            Verb::Destroy(verb) => send(&session, out, verb).await,
            Verb::History { name } => history::run(&session, out, Aggregate::Token, &name).await,
            Verb::Trust(verb) => verb.run(&session, out).await,
            Verb::Profiles(_) => unreachable!("it was run before the connection"),
        }
    }
}
