//! A line to a card: one connection and one transaction, held by a thread of its own.

use std::{
    ffi::CString,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};

use pcsc::{Card, Context, Disposition, Protocols, Scope, ShareMode, Transaction};
use zeroize::Zeroizing;

use super::{CardError, holder};

/// The longest wait for another program's transaction. After that, the program counts as holding the token.
const TRANSACTION_WAIT: Duration = Duration::from_secs(5);

/// The longest wait for an answer: a token needs half a minute to make an RSA key of 3,072 bits, and sometimes two minutes.
const ANSWER_WAIT: Duration = Duration::from_secs(180);

/// The longest wait for a line to close.
const CLOSING_WAIT: Duration = Duration::from_secs(2);

/// `SELECT` of Yubico's management applet. Every token has it, and no secret protects it.
const FORGET: [u8; 13] = [
    0x00, 0xa4, 0x04, 0x00, 0x08, 0xa0, 0x00, 0x00, 0x05, 0x27, 0x47, 0x11, 0x17,
];

/// The most bytes of an answer to a short command: 256 and the status.
const ANSWER_BYTES: usize = 258;

/// The bytes of a command or an answer. They are wiped after use, and never logged.
type Bytes = Zeroizing<Vec<u8>>;

/// A line to the card in a reader. While it is open, no other program talks to the card.
///
/// In `pcsc`, a transaction borrows the card, and beginning one blocks while another program has one. So a thread holds both, and this
/// side decides how long it waits. When the line is dropped, no verified PIN is left for the next program: the thread selects another
/// applet, which makes a token forget the PIN. If that fails, it resets the card; other programs that share the card would notice that.
pub(crate) struct CardLine {
    /// The card's answer to reset, which it gives when it is powered.
    atr: Vec<u8>,
    /// Nothing once the line is being closed.
    commands: Option<Sender<LineCommand>>,
    answers: Receiver<Result<Bytes, pcsc::Error>>,
    during: &'static str,
}

/// A command on its way to the card.
pub(super) struct LineCommand {
    pub(super) bytes: Bytes,
    sensitive: bool,
}

impl CardLine {
    /// Opens a line to the card in `reader`.
    ///
    /// # Errors
    ///
    /// [`CardError::Held`] if another program has the card for itself; [`CardError::Removed`], [`CardError::NoService`].
    pub(crate) fn open(reader: CString) -> Result<Self, CardError> {
        let (commands, told) = channel();
        let (answer, answers) = channel();
        let spawned = thread::Builder::new()
            .name("card".to_owned())
            .spawn(move || hold(&reader, &told, &answer));
        if let Err(error) = spawned {
            return Err(CardError::NoThread(error.kind()));
        }
        let mut line = Self {
            atr: Vec::new(),
            commands: Some(commands),
            answers,
            during: "connecting",
        };
        match line.answers.recv_timeout(TRANSACTION_WAIT) {
            Ok(Ok(atr)) => {
                line.atr = atr.to_vec();
                Ok(line)
            }
            Ok(Err(pcsc::Error::SharingViolation)) | Err(RecvTimeoutError::Timeout) => {
                Err(CardError::Held {
                    by: holder::named(),
                })
            }
            Ok(Err(error)) => Err(CardError::of_line(error, line.during)),
            Err(RecvTimeoutError::Disconnected) => Err(CardError::Silent(line.during)),
        }
    }

    /// A line to a card that gives these answers, one for each command, and is pulled out after the last. Its commands come out of the
    /// receiver.
    pub(super) fn to_answers(
        given: impl IntoIterator<Item = Vec<u8>>,
    ) -> (Self, Receiver<LineCommand>) {
        let (commands, told) = channel();
        let (answer, answers) = channel();
        for given in given {
            drop(answer.send(Ok(Bytes::new(given))));
        }
        let line = Self {
            atr: Vec::new(),
            commands: Some(commands),
            answers,
            during: "connecting",
        };
        (line, told)
    }

    /// True if the card calls itself a YubiKey, whatever else it answers.
    pub(crate) fn says_yubikey(&self) -> bool {
        let name = b"YubiKey";
        self.atr.windows(name.len()).any(|bytes| bytes == name)
    }

    /// Sends one short command and waits for its answer, status included.
    ///
    /// # Errors
    ///
    /// [`CardError::Removed`], [`CardError::Silent`], [`CardError::Service`].
    pub(crate) fn send(
        &mut self,
        during: &'static str,
        bytes: Bytes,
        sensitive: bool,
    ) -> Result<Bytes, CardError> {
        self.during = during;
        let removed = CardError::Removed { during };
        let command = LineCommand { bytes, sensitive };
        let told = self.commands.as_ref().map(|line| line.send(command));
        if !matches!(told, Some(Ok(()))) {
            return Err(removed);
        }
        match self.answers.recv_timeout(ANSWER_WAIT) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(CardError::of_line(error, during)),
            Err(RecvTimeoutError::Timeout) => Err(CardError::Silent(during)),
            Err(RecvTimeoutError::Disconnected) => Err(removed),
        }
    }
}

impl Drop for CardLine {
    fn drop(&mut self) {
        drop(self.commands.take());
        // Wait until the thread has let go, so that the next line does not meet this one; but do not wait for a silent token.
        while self.answers.recv_timeout(CLOSING_WAIT).is_ok() {}
    }
}

/// The thread's work: connects, begins the transaction, and sends commands until none comes any more.
fn hold(
    reader: &CString,
    told: &Receiver<LineCommand>,
    answer: &Sender<Result<Bytes, pcsc::Error>>,
) {
    let mut card = match connect(reader) {
        Ok(card) => card,
        Err(error) => return drop(answer.send(Err(error))),
    };
    let left = begin(&mut card, told, answer);
    // Disconnect explicitly: dropping a card would reset it, even if it was sent nothing.
    drop(card.disconnect(left));
}

/// Connects. pcscd powers a card down shortly after the last program has left it. Until the card is powered up again, a connection has no
/// protocol, so this tries again for a while.
fn connect(reader: &CString) -> Result<Card, pcsc::Error> {
    let context = Context::establish(Scope::User)?;
    let mut tries = 0;
    loop {
        let error = match context.connect(reader, ShareMode::Shared, ANY) {
            Ok(card) if has_protocol(&card) => return Ok(card),
            Ok(card) => {
                drop(card.disconnect(Disposition::LeaveCard));
                pcsc::Error::UnpoweredCard
            }
            Err(error) => error,
        };
        let passes = matches!(
            error,
            pcsc::Error::ProtoMismatch | pcsc::Error::UnpoweredCard | pcsc::Error::ResetCard
        );
        tries += 1;
        if !passes || tries == CONNECT_TRIES {
            return Err(error);
        }
        thread::sleep(CONNECT_PAUSE);
    }
}

/// Both protocols.
const ANY: Protocols = Protocols::T0.union(Protocols::T1);
/// The number of tries to connect: two seconds in all.
const CONNECT_TRIES: u32 = 40;
/// The pause between the tries.
const CONNECT_PAUSE: Duration = Duration::from_millis(50);

fn has_protocol(card: &Card) -> bool {
    let status = card.status2_owned();
    status.is_ok_and(|status| status.protocol2().is_some())
}

/// Begins the transaction and serves commands; returns how the card is to be left.
fn begin(
    card: &mut Card,
    told: &Receiver<LineCommand>,
    answer: &Sender<Result<Bytes, pcsc::Error>>,
) -> Disposition {
    // Each reset by a program that held the card before has to be acknowledged by reconnecting.
    for _ in 0..3 {
        let error = match card.transaction() {
            Ok(transaction) if has_protocol(&transaction) => {
                let atr = transaction.status2_owned();
                let atr = atr.map(|status| status.atr().to_vec()).unwrap_or_default();
                if answer.send(Ok(Bytes::new(atr))).is_err() {
                    return Disposition::LeaveCard;
                }
                return serve(transaction, told, answer);
            }
            Ok(transaction) => {
                drop(transaction.end(Disposition::LeaveCard));
                pcsc::Error::ResetCard
            }
            Err(error) => error,
        };
        let acknowledged = match error {
            pcsc::Error::ResetCard => {
                card.reconnect(ShareMode::Shared, ANY, Disposition::LeaveCard)
            }
            other => Err(other),
        };
        if let Err(error) = acknowledged {
            drop(answer.send(Err(error)));
            return Disposition::LeaveCard;
        }
    }
    drop(answer.send(Err(pcsc::Error::ResetCard)));
    Disposition::LeaveCard
}

fn serve(
    transaction: Transaction<'_>,
    told: &Receiver<LineCommand>,
    answer: &Sender<Result<Bytes, pcsc::Error>>,
) -> Disposition {
    let mut trusting = false;
    while let Ok(LineCommand { bytes, sensitive }) = told.recv() {
        trusting |= sensitive;
        let mut buffer = Bytes::new(vec![0; ANSWER_BYTES]);
        let answered = transaction.transmit(&bytes, &mut buffer).map(<[u8]>::len);
        let answered = answered.map(|length| {
            buffer.truncate(length);
            buffer
        });
        let broken = answered.is_err();
        if answer.send(answered).is_err() || broken {
            break;
        }
    }
    let forgot = || {
        let mut buffer = [0; ANSWER_BYTES];
        let answered = transaction.transmit(&FORGET, &mut buffer);
        answered.is_ok_and(|answer| answer.ends_with(&[0x90, 0x00]))
    };
    let left = if trusting && !forgot() {
        Disposition::ResetCard
    } else {
        Disposition::LeaveCard
    };
    drop(transaction.end(left));
    left
}
