//! Messages that are dropped because they come faster than they are read: their number is reported, not each one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// How long dropped messages are counted before their number is reported.
const COUNTED: Duration = Duration::from_secs(1);

/// Counts the dropped messages of a connection: async-nats reports each as an event of its own, thousands a second in a flood.
#[derive(Debug, Clone, Default)]
pub struct Dropped(Arc<AtomicU64>);

impl Dropped {
    /// Counts one more. After the first, `tell` is called a second later with the number of all until then; each is counted once.
    ///
    /// Call it where a Tokio runtime runs.
    pub fn one_more(&self, tell: impl FnOnce(u64) + Send + 'static) {
        if self.0.fetch_add(1, Ordering::Relaxed) > 0 {
            return;
        }
        let count = Arc::clone(&self.0);
        tokio::spawn(async move {
            tokio::time::sleep(COUNTED).await;
            tell(count.swap(0, Ordering::Relaxed));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn a_flood_is_told_once_and_what_comes_later_again() {
        let dropped = Dropped::default();
        let (told, mut heard) = mpsc::unbounded_channel();
        for flood in [1_000, 7] {
            for _ in 0..flood {
                let told = told.clone();
                dropped.one_more(move |count| told.send(count).unwrap());
            }
            assert_eq!(heard.recv().await, Some(flood));
            assert!(heard.try_recv().is_err());
        }
    }
}
