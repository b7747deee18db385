//! The thread that watches the readers. It is never missing unseen: its end ends the run.

use std::{convert::Infallible, io, thread};

use tokio::sync::oneshot;

use super::RunError;
use crate::stop::Stop;

/// The thread that watches the readers.
#[derive(Debug)]
pub(crate) struct ReadersThread {
    /// Nothing is ever sent. The sender is dropped when the thread ends, also by a panic.
    ended: oneshot::Receiver<Infallible>,
}

impl ReadersThread {
    /// Starts the thread, which does `watch`.
    pub(crate) fn begin(watch: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (alive, ended) = oneshot::channel();
        let work = move || {
            watch();
            drop(alive); // a panic drops it as well
        };
        let named = thread::Builder::new().name("readers".to_owned());
        named.spawn(work)?;
        Ok(Self { ended })
    }

    /// Waits until the thread has ended.
    ///
    /// # Errors
    ///
    /// [`RunError::ReadersEnded`] if it ended though the agent does not stop.
    pub(crate) async fn ended(self, stop: &Stop) -> Result<(), RunError> {
        let Err(_dropped) = self.ended.await;
        if stop.is_stopping() {
            return Ok(());
        }
        Err(RunError::ReadersEnded)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_panic_while_the_readers_are_watched_ends_the_run() {
        let thread = ReadersThread::begin(|| panic!("this thread panics")).unwrap();
        let ended = thread.ended(&Stop::default()).await;
        assert!(matches!(ended, Err(RunError::ReadersEnded)), "{ended:?}");
    }

    #[tokio::test]
    async fn the_thread_of_an_agent_that_stops_ends_in_order() {
        let stop = Stop::default();
        let told = stop.clone();
        let watch = move || while !told.within(Duration::from_secs(60)) {};
        let thread = ReadersThread::begin(watch).unwrap();
        stop.stop();
        let ended = thread.ended(&stop).await;
        assert!(ended.is_ok(), "{ended:?}");
    }
}
