//! Rebuilding the inventory from the ledger.

use anyhow::Context as _;
use keyledger_wire::query::Rebuilt;

use crate::{
    exit::{Exit, Failure},
    output::Output,
    session::Session,
};

/// Rebuild the inventory from the ledger, compare it with the live one, and swap
///
/// The service keeps serving meanwhile. Exits with 5 if the two were not equal.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  keyledger inventory rebuild")]
pub(crate) struct Rebuild {}

impl Rebuild {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let subject = session
            .client()
            .prefix()
            .command("view", "rebuild", "inventory");
        let rebuilt: Rebuilt = session
            .request(&subject)
            .await
            .context("rebuilding the inventory")?;
        if out.is_json() {
            out.json(&rebuilt)?;
        }
        let Rebuilt {
            events,
            keys,
            equal,
        } = rebuilt;
        if !equal {
            let problem = format!(
                "the live inventory did not match the {events} events; now it does, with {keys} keys"
            );
            return Err(Failure::new(Exit::Unverified, problem)
                .remedy(
                    "`keyledger ledger verify` checks the events themselves; please report this",
                )
                .into());
        }
        if !out.is_json() {
            out.line(format!(
                "rebuilt {keys} keys from {events} events: equal to the live inventory"
            ))?;
        }
        Ok(())
    }
}
