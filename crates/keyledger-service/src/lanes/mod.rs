//! Lanes: how many requests of a family are worked on at once, how many wait, and how much one sender may have of either.
//!
//! *Invariant:* everything that waits is bounded, in count, in bytes and in time; what does not fit is known to be too much at once.

mod families;
mod queue;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

pub(crate) use families::{Families, Family};
pub(crate) use queue::{Limits, SenderId};

use queue::{Entered, Queue};

/// The least and the most that a sender is told to wait.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// There is no room in a lane, or none came in time: ask again after so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are too many {family}, of all senders or of this one: try again in {} ms", retry_after.as_millis())]
pub(crate) struct Busy {
    /// What there is too much of.
    pub(crate) family: &'static str,
    /// When to ask again.
    pub(crate) retry_after: Duration,
    /// True if the request waited for its turn until its patience ended; false if there was no room for it to wait.
    pub(crate) has_waited: bool,
}

/// The requests of one family.
#[derive(Debug)]
pub(crate) struct Lane {
    family: &'static str,
    /// How long one waits.
    patience: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    queue: Queue<oneshot::Sender<Place>>,
    /// How long a request takes, a moving average.
    takes: Duration,
}

/// A request that is worked on. Dropped, it lets the next one in.
#[derive(Debug)]
pub(crate) struct Place {
    /// None once it was given back.
    lane: Option<Arc<Lane>>,
    sender: SenderId,
    bytes: usize,
    since: Instant,
}

/// A request that waits for its turn.
#[derive(Debug)]
pub(crate) struct Ticket {
    lane: Arc<Lane>,
    sender: SenderId,
    turn: oneshot::Receiver<Place>,
}

/// What becomes of a request.
pub(crate) enum Entry {
    /// It is worked on.
    Now(Place),
    /// It waits.
    Waits(Ticket),
    /// It is refused.
    Busy(Busy),
}

impl Lane {
    pub(crate) fn new(family: &'static str, limits: Limits, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            family,
            patience,
            state: Mutex::new(State {
                queue: Queue::new(limits),
                takes: Duration::from_millis(1),
            }),
        })
    }

    /// Lets a request in, or not: known at once.
    pub(crate) fn enter(self: &Arc<Self>, sender: &SenderId, bytes: usize) -> Entry {
        let (tell, turn) = oneshot::channel();
        let mut state = self.state.lock();
        match state.queue.enter(sender, bytes, || tell) {
            Entered::Now => Entry::Now(self.place(Arc::clone(sender), bytes)),
            Entered::Waits => Entry::Waits(Ticket {
                lane: Arc::clone(self),
                sender: Arc::clone(sender),
                turn,
            }),
            Entered::Full => Entry::Busy(self.busy(&state, false)),
        }
    }

    /// Lets a request in, perhaps after it waited.
    ///
    /// # Errors
    ///
    /// [`Busy`] if there is no room for it, or its turn does not come in time.
    pub(crate) async fn wait(
        self: &Arc<Self>,
        sender: &SenderId,
        bytes: usize,
    ) -> Result<Place, Busy> {
        match self.enter(sender, bytes) {
            Entry::Now(place) => Ok(place),
            Entry::Waits(ticket) => ticket.turn().await,
            Entry::Busy(busy) => Err(busy),
        }
    }

    /// How many requests are worked on or wait.
    pub(super) fn ahead(&self) -> usize {
        self.state.lock().queue.ahead()
    }

    fn place(self: &Arc<Self>, sender: SenderId, bytes: usize) -> Place {
        Place {
            lane: Some(Arc::clone(self)),
            sender,
            bytes,
            since: Instant::now(),
        }
    }

    fn busy(&self, state: &State, has_waited: bool) -> Busy {
        let at_once = u32::try_from(state.queue.limits().at_once).unwrap_or(u32::MAX);
        let ahead = u32::try_from(state.queue.ahead()).unwrap_or(u32::MAX);
        let wait = state.takes.saturating_mul(ahead) / at_once.max(1);
        Busy {
            family: self.family,
            retry_after: wait.clamp(RETRY.0, RETRY.1),
            has_waited,
        }
    }

    /// Gives free places to those whose turn it is. Some may not wait any more.
    fn go_on(self: &Arc<Self>) {
        loop {
            let next = self.state.lock().queue.next();
            let Some((sender, bytes, tell)) = next else {
                return;
            };
            if let Err(mut place) = tell.send(self.place(sender, bytes)) {
                // Dropped with its lane it would come back here, one call deeper for each that is gone.
                place.lane = None;
                self.state.lock().queue.leave(&place.sender, bytes);
            }
        }
    }
}

impl Ticket {
    /// Waits for its turn.
    ///
    /// # Errors
    ///
    /// [`Busy`] if it does not come in time.
    pub(crate) async fn turn(mut self) -> Result<Place, Busy> {
        let turn = tokio::time::timeout(self.lane.patience, &mut self.turn).await;
        if let Ok(Ok(place)) = turn {
            return Ok(place);
        }
        self.turn.close();
        // It may have come at the last moment.
        if let Ok(place) = self.turn.try_recv() {
            return Ok(place);
        }
        let mut state = self.lane.state.lock();
        state
            .queue
            .abandon(&self.sender, oneshot::Sender::is_closed);
        Err(self.lane.busy(&state, true))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(lane) = self.lane.take() else { return };
        {
            let mut state = lane.state.lock();
            let took = self.since.elapsed();
            state.takes = (state.takes * 7 + took) / 8;
            state.queue.leave(&self.sender, self.bytes);
        }
        lane.go_on();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(at_once: usize, patience: Duration) -> Arc<Lane> {
        let limits = Limits {
            at_once,
            at_once_of_one: at_once,
            waiting: 4,
            waiting_of_one: 4,
            bytes: 100,
            bytes_of_one: 100,
        };
        Lane::new("requests", limits, patience)
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_waits_too_long_is_told_when_to_ask_again_and_makes_room() {
        let lane = lane(1, Duration::from_secs(5));
        let (a, b): (SenderId, SenderId) = ("a".into(), "b".into());
        let held = lane.wait(&a, 1).await.expect("there is room");
        let busy = lane.wait(&b, 1).await.expect_err("the only place is taken");
        assert_eq!(busy.family, "requests");
        assert!(busy.has_waited);
        assert!(busy.retry_after >= RETRY.0 && busy.retry_after <= RETRY.1);
        assert_eq!(lane.state.lock().queue.ahead(), 1, "it waits no more");
        drop(held);
        assert!(lane.wait(&b, 1).await.is_ok());
        assert_eq!(lane.state.lock().queue.ahead(), 0);
    }

    #[tokio::test]
    async fn a_place_goes_to_the_next_that_still_waits() {
        let lane = lane(1, Duration::from_secs(60));
        let sender: SenderId = "a".into();
        let held = lane.wait(&sender, 1).await.expect("there is room");
        let mut tickets: Vec<_> = (0..4)
            .map(|_| match lane.enter(&sender, 1) {
                Entry::Waits(ticket) => ticket,
                Entry::Now(_) | Entry::Busy(_) => panic!("it must wait"),
            })
            .collect();
        let last = tickets.pop().expect("there are four");
        drop(tickets);
        drop(held);
        let place = last.turn().await.expect("the others are gone");
        assert_eq!(lane.state.lock().queue.ahead(), 1);
        drop(place);
        assert_eq!(lane.state.lock().queue.ahead(), 0);
    }
}
