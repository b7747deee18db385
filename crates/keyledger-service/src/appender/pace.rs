//! The pace: when what waits goes off, and in which company.
//!
//! nats-server 2.15 works on one atomic batch of a stream at a time. It pays some 2.2 ms for each, whatever is in it (a
//! directory and files made, synced and removed), and some 20 to 40 µs an event; a lone event costs 0.3 to 0.5 ms. So a few
//! lone events go off at once, each on its own; a crowd is waited for, and goes off together; and one that is so large
//! that its events cost more than the batch goes off in two parts, of which one is gathered while the other is written.

use std::time::{Duration, Instant};

/// Up to how many lone events go off each on its own: this many cost about as much as a batch.
pub(crate) const LONE_AT_MOST: usize = 6;
/// From how many works on a crowd goes off in two parts.
const TWO_PARTS: usize = 256;
/// How long is waited, after an acknowledgement, for the next commands of those whose answers just went out. They come
/// within 1 to 3 ms, and a batch without them costs those that are left behind as much.
const GATHER: Duration = Duration::from_millis(3);

/// What to do with those that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Off with them.
    Send,
    /// Not before then, unless more come.
    Hold(Instant),
    /// Not before what is under way is acknowledged, or more come.
    Wait,
}

/// How large the crowd is, as far as was seen.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How many works were waiting or under way together; it falls by an eighth with each acknowledgement.
    crowd: usize,
    acknowledged: Option<Instant>,
}

impl Pace {
    /// An append of `works` was acknowledged, while `others` wait or are under way.
    pub(super) fn acknowledged(&mut self, works: usize, others: usize, now: Instant) {
        self.crowd = (works + others).max(self.crowd * 7 / 8);
        self.acknowledged = Some(now);
    }

    /// What to do with `waiting` works while `under_way` lists how many works each append on its way holds.
    pub(super) fn next(&self, under_way: &[usize], waiting: usize, now: Instant) -> Next {
        if waiting == 0 {
            return Next::Wait;
        }
        let under_way_works: usize = under_way.iter().sum();
        if under_way_works + waiting <= LONE_AT_MOST && self.crowd <= LONE_AT_MOST {
            return Next::Send;
        }
        let is_gathered = waiting >= self.enough();
        match under_way {
            _ if is_gathered && under_way.len() < self.batches_at_once() => Next::Send,
            [] => match self.acknowledged.map(|at| at + GATHER) {
                Some(until) if now < until => Next::Hold(until),
                _ => Next::Send,
            },
            _ => Next::Wait,
        }
    }

    /// How many works are worth a batch. A little less than all: nobody waits for a few that went away.
    const fn enough(&self) -> usize {
        if self.crowd < TWO_PARTS {
            self.crowd * 7 / 8
        } else {
            self.crowd * 3 / 8
        }
    }

    const fn batches_at_once(&self) -> usize {
        if self.crowd < TWO_PARTS { 1 } else { 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_a_crowd_of(works: usize, now: Instant) -> Pace {
        let mut pace = Pace::default();
        pace.acknowledged(works, 0, now);
        pace
    }

    #[test]
    fn a_lone_command_goes_off_at_once() {
        let now = Instant::now();
        assert_eq!(Pace::default().next(&[], 1, now), Next::Send);
        assert_eq!(after_a_crowd_of(1, now).next(&[], 1, now), Next::Send);
    }

    #[test]
    fn a_few_go_off_beside_each_other() {
        let now = Instant::now();
        let pace = after_a_crowd_of(4, now);
        assert_eq!(pace.next(&[1, 1, 1], 1, now), Next::Send);
        assert_eq!(pace.next(&[1, 1, 1, 1, 1, 1], 1, now), Next::Wait);
    }

    #[test]
    fn a_crowd_is_waited_for_but_not_for_long() {
        let now = Instant::now();
        let pace = after_a_crowd_of(64, now);
        assert_eq!(pace.next(&[], 10, now), Next::Hold(now + GATHER));
        assert_eq!(pace.next(&[], 10, now + GATHER), Next::Send);
        assert_eq!(pace.next(&[], 60, now), Next::Send);
        assert_eq!(pace.next(&[4], 60, now), Next::Wait);
    }

    #[test]
    fn a_large_crowd_goes_off_in_two_parts() {
        let now = Instant::now();
        let pace = after_a_crowd_of(1_024, now);
        assert_eq!(pace.next(&[512], 400, now), Next::Send);
        assert_eq!(pace.next(&[512], 100, now), Next::Wait);
        assert_eq!(pace.next(&[400, 400], 800, now), Next::Wait);
    }

    #[test]
    fn a_crowd_that_went_away_is_forgotten() {
        let now = Instant::now();
        let mut pace = after_a_crowd_of(1_024, now);
        for _ in 0..64 {
            pace.acknowledged(1, 0, now);
        }
        assert_eq!(pace.next(&[], 1, now), Next::Send);
    }
}
