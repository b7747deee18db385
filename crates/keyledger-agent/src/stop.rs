//! The signal that ends a run, for threads and for async tasks.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

/// The signal that the agent is to stop. Cheap to clone: all clones share one state.
#[derive(Debug, Clone)]
pub struct Stop(Arc<StopFlag>);

#[derive(Debug)]
struct StopFlag {
    stopping: Mutex<bool>,
    changed: Condvar,
    told: watch::Sender<bool>,
}

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(StopFlag {
            stopping: Mutex::new(false),
            changed: Condvar::new(),
            told: watch::Sender::new(false),
        }))
    }
}

impl Stop {
    /// Gives the signal.
    pub fn stop(&self) {
        *self.lock() = true;
        self.0.changed.notify_all();
        self.0.told.send_replace(true);
    }

    /// True once the signal was given.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        *self.lock()
    }

    /// Blocks for `pause`, or until the signal is given; true in that case.
    #[must_use]
    pub fn within(&self, pause: Duration) -> bool {
        let waited = self
            .0
            .changed
            .wait_timeout_while(self.lock(), pause, |stopping| !*stopping);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits until the signal is given.
    pub async fn stopped(&self) {
        // The sender lives as long as this does.
        let _ = self.0.told.subscribe().wait_for(|stopping| *stopping).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        self.0
            .stopping
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
