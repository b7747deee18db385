//! A line to a token: one connection, one transaction, held by a thread of its own.

use std::{
    ffi::CString,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};

use pcsc::{Card, Context, Disposition, Protocols, Scope, ShareMode, Transaction};
use zeroize::Zeroizing;

use super::{CardError, holder};

/// How long another program's transaction is waited for, before it counts as holding the token.
const TRANSACTION_WAIT: Duration = Duration::from_secs(5);

/// How long an answer is waited for: a token makes an RSA key of 3,072 bits in half a minute, in bad luck in two.
const ANSWER_WAIT: Duration = Duration::from_secs(180);

/// How long a line may take to close.
const CLOSING_WAIT: Duration = Duration::from_secs(2);

/// `SELECT` of Yubico's management applet, which every token has and no secret opens.
const FORGET: [u8; 13] = [
    0x00, 0xa4, 0x04, 0x00, 0x08, 0xa0, 0x00, 0x00, 0x05, 0x27, 0x47, 0x11, 0x17,
];

/// Bytes of an answer to a short command, at most: 256 and the status.
const ANSWER_BYTES: usize = 258;

/// A command on its way, or an answer: wiped behind it, never logged.
type Bytes = Zeroizing<Vec<u8>>;

/// A line to whatever card is in a reader; nobody else talks to the card while it is open.
///
/// `pcsc` holds a transaction by a borrow of the card, and beginning one blocks for as long as another program has its own:
/// so a thread holds both, and this side waits no longer than it wants to. When this is dropped, no verified PIN is left to who
/// comes next: another applet is selected, which makes a token forget, or the card is reset if that fails. Others who share the card
/// would notice a reset, so it is the second choice.
pub(crate) struct CardLine {
    /// What the card said of itself when it was powered: its answer to reset.
    atr: Vec<u8>,
    /// Nothing once it is being closed.
    commands: Option<Sender<LineCommand>>,
    answers: Receiver<Result<Bytes, pcsc::Error>>,
    during: &'static str,
}

struct LineCommand {
    bytes: Bytes,
    sensitive: bool,
}

impl CardLine {
    /// Opens a line to the card in `reader`.
    ///
    /// # Errors
    ///
    /// [`CardError::Held`] if another program has it for itself; [`CardError::Removed`], [`CardError::NoService`].
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

    /// True of a card that calls itself a YubiKey, whatever it answers.
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
        // Until the thread has let go: who opens the next line must not meet this one. A silent token is not waited for.
        while self.answers.recv_timeout(CLOSING_WAIT).is_ok() {}
    }
}

/// The thread's work: connect, begin, answer until nobody asks any more.
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
    // Dropping a card would reset it, even where it was told nothing.
    drop(card.disconnect(left));
}

/// Connects. pcscd powers a card down a moment after the last program left it, and until it has powered it up again a
/// connection has no protocol: that passes.
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

/// Either protocol.
const ANY: Protocols = Protocols::T0.union(Protocols::T1);
/// How often is connected anew: two seconds in all.
const CONNECT_TRIES: u32 = 40;
/// The pause between.
const CONNECT_PAUSE: Duration = Duration::from_millis(50);

fn has_protocol(card: &Card) -> bool {
    let status = card.status2_owned();
    status.is_ok_and(|status| status.protocol2().is_some())
}

/// Begins the transaction and serves; says how the card is to be left.
fn begin(
    card: &mut Card,
    told: &Receiver<LineCommand>,
    answer: &Sender<Result<Bytes, pcsc::Error>>,
) -> Disposition {
    // Each reset by who held it before has to be acknowledged by reconnecting.
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
