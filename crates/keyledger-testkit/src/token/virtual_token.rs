//! A token with its surroundings and its file, connected to its place in a reader of vpcd.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::card::{Card, Outcome};
use super::device::Device;
use super::outside::Outside;
use super::piv::State;
use super::wire::{SlotState, TokenState};

/// How long to wait before connecting again: pcscd may not be there yet, or may have been started anew.
const AGAIN: Duration = Duration::from_millis(20);

/// One token of a stack.
pub(crate) struct VirtualToken {
    device: Device,
    pub(crate) outside: Outside,
    /// What the file holds; the card works on its own copy.
    kept: Mutex<State>,
    file: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    device: Device,
    piv: State,
}

impl VirtualToken {
    /// The token of this file, or one that `factory` makes.
    pub(crate) fn open(
        file: PathBuf,
        device: Device,
        factory: impl FnOnce() -> State,
    ) -> io::Result<Self> {
        let kept = match fs::read(&file) {
            Ok(bytes) => {
                let bytes = Zeroizing::new(bytes);
                serde_json::from_slice(&bytes)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let kept = Kept {
                    device,
                    piv: factory(),
                };
                kept.write(&file)?;
                kept
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            device: kept.device,
            outside: Outside::default(),
            kept: Mutex::new(kept.piv),
            file,
        })
    }

    /// Serves the reader on this port as long as the process lives.
    pub(crate) fn serve(&self, port: u16) {
        let mut card = Card::new(self.device, self.kept());
        loop {
            self.outside.wait_until_inserted();
            card.reset();
            let Ok(reader) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
                std::thread::sleep(AGAIN);
                continue;
            };
            // Ends with an error whenever the token is pulled out: nothing to tell anyone.
            let _ = self.session(&mut card, reader);
        }
    }

    /// vpcd's protocol: every message has two bytes of length in front; one of one byte is about power.
    fn session(&self, card: &mut Card, mut reader: TcpStream) -> io::Result<()> {
        const OFF: u8 = 0;
        const ON: u8 = 1;
        const RESET: u8 = 2;
        const ANSWER_TO_RESET: u8 = 4;
        reader.set_nodelay(true)?;
        set_socket_linger(&reader, Some(Duration::ZERO))?;
        if !self.outside.connected(reader.try_clone()?) {
            return Ok(());
        }
        loop {
            match receive(&mut reader)?[..] {
                [OFF | RESET] => card.reset(),
                [ON] => {
                    card.reset();
                    self.outside.powered();
                }
                [ANSWER_TO_RESET] => send(&mut reader, &Device::ANSWER_TO_RESET)?,
                ref command => {
                    let outcome = card.exchange(command, &self.outside);
                    if let Some(changed) = card.piv.take_change() {
                        self.keep(changed)?;
                    }
                    match outcome {
                        Outcome::Answer(_) if !self.outside.is_inserted() => {
                            return break_off(&mut reader);
                        }
                        Outcome::Answer(answer) => send(&mut reader, &answer)?,
                        Outcome::Removed => {
                            self.outside.remove();
                            return break_off(&mut reader);
                        }
                    }
                }
            }
        }
    }

    /// The truth, as tests may ask for it.
    pub(crate) fn state(&self) -> TokenState {
        let kept = self.kept();
        let glimpse = self.outside.glimpse();
        TokenState {
            serial: self.device.serial,
            firmware: self.device.firmware,
            inserted: glimpse.inserted,
            awaiting_touch: glimpse.awaiting_touch,
            touches: glimpse.touches,
            operations: glimpse.operations,
            faults_left: glimpse.faults_left,
            pin_is_factory: kept.pin.is(State::FACTORY_PIN),
            pin_tries: kept.pin.tries,
            pin_tries_left: kept.pin.tries_left,
            puk_is_factory: kept.puk.is(State::FACTORY_PUK),
            puk_tries: kept.puk.tries,
            puk_tries_left: kept.puk.tries_left,
            management_key_is_factory: kept.management_is_factory(),
            management_algorithm: kept.management_algorithm(),
            slots: kept
                .user_slots()
                .map(|(number, slot)| {
                    let state = SlotState {
                        algorithm: slot.key.algorithm,
                        pin_policy: slot.pin_policy,
                        touch_policy: slot.touch_policy,
                        generated: slot.generated,
                        public_key: slot.key.public_key_der(),
                    };
                    (number, state)
                })
                .collect(),
            objects: kept.user_objects().collect(),
        }
    }

    /// What the token keeps now.
    pub(crate) fn kept(&self) -> State {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Written before the answer is given: who has heard it can rely on it.
    fn keep(&self, piv: State) -> io::Result<()> {
        let kept = Kept {
            device: self.device,
            piv,
        };
        kept.write(&self.file)?;
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept.piv;
        Ok(())
    }
}

impl Kept {
    fn write(&self, file: &Path) -> io::Result<()> {
        let json = Zeroizing::new(serde_json::to_vec_pretty(self)?);
        let new = file.with_extension("new");
        fs::write(&new, &json)?;
        fs::rename(new, file)
    }
}

/// Ends in mid-command as a real reader does: with an error.
///
/// vpcd takes an end before an answer for an empty answer; only a reset within one is an error to it.
fn break_off(reader: &mut TcpStream) -> io::Result<()> {
    reader.write_all(&[0, 2])
}

fn receive(reader: &mut TcpStream) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut length = [0; 2];
    reader.read_exact(&mut length)?;
    let mut message = Zeroizing::new(vec![0; u16::from_be_bytes(length).into()]);
    reader.read_exact(&mut message)?;
    Ok(message)
}

fn send(reader: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).expect("no card says more than 64 KiB at once");
    reader.write_all(&[&length.to_be_bytes(), message].concat())
}
