//! Which tokens are plugged in, and when that changes. Only what changed is looked at: see `looks`.

use std::{
    collections::BTreeMap,
    ffi::CString,
    time::{Duration, Instant},
};

use keyledger_domain::token::{Announcement, Serial};
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
    /// The PC/SC reader that it is, or is in.
    pub reader: String,
    /// What it shows to anybody; or why it cannot be asked now: who holds it.
    pub shows: Result<Announcement, CardError>,
    /// How long ago it was looked at.
    pub age: Duration,
}

/// The tokens that are plugged in. What is no token is left out; what may be one and cannot be asked is not.
///
/// Only what came since the last call is looked at, or was in the hands of a walk: whoever selects an applet on a token ends the session
/// that another program has with it, and the PIN that was given for it. Blocks while tokens are talked to: some 30 commands each.
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

/// Whether the person is told that a look failed: at once who holds a token, and what is wrong with it for good; else if it goes on.
const fn look_is_told(error: &CardError, times: u32) -> bool {
    const PASSING: u32 = 3;
    match error {
        CardError::Held { .. } | CardError::Unnumbered | CardError::Restricted => true,
        _ => times >= PASSING,
    }
}

/// Opens the token of this serial number.
///
/// # Errors
///
/// [`CardError::Absent`] if no reader shows it, [`CardError::Held`] if a reader that may be it is held by another program,
/// [`CardError::WithoutPiv`] if it has none; [`CardError::NoService`].
pub(crate) fn open(serial: Serial) -> Result<Piv, CardError> {
    let mut held = None;
    for reader in seen::with_service(occupied)? {
        // Who is known to be another one is left alone, for as long as it stays where it is.
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
                tracing::debug!(reader = ?reader.name, %error, "no token to be seen here now");
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
    /// How often something had to be looked at anew when it was last looked.
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

    /// Blocks until a token came, went or was let go of, or for `patience`; true if something changed since the last call, or a look that
    /// failed is to be repeated. The first call returns at once.
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

    /// What a token shows may be something else after a walk, and a look may have failed in passing.
    fn is_stale(&mut self) -> bool {
        let stale = seen::stale();
        std::mem::replace(&mut self.stale, stale) != stale || seen::is_one_due()
    }
}

/// `DWORD` is a C `unsigned long`, of 64 bits here and 32 elsewhere.
#[allow(clippy::useless_conversion)]
fn pcsc_state(bits: u32) -> pcsc::ffi::DWORD {
    bits.into()
}

/// Looks at what is in a reader, and remembers it.
fn look_into(reader: &OccupiedReader) -> Result<ReaderSeen, CardError> {
    let what = match look(reader) {
        Ok(what) => what,
        Err(CardError::NoService) => return Err(CardError::NoService),
        Err(error) => {
            tracing::debug!(reader = ?reader.name, %error, "no token to be seen here now");
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
