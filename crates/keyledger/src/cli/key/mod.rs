//! `keyledger key`: the life of a key, command by command.

mod attributes;
mod destroy;
mod generate;
mod revoke;
mod show;

#[cfg(test)]
pub(crate) use revoke::Revoke;

use keyledger_domain::key;

use crate::{
    cli::{plain::plain, send},
    connect::Connection,
    output::Output,
    session::Session,
};

/// Generate keys and manage them until they are destroyed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger key generate orders-db --algorithm ed25519 --activate
  keyledger key revoke orders-db --revocation-reason key_compromise --reason 'laptop stolen'
  keyledger key history orders-db")]
pub(crate) struct Key {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Generate(generate::Generate),
    Register(generate::Register),
    Revoke(revoke::Revoke),
    Rotate(generate::Rotate),
    Destroy(destroy::Destroy),
    Describe(attributes::Describe),
    Schedule(attributes::Schedule),
    #[command(flatten)]
    Plain(PlainVerb),
    Show(show::Show),
    History(show::History),
}

plain! {
    Activate => "activated", key::Activate;
    Suspend => "suspended", key::Suspend;
    Resume => "resumed", key::Resume;
    Deactivate => "deactivated", key::Deactivate;
    Archive => "archived", key::Archive;
    Recover => "recovered", key::Recover;
    Note => "noted", key::Note;
}

impl Key {
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        if let Verb::Destroy(destroy) = &self.verb {
            destroy.confirm()?;
        }
        let session = self.connection.open().await?;
        let session: &Session = &session;
        match self.verb {
            Verb::Generate(verb) => send(session, out, verb).await,
            Verb::Register(verb) => send(session, out, verb).await,
            Verb::Revoke(verb) => send(session, out, verb).await,
            Verb::Rotate(verb) => send(session, out, verb).await,
            Verb::Destroy(verb) => send(session, out, verb).await,
            Verb::Describe(verb) => send(session, out, verb).await,
            Verb::Schedule(verb) => send(session, out, verb).await,
            Verb::Plain(verb) => verb.run(session, out).await,
            Verb::Show(show) => show.run(session, out).await,
            Verb::History(history) => history.run(session, out).await,
        }
    }
}
