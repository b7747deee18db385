//! Work that takes a processor for a while, done where nothing else waits for it.

use crate::refused::{Refused, RequestError};

/// Does it on a thread of its own.
pub(crate) async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refused> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(RequestError::from)?)
}
