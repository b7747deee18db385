//! Remembers what was seen in each reader. A token is not read twice without need, because each reading ends the sessions that other
//! programs have with it.
//!
//! What was seen in a reader is valid until pcscd counts a card that came or went there. A restarted pcscd counts from zero. So this
//! module keeps one connection to pcscd, and forgets everything when that connection breaks.

use std::{
    collections::BTreeMap,
    ffi::CString,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use keyledger_domain::token::{Announcement, Serial};
use pcsc::{Context, State};

use super::{
    CardError,
    service::{OccupiedReader, context},
};

/// What was seen in a reader.
#[derive(Clone)]
pub(super) struct ReaderSeen {
    events: u32,
    state: State,
    pub(super) what: ReaderContent,
    pub(super) at: Instant,
}

/// The content of a reader.
#[derive(Clone)]
pub(super) enum ReaderContent {
    /// A token, and what it shows. Without the latter, it has to be read again: it may have changed.
    Token(Serial, Option<Announcement>),
    /// A card that is no token.
    Nothing,
    /// A card that could not be read.
    Unable {
        /// The last error.
        error: CardError,
        /// The number of failures in a row.
        times: u32,
    },
}

/// The pause before a failed reading is repeated; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause before a failed reading is repeated.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl ReaderSeen {
    pub(super) const fn new(reader: &OccupiedReader, what: ReaderContent, at: Instant) -> Self {
        Self {
            events: reader.events,
            state: reader.state,
            what,
            at,
        }
    }

    /// True if this is still what is in the reader.
    fn holds(&self, reader: &OccupiedReader) -> bool {
        self.events == reader.events
    }

    /// True if the reading failed, and the pause after it is over.
    fn is_due(&self) -> bool {
        match &self.what {
            ReaderContent::Unable { times, .. } => {
                let doubled = FIRST_PAUSE * 2u32.saturating_pow(times.saturating_sub(1).min(10));
                self.at.elapsed() >= doubled.min(LONGEST_PAUSE)
            }
            ReaderContent::Token(..) | ReaderContent::Nothing => false,
        }
    }
}

#[derive(Default)]
struct Memory {
    service: Option<Context>,
    looks: BTreeMap<CString, ReaderSeen>,
    /// The tokens that a walk or a signature is using. They are not read meanwhile: what they showed before stays valid.
    under_way: BTreeMap<Serial, usize>,
    /// Counts how often something that was seen became stale.
    stale: u64,
}

static MEMORY: Mutex<Memory> = Mutex::new(Memory {
    service: None,
    looks: BTreeMap::new(),
    under_way: BTreeMap::new(),
    stale: 0,
});

fn memory() -> MutexGuard<'static, Memory> {
    MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does `work` with the connection to pcscd that is kept, or with a new one if that is broken.
///
/// # Errors
///
/// [`CardError::NoService`] if pcscd does not answer, or what `work` says.
pub(super) fn with_service<T>(
    work: impl Fn(&Context) -> Result<T, CardError>,
) -> Result<T, CardError> {
    let kept = memory().service.clone();
    if let Some(kept) = kept
        && let Ok(done) = work(&kept)
    {
        return Ok(done);
    }
    let fresh = context()?;
    let mut memory = memory();
    memory.service = Some(fresh.clone());
    memory.looks.clear();
    drop(memory);
    work(&fresh)
}

/// What was seen in a reader; nothing if the reader has to be read now.
pub(super) fn of(reader: &OccupiedReader) -> Option<ReaderSeen> {
    let memory = memory();
    let look = memory.looks.get(&reader.name)?;
    if !look.holds(reader) {
        return None;
    }
    let serves = match &look.what {
        ReaderContent::Token(serial, shown) => {
            shown.is_some() || memory.under_way.contains_key(serial)
        }
        ReaderContent::Nothing => true,
        // The program that held it may have let go.
        ReaderContent::Unable { .. } => !look.is_due() && look.state == reader.state,
    };
    serves.then(|| look.clone())
}

/// The token in a reader, or that there is none; nothing if that is not known.
pub(super) fn known(reader: &OccupiedReader) -> Option<Option<Serial>> {
    let memory = memory();
    let look = memory.looks.get(&reader.name)?;
    match &look.what {
        _ if !look.holds(reader) => None,
        ReaderContent::Token(serial, _) => Some(Some(*serial)),
        ReaderContent::Nothing => Some(None),
        ReaderContent::Unable { .. } => None,
    }
}

/// How often in a row the card in a reader could not be read.
pub(super) fn failed(reader: &OccupiedReader) -> u32 {
    let memory = memory();
    match memory.looks.get(&reader.name) {
        Some(look) if look.holds(reader) => match look.what {
            ReaderContent::Unable { times, .. } => times,
            ReaderContent::Token(..) | ReaderContent::Nothing => 0,
        },
        _ => 0,
    }
}

/// Remembers what is in a reader. If `what` does not say what the token shows, what it showed before stays valid.
pub(super) fn remember(reader: &OccupiedReader, what: ReaderContent) {
    let mut memory = memory();
    if let (Some(look), ReaderContent::Token(serial, None)) =
        (memory.looks.get(&reader.name), &what)
        && look.holds(reader)
        && matches!(&look.what, ReaderContent::Token(known, _) if known == serial)
    {
        return;
    }
    let look = ReaderSeen::new(reader, what, Instant::now());
    memory.looks.insert(reader.name.clone(), look);
}

/// Forgets the readers that hold no card any more.
pub(super) fn forget_others(occupied: &[OccupiedReader]) {
    let is_there = |name: &CString| occupied.iter().any(|reader| reader.name == *name);
    memory().looks.retain(|name, _| is_there(name));
}

/// Counts how often something that was seen became stale.
pub(super) fn stale() -> u64 {
    memory().stale
}

/// True if a failed reading has to be repeated now.
pub(super) fn is_one_due() -> bool {
    memory().looks.values().any(ReaderSeen::is_due)
}

/// While this lives, only the walk uses the token. When it is dropped, the token is to be read again.
#[derive(Debug)]
pub(crate) struct Walked(Serial);

/// Reserves a token for a walk or a signature.
pub(crate) fn walked(serial: Serial) -> Walked {
    *memory().under_way.entry(serial).or_default() += 1;
    Walked(serial)
}

impl Drop for Walked {
    fn drop(&mut self) {
        let mut memory = memory();
        if let Some(count) = memory.under_way.get_mut(&self.0) {
            *count -= 1;
        }
        memory.under_way.retain(|_, count| *count > 0);
        memory.stale += 1;
        for look in memory.looks.values_mut() {
            if let ReaderContent::Token(serial, shown) = &mut look.what
                && *serial == self.0
            {
                *shown = None;
            }
        }
    }
}
