//! Holding the stream against what is known of it from before: a server may come back with older storage, or be another.
//!
//! One answer that contradicts proves nothing, since a leader that was cut off may give it. It is asked again for a
//! while, and in a cluster until most of the servers are in touch with the one that answers.

use std::time::{Duration, Instant};

use keyledger_domain::EventCid;

use crate::store::{ReadError, Standing, Store};

/// How long a single server may contradict until it is believed.
const ALONE: Duration = Duration::from_secs(1);
/// How long a server of a cluster may: a leader that was cut off says after 10 s that the others are not in touch.
const IN_CLUSTER: Duration = Duration::from_secs(15);
/// How often it must contradict at least.
const TIMES: u32 = 3;
/// The pause before it is asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// What is known of a stream from before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The sequence of an event that stood there.
    pub sequence: u64,
    /// The event's CID; none if no event is known.
    pub cid: Option<EventCid>,
    /// The stream reached at least this sequence.
    pub end: u64,
}

/// How a stream contradicts what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// It ends too early.
    #[error("the stream ends at sequence {end}, and it reached {known} before")]
    Shorter {
        /// Where it ends.
        end: u64,
        /// Where it ended before.
        known: u64,
    },
    /// It holds another event than before, or none.
    #[error("the stream holds {} at sequence {sequence}, where {expected} stood before", show(*found))]
    Other {
        /// The sequence.
        sequence: u64,
        /// The event that stood there.
        expected: EventCid,
        /// The event that stands there.
        found: Option<EventCid>,
    },
}

fn show(found: Option<EventCid>) -> String {
    found.map_or_else(|| "no event".to_owned(), |cid| cid.to_string())
}

/// Why a stream was not found to hold what is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotHeld {
    /// It cannot be read: ask again.
    #[error("{0}")]
    Unavailable(String),
    /// It contradicts, as a server says that is not in touch with most of the others: ask again.
    #[error("the stream's servers are not in touch, and {0}")]
    Apart(Contradiction),
    /// It contradicts, and goes on to.
    #[error(transparent)]
    Contradicted(#[from] Contradiction),
}

impl From<ReadError> for NotHeld {
    fn from(error: ReadError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Asks until the stream holds what is `known`, or goes on to contradict it. `doubt` hears of each contradiction.
///
/// # Errors
///
/// [`NotHeld`].
pub async fn hold(
    store: &dyn Store,
    known: Known,
    mut doubt: impl FnMut(Contradiction),
) -> Result<Standing, NotHeld> {
    let mut since = None;
    let mut times = 0;
    loop {
        let (standing, contradiction) = look(store, known).await?;
        let Some(contradiction) = contradiction else {
            return Ok(standing);
        };
        times += 1;
        let since: Instant = *since.get_or_insert_with(Instant::now);
        let patience = if standing.replicas > 1 {
            IN_CLUSTER
        } else {
            ALONE
        };
        if times >= TIMES && since.elapsed() >= patience {
            return Err(if standing.agreed {
                contradiction.into()
            } else {
                NotHeld::Apart(contradiction)
            });
        }
        doubt(contradiction);
        tokio::time::sleep(PAUSE).await;
    }
}

async fn look(
    store: &dyn Store,
    known: Known,
) -> Result<(Standing, Option<Contradiction>), ReadError> {
    let standing = store.standing().await?;
    if standing.last < known.end {
        let (end, known) = (standing.last, known.end);
        return Ok((standing, Some(Contradiction::Shorter { end, known })));
    }
    let Some(expected) = known.cid else {
        return Ok((standing, None));
    };
    let sequence = known.sequence;
    let found = match store.read(sequence.saturating_sub(1), 1).await {
        Ok(events) => {
            let event = events.first().filter(|event| event.sequence == sequence);
            event.map(|event| EventCid::of(&event.payload))
        }
        Err(ReadError::Gone(_)) => None,
        Err(error @ ReadError::Unavailable(_)) => return Err(error),
    };
    let other = Contradiction::Other {
        sequence,
        expected,
        found,
    };
    Ok((standing, (found != Some(expected)).then_some(other)))
}
