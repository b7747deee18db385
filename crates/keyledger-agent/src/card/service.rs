//! The smart card service, pcscd: connects to it, lists its readers, and tells which of them hold a card.

use std::{ffi::CString, time::Duration};

use pcsc::{Context, ReaderState, Scope, State};

use super::CardError;

/// The number of further tries when pcscd denies access.
const ENDING_TRIES: u32 = 3;
/// The pause between the tries.
const ENDING_PAUSE: Duration = Duration::from_millis(100);

/// The bits that say whether other programs use a card.
const USED: State = State::INUSE.union(State::EXCLUSIVE);

/// A reader with a card in it, as it was at one moment.
pub(super) struct OccupiedReader {
    pub(super) name: CString,
    /// pcscd's count of the cards that came or went.
    pub(super) events: u32,
    /// Whether other programs use the card.
    pub(super) state: State,
}

/// Connects to pcscd.
///
/// # Errors
///
/// [`CardError::NoService`] if it does not answer.
pub(super) fn context() -> Result<Context, CardError> {
    let mut tries = 0;
    loop {
        match Context::establish(Scope::User) {
            // A pcscd that is just ending says this too, and does not answer the next time.
            Err(pcsc::Error::SecurityViolation) if tries < ENDING_TRIES => {
                tries += 1;
                std::thread::sleep(ENDING_PAUSE);
            }
            established => {
                return established.map_err(|error| CardError::of_service(error, "connecting"));
            }
        }
    }
}

/// The names of all readers.
pub(super) fn names(context: &Context) -> Result<Vec<CString>, CardError> {
    match context.list_readers_owned() {
        Ok(names) => Ok(names),
        Err(pcsc::Error::NoReadersAvailable) => Ok(Vec::new()),
        Err(error) => Err(CardError::of_service(error, "listing readers")),
    }
}

/// The readers that hold a card now.
pub(super) fn occupied(context: &Context) -> Result<Vec<OccupiedReader>, CardError> {
    let names = names(context)?;
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
        .map(|state| OccupiedReader {
            name: state.name().to_owned(),
            events: state.event_count(),
            state: state.event_state().intersection(USED),
        })
        .collect())
}
