//! How the inventory bucket is, for `status`.

use keyledger_domain::{Name, Timestamp, text::in_full};
use parking_lot::Mutex;

/// How the inventory bucket is, for `status`.
#[derive(Debug, Default)]
pub(crate) struct InventoryHealth(Mutex<Health>);

#[derive(Debug, Default)]
struct Health {
    fault: Option<String>,
    remade: u32,
    remade_at: Option<Timestamp>,
    amended: usize,
    amended_at: Option<Timestamp>,
}

impl InventoryHealth {
    /// Why it is behind the ledger; nothing if it is not.
    pub(crate) fn fault(&self) -> Option<String> {
        self.0.lock().fault.clone()
    }

    /// How often it was gone although the connection held, and when last.
    pub(crate) fn remade(&self) -> Option<(u32, Timestamp)> {
        let health = self.0.lock();
        health.remade_at.map(|at| (health.remade, at))
    }

    /// How many entries held what the ledger does not say, and when the last was found.
    pub(crate) fn amended(&self) -> Option<(usize, Timestamp)> {
        let health = self.0.lock();
        health.amended_at.map(|at| (health.amended, at))
    }

    /// Takes in that somebody else wrote these entries.
    pub(super) fn amend(&self, names: &[Name], at: Timestamp) {
        tracing::error!(
            keys = ?names.iter().take(5).collect::<Vec<_>>(), count = names.len(),
            "somebody wrote into the inventory bucket what the ledger does not say; it is written over"
        );
        let mut health = self.0.lock();
        health.amended += names.len();
        health.amended_at = Some(at);
    }

    pub(super) fn failed(&self, error: &dyn std::error::Error) {
        self.0.lock().fault = Some(in_full(error));
    }

    pub(super) fn is_current(&self) {
        self.0.lock().fault = None;
    }

    /// Takes in that it is there; `unasked` if it had been taken away from under a connection that held.
    pub(super) fn made(&self, unasked: bool, at: Timestamp) {
        if unasked {
            tracing::warn!("the inventory bucket was gone, and was made anew");
            let mut health = self.0.lock();
            health.remade += 1;
            health.remade_at = Some(at);
        }
    }
}
