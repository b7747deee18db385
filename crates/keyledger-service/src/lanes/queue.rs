//! Who waits, whose turn it is, and how much everybody holds: counted, without a clock and without tasks.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Who sent a request: a user's nkey, or nothing where nats-server did not say.
pub(crate) type SenderId = Arc<str>;

/// How much one lane takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Requests that are worked on at once.
    pub(crate) at_once: usize,
    /// How many of them one sender may have.
    pub(crate) at_once_of_one: usize,
    /// Requests that wait.
    pub(crate) waiting: usize,
    /// How many of them one sender may have.
    pub(crate) waiting_of_one: usize,
    /// Bytes of all requests that are worked on or wait.
    pub(crate) bytes: usize,
    /// How many of them one sender may have. A single request of more is taken where nothing else of its sender is there.
    pub(crate) bytes_of_one: usize,
}

/// What becomes of a request that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entered {
    /// It is worked on.
    Now,
    /// It waits.
    Waits,
    /// There is no room for it.
    Full,
}

/// What one sender holds.
#[derive(Debug)]
struct Share<T> {
    at_work: usize,
    bytes: usize,
    waiting: VecDeque<(usize, T)>,
}

/// The requests of one lane. `T` is how one that waits is told that its turn has come.
#[derive(Debug)]
pub(super) struct Queue<T> {
    limits: Limits,
    at_work: usize,
    waiting: usize,
    bytes: usize,
    shares: HashMap<SenderId, Share<T>>,
    /// Senders with something that waits, each once: the first is next.
    turns: VecDeque<SenderId>,
}

impl<T> Queue<T> {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            at_work: 0,
            waiting: 0,
            bytes: 0,
            shares: HashMap::new(),
            turns: VecDeque::new(),
        }
    }

    /// Takes a request in, if there is room: for it, and for one more of its sender. `ticket` is only made for one that waits.
    pub(super) fn enter(
        &mut self,
        sender: &SenderId,
        bytes: usize,
        ticket: impl FnOnce() -> T,
    ) -> Entered {
        let limits = self.limits;
        if self.bytes > 0 && self.bytes + bytes > limits.bytes {
            return Entered::Full;
        }
        let share = self
            .shares
            .entry(Arc::clone(sender))
            .or_insert_with(|| Share {
                at_work: 0,
                bytes: 0,
                waiting: VecDeque::new(),
            });
        if share.bytes > 0 && share.bytes + bytes > limits.bytes_of_one {
            return Entered::Full;
        }
        // Nobody overtakes those who wait, but for senders that have had their share.
        let is_free = self.at_work < limits.at_once && share.at_work < limits.at_once_of_one;
        if is_free && share.waiting.is_empty() {
            share.at_work += 1;
            share.bytes += bytes;
            self.at_work += 1;
            self.bytes += bytes;
            return Entered::Now;
        }
        if self.waiting >= limits.waiting || share.waiting.len() >= limits.waiting_of_one {
            self.forget(sender);
            return Entered::Full;
        }
        if share.waiting.is_empty() {
            self.turns.push_back(Arc::clone(sender));
        }
        share.waiting.push_back((bytes, ticket()));
        share.bytes += bytes;
        self.waiting += 1;
        self.bytes += bytes;
        Entered::Waits
    }

    /// A request is done with.
    pub(super) fn leave(&mut self, sender: &SenderId, bytes: usize) {
        if let Some(share) = self.shares.get_mut(sender) {
            share.at_work -= 1;
            share.bytes -= bytes;
            self.at_work -= 1;
            self.bytes -= bytes;
        }
        self.forget(sender);
    }

    /// The next that may be worked on: the senders take turns.
    pub(super) fn next(&mut self) -> Option<(SenderId, usize, T)> {
        if self.at_work >= self.limits.at_once {
            return None;
        }
        for _ in 0..self.turns.len() {
            let sender = self.turns.pop_front()?;
            let share = self.shares.get_mut(&sender)?;
            if share.at_work >= self.limits.at_once_of_one {
                self.turns.push_back(sender);
                continue;
            }
            let (bytes, ticket) = share.waiting.pop_front()?;
            share.at_work += 1;
            self.at_work += 1;
            self.waiting -= 1;
            if !share.waiting.is_empty() {
                self.turns.push_back(Arc::clone(&sender));
            }
            return Some((sender, bytes, ticket));
        }
        None
    }

    /// Takes what of `sender` waits no more out.
    pub(super) fn abandon(&mut self, sender: &SenderId, is_gone: impl Fn(&T) -> bool) {
        let Some(share) = self.shares.get_mut(sender) else {
            return;
        };
        let (waiting, bytes) = (share.waiting.len(), share.bytes);
        share.waiting.retain(|(bytes, ticket)| {
            let is_gone = is_gone(ticket);
            if is_gone {
                share.bytes -= bytes;
            }
            !is_gone
        });
        self.waiting -= waiting - share.waiting.len();
        self.bytes -= bytes - share.bytes;
        if share.waiting.is_empty() {
            self.turns.retain(|turn| turn != sender);
        }
        self.forget(sender);
    }

    /// How many requests are before one that comes now.
    pub(super) const fn ahead(&self) -> usize {
        self.at_work + self.waiting
    }

    pub(super) const fn limits(&self) -> Limits {
        self.limits
    }

    /// Keeps nothing of a sender that has nothing here.
    fn forget(&mut self, sender: &SenderId) {
        let share = self.shares.get(sender);
        if share.is_some_and(|share| share.at_work == 0 && share.waiting.is_empty()) {
            self.shares.remove(sender);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        at_once: 4,
        at_once_of_one: 2,
        waiting: 8,
        waiting_of_one: 3,
        bytes: 1_000,
        bytes_of_one: 400,
    };

    fn sender(name: &str) -> SenderId {
        name.into()
    }

    #[test]
    fn one_sender_never_takes_the_share_of_another() {
        let mut queue = Queue::new(LIMITS);
        let (greedy, modest) = (sender("greedy"), sender("modest"));
        let entered: Vec<_> = (0..10).map(|n| queue.enter(&greedy, 1, || n)).collect();
        let count = |what| entered.iter().filter(|e| **e == what).count();
        assert_eq!(
            [Entered::Now, Entered::Waits, Entered::Full].map(count),
            [2, 3, 5]
        );
        assert_eq!(queue.enter(&modest, 1, || 100), Entered::Now);
    }

    #[test]
    fn senders_take_turns_however_many_requests_each_has() {
        let mut queue = Queue::new(Limits {
            at_once: 1,
            at_once_of_one: 1,
            ..LIMITS
        });
        let (first, greedy, modest) = (sender("first"), sender("greedy"), sender("modest"));
        assert_eq!(queue.enter(&first, 1, || "first"), Entered::Now);
        for ticket in ["greedy 1", "greedy 2", "greedy 3"] {
            assert_eq!(queue.enter(&greedy, 1, || ticket), Entered::Waits);
        }
        assert_eq!(queue.enter(&modest, 1, || "modest"), Entered::Waits);
        assert!(queue.next().is_none(), "the only place is taken");
        queue.leave(&first, 1);
        let mut order = Vec::new();
        while let Some((sender, bytes, ticket)) = queue.next() {
            order.push(ticket);
            queue.leave(&sender, bytes);
        }
        assert_eq!(order, ["greedy 1", "modest", "greedy 2", "greedy 3"]);
        assert_eq!(queue.ahead(), 0);
        assert!(queue.shares.is_empty() && queue.turns.is_empty());
    }

    #[test]
    fn a_sender_with_its_share_at_work_is_overtaken() {
        let mut queue = Queue::new(LIMITS);
        let (greedy, modest) = (sender("greedy"), sender("modest"));
        for n in 0..3 {
            queue.enter(&greedy, 1, || n);
        }
        assert!(queue.next().is_none(), "it has its share at work");
        assert_eq!(queue.enter(&modest, 1, || 7), Entered::Now);
        queue.leave(&greedy, 1);
        assert_eq!(queue.next().map(|(_, _, ticket)| ticket), Some(2));
    }

    #[test]
    fn bytes_are_bounded_of_all_and_of_one() {
        let mut queue = Queue::new(LIMITS);
        let names: Vec<_> = (0..4).map(|n| sender(&format!("s{n}"))).collect();
        assert_eq!(queue.enter(&names[0], 300, || ()), Entered::Now);
        assert_eq!(queue.enter(&names[0], 200, || ()), Entered::Full);
        assert_eq!(queue.enter(&names[1], 400, || ()), Entered::Now);
        assert_eq!(queue.enter(&names[2], 400, || ()), Entered::Full);
        assert_eq!(queue.enter(&names[2], 300, || ()), Entered::Now);
        queue.leave(&names[1], 400);
        assert_eq!(queue.enter(&names[3], 400, || ()), Entered::Now);
        for (name, bytes) in [(0, 300), (2, 300), (3, 400)] {
            queue.leave(&names[name], bytes);
        }
        assert_eq!((queue.bytes, queue.ahead()), (0, 0));
        // One alone is taken whatever its length: its rule refuses it by name.
        assert_eq!(queue.enter(&names[0], 5_000, || ()), Entered::Now);
    }

    #[test]
    fn what_waits_no_more_makes_room() {
        let mut queue = Queue::new(LIMITS);
        let greedy = sender("greedy");
        for n in 0..5 {
            queue.enter(&greedy, 10, || n);
        }
        assert_eq!(queue.enter(&greedy, 10, || 9), Entered::Full);
        queue.abandon(&greedy, |ticket| *ticket < 4);
        assert_eq!((queue.waiting, queue.bytes), (1, 30));
        assert_eq!(queue.enter(&greedy, 10, || 9), Entered::Waits);
        queue.abandon(&greedy, |_| true);
        assert_eq!((queue.waiting, queue.bytes), (0, 20));
        assert!(queue.turns.is_empty());
    }
}
