//! Commands and answers (ISO 7816-4), including long ones, which are sent in pieces.

use zeroize::Zeroizing;

use super::{CardError, line::CardLine};

/// A command to a token. Its bytes are never logged.
pub(crate) struct Apdu {
    /// The name by which errors call it.
    pub(crate) name: &'static str,
    /// `CLA`, `INS`, `P1`, `P2`.
    pub(crate) header: [u8; 4],
    /// Its data, of any length.
    pub(crate) data: Zeroizing<Vec<u8>>,
    /// True if it holds a secret, or makes the token trust the program that sends the next command.
    pub(crate) sensitive: bool,
}

/// A token's answer.
pub(crate) struct CardAnswer {
    pub(crate) data: Zeroizing<Vec<u8>>,
    pub(crate) status: u16,
    name: &'static str,
}

/// The status of success.
const SUCCESS: u16 = 0x9000;
/// The most bytes of a whole answer: more than the largest certificate has.
const LONGEST: usize = 8 << 10;

impl Apdu {
    /// A command without data.
    pub(crate) fn new(name: &'static str, header: [u8; 4]) -> Self {
        Self {
            name,
            header,
            data: Zeroizing::default(),
            sensitive: false,
        }
    }

    pub(crate) fn with(mut self, data: &[u8]) -> Self {
        self.data = Zeroizing::new(data.to_vec());
        self
    }

    pub(crate) const fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// Sends the command, in chained pieces if it is long, and collects the answer.
    ///
    /// # Errors
    ///
    /// Errors of the line only: an unexpected status is no error here.
    pub(crate) fn send(&self, line: &mut CardLine) -> Result<CardAnswer, CardError> {
        let mut pieces = self.data.chunks(255).peekable();
        let answer = loop {
            let piece = pieces.next().unwrap_or_default();
            let more = pieces.peek().is_some();
            let answer = self.send_piece(line, piece, more)?;
            if !more || answer.status != SUCCESS {
                break answer;
            }
        };
        answer.completed(|| Self::new(self.name, [0, 0xc0, 0, 0]).send_piece(line, &[], false))
    }

    fn send_piece(
        &self,
        line: &mut CardLine,
        piece: &[u8],
        more: bool,
    ) -> Result<CardAnswer, CardError> {
        let [class, instruction, p1, p2] = self.header;
        let mut bytes = Zeroizing::new(Vec::with_capacity(piece.len() + 6));
        bytes.extend([class | if more { 0x10 } else { 0 }, instruction, p1, p2]);
        if !piece.is_empty() {
            bytes.push(u8::try_from(piece.len()).expect("a piece has at most 255 bytes"));
            bytes.extend(piece);
        } else {
            bytes.push(0); // Le: as much as there is. With data, Yubico's own tools send no Le.
        }
        let mut data = line.send(self.name, bytes, self.sensitive)?;
        let length = data.len();
        // A card always gives a status, so a pull has cut off this answer.
        let Some(&status) = data.last_chunk() else {
            return Err(CardError::Removed { during: self.name });
        };
        data.truncate(length - 2);
        Ok(CardAnswer {
            data,
            status: u16::from_be_bytes(status),
            name: self.name,
        })
    }
}

impl CardAnswer {
    /// Collects the rest of an answer, piece by piece, as long as the card says that there is more. Stops at an empty piece: otherwise a
    /// card that always says so would be asked for ever.
    fn completed(
        mut self,
        mut next: impl FnMut() -> Result<Self, CardError>,
    ) -> Result<Self, CardError> {
        while self.status >> 8 == 0x61 && self.data.len() < LONGEST {
            let rest = next()?;
            let is_more = !rest.data.is_empty();
            let mut whole = Zeroizing::new(Vec::with_capacity(self.data.len() + rest.data.len()));
            whole.extend(self.data.iter().chain(rest.data.iter()));
            self = Self {
                data: whole,
                ..rest
            };
            if !is_more {
                break;
            }
        }
        Ok(self)
    }

    /// The data, if the status is success.
    ///
    /// # Errors
    ///
    /// [`CardError::Denied`], [`CardError::Nothing`] or [`CardError::Status`], by the status.
    pub(crate) fn success(self) -> Result<Zeroizing<Vec<u8>>, CardError> {
        match self.status {
            SUCCESS => Ok(self.data),
            0x6982 => Err(CardError::Denied(self.name)),
            0x6a82 | 0x6a88 => Err(CardError::Nothing(self.name)),
            status => Err(CardError::Status {
                during: self.name,
                status,
            }),
        }
    }

    /// Success, if the PIN, PUK or code that was compared is right.
    ///
    /// # Errors
    ///
    /// [`CardError::Wrong`], [`CardError::Blocked`], or an error of [`CardAnswer::success`].
    pub(crate) fn compared(self, what: super::Reference) -> Result<(), CardError> {
        match self.status {
            0x63c0..=0x63cf => match (self.status & 0x0f) as u8 {
                0 => Err(CardError::Blocked(what)),
                tries => Err(CardError::Wrong { what, tries }),
            },
            0x6983 => Err(CardError::Blocked(what)),
            _ => self.success().map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(data: &[u8], status: u16) -> CardAnswer {
        CardAnswer {
            data: Zeroizing::new(data.to_vec()),
            status,
            name: "reading",
        }
    }

    /// The whole answer, and how often the card was asked for more.
    fn completed(first: CardAnswer, pieces: impl Fn(usize) -> CardAnswer) -> (CardAnswer, usize) {
        let mut asked = 0;
        let whole = first.completed(|| {
            asked += 1;
            assert!(asked <= LONGEST, "it is asked for ever");
            Ok(pieces(asked))
        });
        (whole.unwrap(), asked)
    }

    #[test]
    fn an_answer_in_pieces_is_put_together() {
        let pieces = [answer(b"cd", 0x6101), answer(b"e", SUCCESS)];
        let mut pieces = pieces.into_iter();
        let whole = answer(b"ab", 0x6103).completed(|| Ok(pieces.next().unwrap()));
        assert_eq!(*whole.unwrap().success().unwrap(), b"abcde");
    }

    #[test]
    fn a_card_that_always_has_more_is_not_asked_for_ever() {
        let (nothing, asked) = completed(answer(b"", 0x6100), |_| answer(b"", 0x6100));
        assert_eq!(asked, 1);
        assert!(matches!(
            nothing.success(),
            Err(CardError::Status { status: 0x6100, .. })
        ));
        let (bytes, asked) = completed(answer(b"x", 0x61ff), |_| answer(b"x", 0x61ff));
        assert_eq!((bytes.data.len(), asked), (LONGEST, LONGEST - 1));
    }
}
