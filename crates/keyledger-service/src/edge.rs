//! The edge: a thread on which requests are taken in, and nothing else is done.
//!
//! NATS's client reads as fast as the server sends, and queues by number of messages for each subscription. On a thread that only reads
//! and hands on, that queue is emptied between any two reads, whatever the other threads are busy with: what is too much is turned away
//! here, counted, and never piles up.

use tokio::runtime::{Builder, Handle, Runtime};

/// The thread, as a runtime of its own. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Edge(Option<Runtime>);

impl Edge {
    /// Starts the thread.
    pub(crate) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("keyledger-edge")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Where to spawn what belongs on it.
    pub(crate) fn handle(&self) -> &Handle {
        let runtime = self.0.as_ref().expect("it is there until it is dropped");
        runtime.handle()
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // It may be dropped on a thread that must not wait.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
