//! The settings of the ledger's stream, looked at with the setup creds.

use keyledger_service::store::JetStreamStore;

use super::Finding;
use crate::{connect, context::Context, place, session::Session};

/// Holds the stream's settings against what the ledger needs. Only the setup creds may ask for them, so without
/// those the service's own check at its start must do.
pub(super) async fn examine(session: &Session) -> Finding {
    const WHAT: &str = "stream";
    let name = session.client().prefix().events_stream();
    let Some(dir) = session.dir() else {
        let found =
            format!("{name}: the service checked it when it started; with --dir it is checked now");
        return Finding::ok(WHAT, found);
    };
    match check(session, dir).await {
        Ok(true) => Finding::ok(
            WHAT,
            format!("{name}: every setting keeps history as it is"),
        ),
        Ok(false) => {
            let found = format!(
                "{name}: the service checked it when it started; the setup creds are not in this directory"
            );
            Finding::ok(WHAT, found)
        }
        Err(error) => Finding::fail(
            WHAT,
            format!("{error:#}"),
            "the message says what to set; export the ledger first",
        ),
    }
}

async fn check(session: &Session, dir: &std::path::Path) -> anyhow::Result<bool> {
    let organisation = place::organisation(dir)?;
    let creds = organisation.creds("setup");
    if !creds.is_file() {
        return Ok(false); // taken away from here, as it should be in production
    }
    let context = Context::new(&organisation.url, &creds);
    let nats = connect::plain(&context, session.patience()).await?;
    JetStreamStore::open(nats, session.client().prefix()).await?;
    Ok(true)
}
