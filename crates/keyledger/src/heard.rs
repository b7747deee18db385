//! Events that a command listens to. Each is verified; other messages are skipped and counted.

use keyledger_wire::{Events, Heard};

/// Listens, and at the end prints on standard error how many messages were skipped.
#[derive(Debug)]
pub(crate) struct Listening {
    events: Events,
    subject: String,
}

impl Listening {
    /// Listens to `events`, which arrive on `subject`.
    pub(crate) const fn new(events: Events, subject: String) -> Self {
        Self { events, subject }
    }

    /// The next event; `None` once the connection is lost. Cancelling it loses nothing.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Heard>> {
        Ok(self.events.next().await.transpose()?)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let Self { events, subject } = self;
        match events.skipped() {
            0 => {}
            1 => eprintln!("note: skipped a message on {subject} that is no event of the ledger"),
            many => eprintln!(
                "note: skipped {many} messages on {subject} that are no events of the ledger"
            ),
        }
    }
}
