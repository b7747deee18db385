//! A token with its surroundings and its file, connected to its place in a reader of vpcd.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::sockopt::{set_socket_linger, set_tcp_quickack};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::card::{Card, Memory, Outcome};
use super::device::Device;
use super::openpgp::{self, Purpose};
use super::outside::Outside;
use super::piv;
use super::wire::{OpenPgpKeyState, OpenPgpState, SlotState, TokenState};

/// How long to wait before connecting again: pcscd may not be there yet, or may have been started anew.
const AGAIN: Duration = Duration::from_millis(20);

/// One token of a stack.
pub(crate) struct VirtualToken {
    device: Device,
    pub(crate) outside: Outside,
    /// What the file holds; the card works on its own copy.
    kept: Mutex<Memory>,
    file: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    device: Device,
    memory: Memory,
}

impl VirtualToken {
    /// The token of this file, or one that `factory` makes.
    pub(crate) fn open(
        file: PathBuf,
        device: Device,
        factory: impl FnOnce() -> Memory,
    ) -> io::Result<Self> {
        let kept = match fs::read(&file) {
            Ok(bytes) => {
                let bytes = Zeroizing::new(bytes);
                serde_json::from_slice(&bytes)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let kept = Kept {
                    device,
                    memory: factory(),
                };
                kept.write(&file)?;
                kept
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            device: kept.device,
            outside: Outside::default(),
            kept: Mutex::new(kept.memory),
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
        let mut asked_since_power = None;
        loop {
            match receive(&mut reader)?[..] {
                [OFF | RESET] => card.reset(),
                [ON] => {
                    card.reset();
                    asked_since_power = Some(0);
                }
                [ANSWER_TO_RESET] => {
                    send(&mut reader, &Device::ANSWER_TO_RESET)?;
                    // Once while it powers the card; when it looks again, clients can connect.
                    match &mut asked_since_power {
                        Some(1) => self.outside.seen(),
                        Some(asked) => *asked += 1,
                        None => {}
                    }
                }
                ref command => {
                    let began = Instant::now();
                    let outcome = card.exchange(command, &self.outside);
                    self.keep(card)?;
                    self.outside.answered(began.elapsed());
                    match outcome {
                        Outcome::Answer(_) if !self.outside.is_inserted() => {
                            return break_off(&mut reader);
                        }
                        Outcome::Answer(answer) => send(&mut reader, &answer)?,
                        Outcome::Removed => {
                            self.outside.remove();
                            return break_off(&mut reader);
                        }
                        Outcome::CutOff(heard) => {
                            // vpcd takes an end before an answer for an empty one.
                            if !heard.is_empty() {
                                send(&mut reader, &heard)?;
                            }
                            self.outside.remove();
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    /// The truth, as tests may ask for it.
    pub(crate) fn state(&self) -> TokenState {
        let Memory { piv, openpgp } = self.kept();
        let glimpse = self.outside.glimpse();
        TokenState {
            serial: self.device.serial,
            firmware: self.device.firmware,
            inserted: glimpse.inserted,
            awaiting_touch: glimpse.awaiting_touch,
            touches: glimpse.touches,
            operations: glimpse.operations,
            answers: glimpse.answers,
            busy_us: glimpse.busy.as_micros().try_into().unwrap_or(u64::MAX),
            faults_left: glimpse.faults_left,
            pin_is_factory: piv.pin.is(piv::State::FACTORY_PIN),
            pin_tries: piv.pin.tries,
            pin_tries_left: piv.pin.tries_left,
            puk_is_factory: piv.puk.is(piv::State::FACTORY_PUK),
            puk_tries: piv.puk.tries,
            puk_tries_left: piv.puk.tries_left,
            management_key_is_factory: piv.management_is_factory(),
            management_algorithm: piv.management_algorithm(),
            slots: slots(&piv),
            objects: piv.user_objects().collect(),
            openpgp: openpgp_state(&openpgp),
        }
    }

    /// What the token keeps now.
    pub(crate) fn kept(&self) -> Memory {
        self.lock().clone()
    }

    /// Written before the answer is given: who has heard it can rely on it.
    fn keep(&self, card: &mut Card) -> io::Result<()> {
        let mut memory = self.kept();
        if card.save(&mut memory) {
            let kept = Kept {
                device: self.device,
                memory,
            };
            kept.write(&self.file)?;
            *self.lock() = kept.memory;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        // Replaced as a whole: a panic elsewhere leaves nothing half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn slots(piv: &piv::State) -> BTreeMap<u8, SlotState> {
    let state = |slot: &piv::Slot| SlotState {
        algorithm: slot.key.algorithm,
        pin_policy: slot.pin_policy,
        touch_policy: slot.touch_policy,
        generated: slot.generated,
        public_key: slot.key.public_key_der(),
    };
    piv.user_slots()
        .map(|(number, slot)| (number, state(slot)))
        .collect()
}

fn openpgp_state(openpgp: &openpgp::State) -> OpenPgpState {
    let key = |purpose| {
        let place = openpgp.place(purpose);
        place.key.as_ref().map(|key| OpenPgpKeyState {
            algorithm: key.algorithm,
            generated: place.generated,
            touch: place.touch,
            fingerprint: place.fingerprint.clone(),
            public_key: key.public_key_der(),
        })
    };
    OpenPgpState {
        pin_is_factory: openpgp.user.is(openpgp::State::FACTORY_PIN),
        pin_tries_left: openpgp.user.tries_left(),
        reset_code_tries_left: openpgp.reset_code.tries_left(),
        admin_pin_is_factory: openpgp.admin.is(openpgp::State::FACTORY_ADMIN_PIN),
        admin_pin_tries_left: openpgp.admin.tries_left(),
        signatures: openpgp.signatures,
        sign: key(Purpose::Sign),
        decrypt: key(Purpose::Decrypt),
        authenticate: key(Purpose::Authenticate),
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
    // vpcd sends length and message apart, and the second only once the first is acknowledged: not 40 ms later.
    set_tcp_quickack(&*reader, true)?;
    let mut message = Zeroizing::new(vec![0; u16::from_be_bytes(length).into()]);
    reader.read_exact(&mut message)?;
    Ok(message)
}

fn send(reader: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).expect("no card says more than 64 KiB at once");
    reader.write_all(&[&length.to_be_bytes(), message].concat())
}
