//! A sender that asks for too much is refused a moment later, and not at once.
//!
//! Most programs send the next request when the last one is answered. If they were refused at once, they would ask again at once:
//! tens of thousands of refusals a second, which would leave the servers and the service no time for anybody else.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;

use crate::lanes::SenderId;

/// How long such a refusal waits. Clients wait 5 s for an answer.
pub(super) const TOLD_AFTER: Duration = Duration::from_secs(1);
/// How many refusals of one sender wait at the most. A program that sends all its requests at once is still answered.
const MOST_OF_ONE: usize = 4_096;
/// How many refusals of all senders wait at the most. Each takes some 2 KiB.
const MOST: usize = 16_384;

/// Counts the refusals that wait to be sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Later(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    of_all: usize,
    of_each: HashMap<SenderId, usize>,
}

/// The place of one waiting refusal. Dropping it makes room for another.
#[derive(Debug)]
pub(super) struct WaitingPlace {
    later: Later,
    sender: SenderId,
}

impl Later {
    /// Takes a place for one more refusal of `sender`. `None` if too many wait: the request is then not answered at all.
    pub(super) fn enter(&self, sender: &SenderId) -> Option<WaitingPlace> {
        let mut waiting = self.0.lock();
        if waiting.of_all >= MOST {
            return None;
        }
        let of_sender = waiting.of_each.entry(Arc::clone(sender)).or_default();
        if *of_sender >= MOST_OF_ONE {
            return None;
        }
        *of_sender += 1;
        waiting.of_all += 1;
        Some(WaitingPlace {
            later: self.clone(),
            sender: Arc::clone(sender),
        })
    }
}

impl Drop for WaitingPlace {
    fn drop(&mut self) {
        let mut waiting = self.later.0.lock();
        waiting.of_all -= 1;
        let is_last = waiting.of_each.get_mut(&self.sender).is_some_and(|count| {
            *count -= 1;
            *count == 0
        });
        if is_last {
            waiting.of_each.remove(&self.sender);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(name: impl Into<String>) -> SenderId {
        name.into().into()
    }

    #[test]
    fn a_sender_has_its_share_of_refusals_and_leaves_the_others_theirs() {
        let later = Later::default();
        let (greedy, modest) = (sender("greedy"), sender("modest"));
        let mut held: Vec<_> = std::iter::from_fn(|| later.enter(&greedy)).collect();
        assert_eq!(held.len(), MOST_OF_ONE);
        assert!(later.enter(&modest).is_some());
        held.pop();
        assert!(later.enter(&greedy).is_some(), "one was told");
    }

    #[test]
    fn the_refusals_of_all_senders_are_bounded_and_forgotten_when_told() {
        let later = Later::default();
        let mut held = Vec::new();
        for n in 0..=MOST / MOST_OF_ONE {
            let sender = sender(format!("sender {n}"));
            held.extend(std::iter::from_fn(|| later.enter(&sender)));
        }
        assert_eq!(held.len(), MOST);
        drop(held);
        assert!(later.0.lock().of_each.is_empty());
        assert_eq!(later.0.lock().of_all, 0);
    }
}
