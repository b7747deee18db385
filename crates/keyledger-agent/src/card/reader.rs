//! Which tokens are plugged in, and when that changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::CString,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use keyledger_domain::token::{Announcement, Serial};
use pcsc::{Context, PNP_NOTIFICATION, ReaderState, Scope, State};

use super::{CardError, Piv, announcement};

/// A token that is plugged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The PC/SC reader that it is, or is in.
    pub reader: String,
    /// What it shows to anybody; or why it cannot be asked now: who holds it.
    pub shows: Result<Announcement, CardError>,
}

/// The tokens that are plugged in. What is no token is left out; what may be one and is held by another program is not.
///
/// Blocks while tokens are talked to: some 30 commands each.
///
/// # Errors
///
/// [`CardError::NoService`] if pcscd does not answer.
pub fn readers() -> Result<Vec<Found>, CardError> {
    let mut found = Vec::new();
    for reader in occupied()? {
        match look_into(&reader) {
            Ok(Some(announcement)) => found.push(Found::new(&reader, Ok(announcement))),
            Ok(None) => {}
            Err(CardError::NoService) => return Err(CardError::NoService),
            Err(error @ CardError::Held { .. }) => found.push(Found::new(&reader, Err(error))),
            Err(error) => {
                tracing::debug!(reader = ?reader.name, %error, "no token to be seen here now");
            }
        }
    }
    Ok(found)
}

/// Opens the token of this serial number.
///
/// # Errors
///
/// [`CardError::Absent`] if no reader shows it, [`CardError::Held`] if a reader that may be it is held by another program;
/// [`CardError::NoService`].
pub(crate) fn open(serial: Serial) -> Result<Piv, CardError> {
    let mut readers = occupied()?;
    // Where it was before, it probably still is; who is known to be another one is left alone.
    readers.sort_by_key(|reader| seen(reader) != Some(Some(serial)));
    let mut held = None;
    for reader in readers {
        if seen_lately(&reader).is_some_and(|known| known != Some(serial)) {
            continue;
        }
        match Piv::open(reader.name.clone()) {
            Ok(piv) => {
                remember(&reader, Some(piv.serial()));
                if piv.serial() == serial {
                    return Ok(piv);
                }
            }
            // One that is known to be another token may be held as long as it likes.
            Err(error @ CardError::Held { .. }) if may_be(&reader, serial) => held = Some(error),
            Err(CardError::Held { .. }) => {}
            Err(CardError::Nothing(_) | CardError::Status { .. }) => remember(&reader, None),
            Err(CardError::NoService) => return Err(CardError::NoService),
            Err(error) => {
                tracing::debug!(reader = ?reader.name, %error, "no token to be seen here now")
            }
        }
    }
    Err(held.unwrap_or(CardError::Absent(serial)))
}

/// Waits for tokens to come and go.
#[expect(
    missing_debug_implementations,
    reason = "a handle of the PC/SC service"
)]
pub struct Watch {
    context: Context,
    known: BTreeMap<CString, State>,
    /// How many walks had ended when it was last looked.
    ended: u64,
}

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    ///
    /// [`CardError::NoService`] if pcscd does not answer.
    pub fn begin() -> Result<Self, CardError> {
        Ok(Self {
            context: context()?,
            known: BTreeMap::new(),
            ended: walks().ended,
        })
    }

    /// Blocks until a token came, went or was let go of, or for `patience`; true if something changed since the last call. The first
    /// call returns at once.
    ///
    /// # Errors
    ///
    /// [`CardError::NoService`] if pcscd went away: begin again.
    pub fn changed(&mut self, patience: Duration) -> Result<bool, CardError> {
        let names = names(&self.context)?;
        let new = |name: &CString| !self.known.contains_key(name);
        let came_or_went = names.iter().any(new) || names.len() != self.known.len();
        self.known.retain(|name, _| names.contains(name));
        let state = |name: CString| {
            let known = self.known.get(&name).copied();
            ReaderState::new(name, known.unwrap_or(State::UNAWARE))
        };
        let mut states: Vec<_> = names.into_iter().map(state).collect();
        // Its state is the number of readers, in the upper half.
        let readers = u32::try_from(states.len()).unwrap_or(u32::MAX);
        let pnp = State::from_bits_retain(pcsc_state(readers << 16));
        states.push(ReaderState::new(PNP_NOTIFICATION(), pnp));
        match self.context.get_status_change(patience, &mut states) {
            Ok(()) => {}
            Err(pcsc::Error::Timeout) => return Ok(self.has_walk_ended() || came_or_went),
            Err(error) => return Err(CardError::of_service(error, "watching readers")),
        }
        states.pop();
        let before = self.known.clone();
        for state in &states {
            let now = state.event_state().difference(State::CHANGED);
            self.known.insert(state.name().to_owned(), now);
        }
        Ok(self.has_walk_ended() || came_or_went || before != self.known)
    }

    /// What a token shows may be something else after a walk.
    fn has_walk_ended(&mut self) -> bool {
        let ended = walks().ended;
        std::mem::replace(&mut self.ended, ended) != ended
    }
}

/// `DWORD` is a C `unsigned long`, of 64 bits here and 32 elsewhere.
#[allow(clippy::useless_conversion)]
fn pcsc_state(bits: u32) -> pcsc::ffi::DWORD {
    bits.into()
}

/// A reader with a card in it, at one moment.
struct Occupied {
    name: CString,
    /// How often a card came or went.
    events: u32,
}

fn occupied() -> Result<Vec<Occupied>, CardError> {
    let context = context()?;
    let names = names(&context)?;
    let mut states: Vec<_> = names
        .into_iter()
        .map(|name| ReaderState::new(name, State::UNAWARE))
        .collect();
    if states.is_empty() {
        return Ok(Vec::new());
    }
    match context.get_status_change(Duration::ZERO, &mut states) {
        Ok(()) | Err(pcsc::Error::Timeout) => {}
        Err(error) => return Err(CardError::of_service(error, "looking at readers")),
    }
    let present = states
        .iter()
        .filter(|state| state.event_state().contains(State::PRESENT));
    Ok(present
        .map(|state| Occupied {
            name: state.name().to_owned(),
            events: state.event_count(),
        })
        .collect())
}

fn context() -> Result<Context, CardError> {
    Context::establish(Scope::User).map_err(|error| CardError::of_service(error, "connecting"))
}

fn names(context: &Context) -> Result<Vec<CString>, CardError> {
    match context.list_readers_owned() {
        Ok(names) => Ok(names),
        Err(pcsc::Error::NoReadersAvailable) => Ok(Vec::new()),
        Err(error) => Err(CardError::of_service(error, "listing readers")),
    }
}

fn look_into(reader: &Occupied) -> Result<Option<Announcement>, CardError> {
    if seen_lately(reader) == Some(None) {
        return Ok(None); // some other card
    }
    if let Some(Some(serial)) = seen(reader)
        && walks().under_way.contains(&serial)
    {
        return Ok(walks().shown.get(&serial).cloned());
    }
    let mut piv = match Piv::open(reader.name.clone()) {
        Ok(piv) => piv,
        Err(CardError::Nothing(_) | CardError::Status { .. }) => {
            remember(reader, None);
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    remember(reader, Some(piv.serial()));
    let announcement = announcement(&mut piv)?;
    walks().shown.insert(piv.serial(), announcement.clone());
    Ok(Some(announcement))
}

fn may_be(reader: &Occupied, serial: Serial) -> bool {
    seen(reader).is_none_or(|known| known == Some(serial))
}

impl Found {
    fn new(reader: &Occupied, shows: Result<Announcement, CardError>) -> Self {
        Self {
            reader: reader.name.to_string_lossy().into_owned(),
            shows,
        }
    }
}

/// Tokens with which a task is walked now. They are left alone by who only looks: what they showed before stands.
#[derive(Default)]
struct Walks {
    under_way: BTreeSet<Serial>,
    ended: u64,
    shown: BTreeMap<Serial, Announcement>,
}

static WALKS: Mutex<Walks> = Mutex::new(Walks {
    under_way: BTreeSet::new(),
    ended: 0,
    shown: BTreeMap::new(),
});

fn walks() -> MutexGuard<'static, Walks> {
    WALKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nobody but the walk touches the token until this is dropped; then it is looked at anew.
#[derive(Debug)]
pub(crate) struct Walked(Serial);

/// Takes a token for a walk.
pub(crate) fn walked(serial: Serial) -> Walked {
    walks().under_way.insert(serial);
    Walked(serial)
}

impl Drop for Walked {
    fn drop(&mut self) {
        let mut walks = walks();
        walks.under_way.remove(&self.0);
        walks.ended += 1;
    }
}

/// Which token answered in a reader, at which of the reader's events, and when.
static SEEN: Mutex<BTreeMap<CString, Seen>> = Mutex::new(BTreeMap::new());

struct Seen {
    events: u32,
    /// Nothing if it is no token.
    serial: Option<Serial>,
    at: Instant,
}

/// How long a reader is not asked again by who looks for another token. Not for ever: where pcscd was started anew, it counts a reader's
/// events anew, and the same count may be another token's.
const LATELY: Duration = Duration::from_secs(10);

/// Which token is in it, or that none is; nothing if that is not known.
fn seen(reader: &Occupied) -> Option<Option<Serial>> {
    seen_within(reader, Duration::MAX)
}

fn seen_lately(reader: &Occupied) -> Option<Option<Serial>> {
    seen_within(reader, LATELY)
}

fn seen_within(reader: &Occupied, age: Duration) -> Option<Option<Serial>> {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = seen.get(&reader.name)?;
    (seen.events == reader.events && seen.at.elapsed() <= age).then_some(seen.serial)
}

fn remember(reader: &Occupied, serial: Option<Serial>) {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Seen {
        events: reader.events,
        serial,
        at: Instant::now(),
    };
    seen.insert(reader.name.clone(), now);
}
