//! What the world does to a token: plugging and pulling it, touching it, spoiling it.

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::apdu::StatusWord;
use super::fault::{Fault, NewSecret, Touch, When};

/// How long a YubiKey blinks before it gives up.
const PATIENCE: Duration = Duration::from_secs(15);

/// pcscd looks every 400 ms whether a card is still there; a shorter absence may go unseen.
const SHORTEST_ABSENCE: Duration = Duration::from_millis(900);

/// One token's surroundings, shared between its reader and whoever controls the test.
#[derive(Default)]
pub(crate) struct Outside {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    inserted: bool,
    removed_at: Option<Instant>,
    /// Whether clients can connect, since the card was inserted.
    seen: bool,
    reader: Option<TcpStream>,
    touch: Touch,
    awaiting_touch: bool,
    touches: u64,
    operations: BTreeMap<u8, u64>,
    answers: u64,
    busy: Duration,
    faults: Vec<Fault>,
}

/// What is to happen around one command.
pub(crate) enum Interference {
    None,
    /// The token is gone before the command has any effect.
    RemoveBefore,
    /// The command has its effect, and its answer is never heard.
    RemoveAfter,
    /// The command has no effect, and this is the answer.
    Answer(StatusWord),
    /// The command has its effect, and so many bytes of its answer are heard.
    CutOff(usize),
}

/// What a test may want to know of the surroundings.
pub(crate) struct Glimpse {
    pub(crate) inserted: bool,
    pub(crate) awaiting_touch: bool,
    pub(crate) touches: u64,
    pub(crate) operations: BTreeMap<u8, u64>,
    pub(crate) answers: u64,
    pub(crate) busy: Duration,
    pub(crate) faults_left: usize,
}

impl Outside {
    pub(crate) fn insert(&self) {
        let mut inner = self.lock();
        if inner.inserted {
            return;
        }
        if let Some(removed_at) = inner.removed_at {
            let rest = SHORTEST_ABSENCE.saturating_sub(removed_at.elapsed());
            drop(inner);
            std::thread::sleep(rest);
            inner = self.lock();
        }
        inner.inserted = true;
        inner.seen = false;
        self.changed.notify_all();
    }

    pub(crate) fn remove(&self) {
        let mut inner = self.lock();
        if !inner.inserted {
            return;
        }
        inner.inserted = false;
        inner.removed_at = Some(Instant::now());
        if let Some(reader) = inner.reader.take() {
            // Wakes who reads from it; closed already, just as well.
            let _ = reader.shutdown(Shutdown::Read);
        }
        self.changed.notify_all();
    }

    pub(crate) fn is_inserted(&self) -> bool {
        self.lock().inserted
    }

    /// Waits until clients can connect; whether they can in time.
    pub(crate) fn wait_until_seen(&self, within: Duration) -> bool {
        let inner = self.lock();
        let (inner, _) = self
            .changed
            .wait_timeout_while(inner, within, |inner| inner.inserted && !inner.seen)
            .unwrap_or_else(PoisonError::into_inner);
        inner.seen
    }

    pub(crate) fn wait_until_inserted(&self) {
        let inner = self.lock();
        drop(
            self.changed
                .wait_while(inner, |inner| !inner.inserted)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// A connection to the reader; `false` if the token has been removed meanwhile.
    pub(crate) fn connected(&self, reader: TcpStream) -> bool {
        let mut inner = self.lock();
        if inner.inserted {
            inner.reader = Some(reader);
        }
        inner.inserted
    }

    /// pcscd has powered the card and lets clients connect.
    pub(crate) fn seen(&self) {
        self.lock().seen = true;
        self.changed.notify_all();
    }

    pub(crate) fn set_touch(&self, touch: Touch) {
        self.lock().touch = touch;
        self.changed.notify_all();
    }

    /// Blinks until the token is touched, removed, or nobody came: the latter two are errors.
    pub(crate) fn wait_for_touch(&self) -> Result<(), StatusWord> {
        let mut inner = self.lock();
        inner.awaiting_touch = true;
        self.changed.notify_all();
        let (mut inner, _) = self
            .changed
            .wait_timeout_while(inner, PATIENCE, |inner| {
                inner.inserted && inner.touch == Touch::Withheld
            })
            .unwrap_or_else(PoisonError::into_inner);
        inner.awaiting_touch = false;
        if inner.inserted && inner.touch == Touch::Given {
            inner.touches += 1;
            return Ok(());
        }
        Err(StatusWord::SECURITY_NOT_SATISFIED)
    }

    pub(crate) fn add_fault(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    pub(crate) fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    pub(crate) fn has_fault(&self, is: impl Fn(&Fault) -> bool) -> bool {
        self.lock().faults.iter().any(is)
    }

    /// The serial number it says it has, if that is not its own.
    pub(crate) fn posed_serial(&self) -> Option<u32> {
        self.lock().faults.iter().find_map(|fault| match fault {
            Fault::PosesAsSerial { serial } => Some(*serial),
            _ => None,
        })
    }

    /// The first that `is` makes something of.
    pub(crate) fn find_fault<T>(&self, is: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        self.lock().faults.iter().find_map(is)
    }

    /// Whether the token takes `value` as the new `secret`.
    pub(crate) fn check_new(&self, secret: NewSecret, value: &[u8]) -> Result<(), StatusWord> {
        let mut inner = self.lock();
        if is_simple(value) && inner.faults.contains(&Fault::PinComplexity) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let mut refused = None;
        inner.faults.retain_mut(|fault| match fault {
            Fault::FindsTooSimple {
                secret: of,
                times,
                status,
            } if *of == secret && refused.is_none() => {
                refused = Some(StatusWord(*status));
                *times -= 1;
                *times > 0
            }
            _ => true,
        });
        refused.map_or(Ok(()), Err)
    }

    /// Counts a whole command and says what is to happen around it. What happens once is forgotten.
    pub(crate) fn command(&self, instruction: u8) -> Interference {
        let mut inner = self.lock();
        *inner.operations.entry(instruction).or_default() += 1;
        let mut due = None;
        for (index, fault) in inner.faults.iter_mut().enumerate() {
            let (Fault::Remove {
                instruction: wanted,
                nth,
                ..
            }
            | Fault::CutOff {
                instruction: wanted,
                nth,
                ..
            }
            | Fault::Answer {
                instruction: wanted,
                nth,
                ..
            }) = fault
            else {
                continue;
            };
            if *wanted == instruction {
                *nth = nth.saturating_sub(1);
                if *nth == 0 {
                    due.get_or_insert(index);
                }
            }
        }
        match due.map(|index| inner.faults.remove(index)) {
            Some(Fault::Remove {
                when: When::Before, ..
            }) => Interference::RemoveBefore,
            Some(Fault::Remove {
                when: When::After, ..
            }) => Interference::RemoveAfter,
            Some(Fault::CutOff { bytes, .. }) => Interference::CutOff(bytes),
            Some(Fault::Answer { status, .. }) => Interference::Answer(StatusWord(status)),
            _ => Interference::None,
        }
    }

    /// It has worked on a command for so long.
    pub(crate) fn answered(&self, took: Duration) {
        let mut inner = self.lock();
        inner.answers += 1;
        inner.busy += took;
    }

    pub(crate) fn glimpse(&self) -> Glimpse {
        let inner = self.lock();
        Glimpse {
            inserted: inner.inserted,
            awaiting_touch: inner.awaiting_touch,
            touches: inner.touches,
            operations: inner.operations.clone(),
            answers: inner.answers,
            busy: inner.busy,
            faults_left: inner.faults.len(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is whole: a panic elsewhere leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One character again and again, or one of the first of the lists of PINs that many people take.
fn is_simple(value: &[u8]) -> bool {
    const LISTED: [&[u8]; 12] = [
        b"123456",
        b"123123",
        b"654321",
        b"123321",
        b"112233",
        b"121212",
        b"123456789",
        b"12345678",
        b"1234567",
        b"520520",
        b"123654",
        b"11223344",
    ];
    let first = value.first();
    value.iter().all(|byte| Some(byte) == first) || LISTED.contains(&value)
}
