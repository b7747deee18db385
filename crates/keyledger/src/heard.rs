//! Events that a command listens to: verified, and what is none is skipped and counted.

use keyledger_wire::{Events, Heard};

/// Listens, and says at its end on standard error how much was skipped.
#[derive(Debug)]
pub(crate) struct Listening {
    events: Events,
    subject: String,
}

impl Listening {
    /// Listens to `events`, which come on `subject`.
    pub(crate) const fn new(events: Events, subject: String) -> Self {
        Self { events, subject }
    }

    /// The next event; nothing once the connection is lost. May be cut off: nothing is lost by it.
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
