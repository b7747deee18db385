//! Keys that are open to sign with: few enough, and wiped when they leave.

use std::{collections::HashMap, sync::Arc};

use crate::sign::SigningHalf;

/// How many keys are open at once.
pub const MAX_OPEN_KEYS: usize = 1_024;
/// How much memory they take together, in bytes, counted generously.
pub const MAX_OPEN_BYTES: usize = 4 * 1024 * 1024;

/// Open keys by their place. When there are too many, the one that signed longest ago is closed.
#[derive(Default)]
pub(crate) struct Opened {
    keys: HashMap<Box<str>, OpenedKey>,
    bytes: usize,
    /// Counts the uses.
    uses: u64,
}

struct OpenedKey {
    /// Dropping the last one wipes the key.
    half: Arc<SigningHalf>,
    last_used: u64,
}

impl Opened {
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// True if the key is open. Asking is no use of it.
    pub(crate) fn holds(&self, place: &str) -> bool {
        self.keys.contains_key(place)
    }

    pub(crate) fn find(&mut self, place: &str) -> Option<Arc<SigningHalf>> {
        self.uses += 1;
        let key = self.keys.get_mut(place)?;
        key.last_used = self.uses;
        Some(Arc::clone(&key.half))
    }

    pub(crate) fn keep(&mut self, place: &str, half: SigningHalf) {
        self.close(place);
        self.uses += 1;
        self.bytes += half.bytes();
        let key = OpenedKey {
            half: Arc::new(half),
            last_used: self.uses,
        };
        self.keys.insert(place.into(), key);
        while self.keys.len() > MAX_OPEN_KEYS || self.bytes > MAX_OPEN_BYTES {
            let oldest = self.keys.iter().min_by_key(|(_, key)| key.last_used);
            let Some(place) = oldest.map(|(place, _)| place.clone()) else {
                return;
            };
            self.close(&place);
        }
    }

    pub(crate) fn close(&mut self, place: &str) {
        if let Some(key) = self.keys.remove(place) {
            self.bytes -= key.half.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use aws_lc_rs::{
        rsa::{KeyPair, KeySize},
        signature::Ed25519KeyPair,
    };

    use super::*;

    fn key() -> SigningHalf {
        SigningHalf::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    fn weak(opened: &mut Opened, place: &str) -> Weak<SigningHalf> {
        Arc::downgrade(&opened.find(place).unwrap())
    }

    #[test]
    fn a_closed_or_replaced_key_is_dropped_at_once() {
        let mut opened = Opened::default();
        opened.keep("a", key());
        let first = weak(&mut opened, "a");
        opened.keep("a", key());
        assert!(first.upgrade().is_none());
        let second = weak(&mut opened, "a");
        opened.close("a");
        assert!(second.upgrade().is_none());
        assert!(opened.find("a").is_none());
        assert_eq!((opened.len(), opened.bytes), (0, 0));
    }

    #[test]
    fn the_key_that_signed_longest_ago_makes_room() {
        let mut opened = Opened::default();
        for n in 0..MAX_OPEN_KEYS {
            opened.keep(&n.to_string(), key());
        }
        let evicted = weak(&mut opened, "1");
        // Used last, although it came first.
        assert!(opened.find("0").is_some());
        for n in 2..MAX_OPEN_KEYS {
            assert!(opened.find(&n.to_string()).is_some());
        }
        opened.keep("one more", key());
        assert_eq!(opened.len(), MAX_OPEN_KEYS);
        assert!(evicted.upgrade().is_none(), "the key is wiped");
        assert!(opened.find("0").is_some());
    }

    #[test]
    fn large_keys_are_bounded_by_their_bytes() {
        let pair = || SigningHalf::Rsa(KeyPair::generate(KeySize::Rsa2048).unwrap());
        let mut opened = Opened::default();
        let one = pair().bytes();
        opened.keep("first", pair());
        // As if others took the rest.
        opened.bytes += MAX_OPEN_BYTES - one;
        opened.keep("second", pair());
        assert!(opened.find("first").is_none());
        assert!(opened.find("second").is_some());
    }
}
