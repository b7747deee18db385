//! Catching up: before something is refused, what other instances wrote is folded.
//!
//! What is accepted stands on compare-and-set. A refusal stands on the fold alone, which may lag behind another
//! instance's acknowledgement by a moment: whoever was told "accepted" there must not hear "there is no such key" here.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::Handler;
use crate::store::ReadError;

/// How long is waited until everything is folded that was stored when it was asked.
const PATIENCE: Duration = Duration::from_secs(5);

/// When the last question was sent to the store whose answer is folded.
pub(super) type Asked = Arc<Mutex<Option<Instant>>>;

impl Handler {
    /// Waits until everything is folded that was stored when this was called. Those that call together share one
    /// question to the store.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the store does not say where it stands, or what it holds does not come.
    pub async fn catch_up(&self) -> Result<(), ReadError> {
        let called = Instant::now();
        let mut asked = self.asked.lock().await;
        if asked.is_some_and(|at| at >= called) {
            return Ok(());
        }
        let now = Instant::now();
        let last = self.store.last_sequence().await?;
        let folded = self.live.reached(last);
        tokio::time::timeout(PATIENCE, folded).await.map_err(|_| {
            ReadError::Unavailable(format!("sequence {last} was not folded within 5 s"))
        })?;
        *asked = Some(now);
        Ok(())
    }
}
