//! Turns: versions of one key are made one after the other.

use std::{collections::HashMap, sync::Arc, time::Duration};

use keyledger_domain::Name;
use parking_lot::Mutex;
use tokio::sync::{Mutex as Held, OwnedMutexGuard};

use crate::lanes::Busy;

/// How long one waits for those before it.
const PATIENCE: Duration = Duration::from_secs(5);
/// The names of keys with nobody at work are let go once there are so many.
const MANY: usize = 1_024;

/// Held while a version of a key is made and written.
pub(crate) type VersionTurn = OwnedMutexGuard<()>;

/// Who is at work on which key.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<Name, Arc<Held<()>>>>);

impl Turns {
    /// Waits for the turn to make a version of `key`.
    ///
    /// # Errors
    ///
    /// [`Busy`] if it does not come in time.
    pub(super) async fn take(&self, key: &Name) -> Result<VersionTurn, Busy> {
        let turn = {
            let mut turns = self.0.lock();
            if turns.len() >= MANY {
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(turns.entry(key.clone()).or_default())
        };
        let turn = tokio::time::timeout(PATIENCE, turn.lock_owned()).await;
        turn.map_err(|_| Busy {
            family: "new versions of this key",
            retry_after: PATIENCE,
            has_waited: true,
        })
    }
}
