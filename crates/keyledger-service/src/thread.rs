//! Work that takes a processor for a while, done where nothing else waits for it.

use crate::refused::Refused;

/// Does it on a thread of its own.
pub(crate) async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refused> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Refused::Fault("not_ready", e.to_string()))
}
