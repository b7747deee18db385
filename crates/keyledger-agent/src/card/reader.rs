//! Finds the tokens that are plugged in, and watches for changes. Reads only the readers that changed: see `seen`.

use std::{
    collections::BTreeMap,
    ffi::CString,
    time::{Duration, Instant},
};

use keyledger_domain::{
    text::in_full,
    token::{Announcement, Serial},
};
use pcsc::{Context, PNP_NOTIFICATION, ReaderState, State};

use super::{
    CardError, Piv, announcement,
    announcement::without_piv,
    piv::OpenedCard,
    seen::{self, ReaderContent, ReaderSeen},
    service::{OccupiedReader, context, names, occupied},
};

/// A token that is plugged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFound {
    /// The name of its PC/SC reader.
    pub reader: String,
    /// What it shows to anybody; or why it cannot be read now, for example which program holds it.
    pub shows: Result<Announcement, CardError>,
    /// How long ago it was read.
    pub age: Duration,
}

/// The tokens that are plugged in. A card that is no token is left out. A card that cannot be read, and may be a token, is listed.
///
/// Reads only the tokens that came since the last call, or that a walk has used since: selecting an applet on a token ends the sessions
/// of other programs, which then have to ask for the PIN again. Blocks while it reads: some 30 commands for each token.
///
/// # Errors
///
/// [`CardError::NoService`] if pcscd does not answer.
pub fn readers() -> Result<Vec<TokenFound>, CardError> {
    let mut found = Vec::new();
    let occupied = seen::with_service(occupied)?;
    seen::forget_others(&occupied);
    for reader in occupied {
        let look = match seen::of(&reader) {
            Some(known) => known,
            None => look_into(&reader)?,
        };
        let shows = match look.what {
            ReaderContent::Token(_, Some(shown)) => Ok(shown),
            ReaderContent::Unable { error, times } if look_is_told(&error, times) => Err(error),
            ReaderContent::Token(_, None)
            | ReaderContent::Unable { .. }
            | ReaderContent::Nothing => continue,
        };
        found.push(TokenFound {
            reader: reader.name.to_string_lossy().into_owned(),
            shows,
            age: look.at.elapsed(),
        });
    }
    Ok(found)
}

/// True if the person is told that a reading failed: at once if a program holds the token or the fault is permanent, otherwise after
/// several failures.
const fn look_is_told(error: &CardError, times: u32) -> bool {
    const PASSING: u32 = 3;
    match error {
        CardError::Held { .. } | CardError::Unnumbered | CardError::Restricted => true,
        _ => times >= PASSING,
    }
}

/// Opens the token with this serial number.
///
/// # Errors
///
/// [`CardError::Absent`] if no reader holds it, [`CardError::Held`] if another program holds a card that may be it,
/// [`CardError::WithoutPiv`] if its PIV is switched off; [`CardError::NoService`].
pub(crate) fn open(serial: Serial) -> Result<Piv, CardError> {
    let mut held = None;
    for reader in seen::with_service(occupied)? {
        // A card that is known to be another token is left alone as long as it stays in its reader.
        if seen::known(&reader).is_some_and(|known| known != Some(serial)) {
            continue;
        }
        match Piv::open(reader.name.clone()) {
            Ok(OpenedCard::Piv(piv)) => {
                seen::remember(&reader, ReaderContent::Token(piv.serial(), None));
                if piv.serial() == serial {
                    return Ok(piv);
                }
            }
            Ok(OpenedCard::WithoutPiv(found, features)) => {
                let shown = without_piv(found, features);
                seen::remember(&reader, ReaderContent::Token(found, Some(shown)));
                if found == serial {
                    return Err(CardError::WithoutPiv(serial));
                }
            }
            Ok(OpenedCard::Nothing) => seen::remember(&reader, ReaderContent::Nothing),
            Err(error @ CardError::Held { .. }) => held = Some(error),
            Err(CardError::NoService) => return Err(CardError::NoService),
            Err(error) => {
                tracing::debug!(reader = ?reader.name, error = in_full(&error), "no token can be read here now");
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
pub struct ReaderWatch {
    context: Context,
    known: BTreeMap<CString, State>,
    /// The count of stale tokens at the last call.
    stale: u64,
}

impl ReaderWatch {
    /// Begins to watch.
    ///
    /// # Errors
    ///
    /// [`CardError::NoService`] if pcscd does not answer.
    pub fn begin() -> Result<Self, CardError> {
        Ok(Self {
            context: context()?,
            known: BTreeMap::new(),
            stale: seen::stale(),
        })
    }

    /// Blocks until a token comes, goes or is released, but at most for `patience`. True if something changed since the last call, or if a
    /// failed reading has to be repeated. The first call returns at once.
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
        // The upper half of its state is the number of readers.
        let readers = u32::try_from(states.len()).unwrap_or(u32::MAX);
        let pnp = State::from_bits_retain(pcsc_state(readers << 16));
        states.push(ReaderState::new(PNP_NOTIFICATION(), pnp));
        match self.context.get_status_change(patience, &mut states) {
            Ok(()) => {}
            Err(pcsc::Error::Timeout) => return Ok(self.is_stale() || came_or_went),
            Err(error) => return Err(CardError::of_service(error, "watching readers")),
        }
        states.pop();
        let before = self.known.clone();
        for state in &states {
            let now = state.event_state().difference(State::CHANGED);
            self.known.insert(state.name().to_owned(), now);
        }
        Ok(self.is_stale() || came_or_went || before != self.known)
    }

    /// True if a token has to be read again: after a walk it may show something else, or a reading failed.
    fn is_stale(&mut self) -> bool {
        let stale = seen::stale();
        std::mem::replace(&mut self.stale, stale) != stale || seen::is_one_due()
    }
}

/// Bits as a `DWORD`, which is a C `unsigned long`: 64 bits here, 32 elsewhere.
#[allow(clippy::useless_conversion)]
fn pcsc_state(bits: u32) -> pcsc::ffi::DWORD {
    bits.into()
}

/// Reads what is in a reader, and remembers it.
fn look_into(reader: &OccupiedReader) -> Result<ReaderSeen, CardError> {
    let what = match look(reader) {
        Ok(what) => what,
        Err(CardError::NoService) => return Err(CardError::NoService),
        Err(error) => {
            tracing::debug!(reader = ?reader.name, error = in_full(&error), "no token can be read here now");
            let times = seen::failed(reader) + 1;
            ReaderContent::Unable { error, times }
        }
    };
    seen::remember(reader, what.clone());
    let at = Instant::now();
    Ok(ReaderSeen::new(reader, what, at))
}

fn look(reader: &OccupiedReader) -> Result<ReaderContent, CardError> {
    Ok(match Piv::open(reader.name.clone())? {
        OpenedCard::Piv(mut piv) => {
            let shown = announcement(&mut piv)?;
            ReaderContent::Token(piv.serial(), Some(shown))
        }
        OpenedCard::WithoutPiv(serial, features) => {
            ReaderContent::Token(serial, Some(without_piv(serial, features)))
        }
        OpenedCard::Nothing => ReaderContent::Nothing,
    })
}
