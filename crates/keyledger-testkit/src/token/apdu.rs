//! What travels between reader and card: commands, answers, status words (ISO/IEC 7816-4).

use zeroize::Zeroizing;

/// One command, or one part of a chained one.
#[derive(Clone)]
pub(crate) struct CommandApdu {
    pub(crate) class: u8,
    pub(crate) instruction: u8,
    pub(crate) p1: u8,
    pub(crate) p2: u8,
    pub(crate) data: Zeroizing<Vec<u8>>,
    /// How many bytes the answer may have at most, without its status word.
    pub(crate) expected: usize,
}

impl CommandApdu {
    /// Reads a command with short or extended lengths; `None` if its lengths do not add up.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[class, instruction, p1, p2], body) = bytes.split_first_chunk()?;
        let (data, expected) = lengths(body)?;
        Some(Self {
            class,
            instruction,
            p1,
            p2,
            data: Zeroizing::new(data.to_vec()),
            expected,
        })
    }

    /// Whether more parts of the same command follow.
    pub(crate) fn is_partial(&self) -> bool {
        self.class & 0x10 != 0
    }

    /// Whether `next` may continue this command.
    pub(crate) fn is_continued_by(&self, next: &Self) -> bool {
        (self.instruction, self.p1, self.p2) == (next.instruction, next.p1, next.p2)
    }
}

/// Data and the expected length of the answer. Clients leave the latter out, as T=1 lets them: the most, then.
fn lengths(body: &[u8]) -> Option<(&[u8], usize)> {
    const SHORT: usize = 256;
    const EXTENDED: usize = 65_536;
    let expected = |le: usize, most: usize| if le == 0 { most } else { le };
    Some(match *body {
        [] => (&[], SHORT),
        [le] => (&[], expected(le.into(), SHORT)),
        [0, high, low] => (
            &[],
            expected(u16::from_be_bytes([high, low]).into(), EXTENDED),
        ),
        [0, high, low, ref rest @ ..] => {
            let (data, tail) = rest.split_at_checked(u16::from_be_bytes([high, low]).into())?;
            match *tail {
                [] => (data, EXTENDED),
                [high, low] => (
                    data,
                    expected(u16::from_be_bytes([high, low]).into(), EXTENDED),
                ),
                _ => return None,
            }
        }
        [lc, ref rest @ ..] => {
            let (data, tail) = rest.split_at_checked(lc.into())?;
            match *tail {
                [] => (data, SHORT),
                [le] => (data, expected(le.into(), SHORT)),
                _ => return None,
            }
        }
    })
}

/// The two bytes that end every answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatusWord(pub(crate) u16);

impl StatusWord {
    pub(crate) const OK: Self = Self(0x9000);
    pub(crate) const WRONG_LENGTH: Self = Self(0x6700);
    pub(crate) const SECURITY_NOT_SATISFIED: Self = Self(0x6982);
    pub(crate) const BLOCKED: Self = Self(0x6983);
    pub(crate) const CONDITIONS_NOT_SATISFIED: Self = Self(0x6985);
    pub(crate) const WRONG_DATA: Self = Self(0x6a80);
    pub(crate) const NOT_FOUND: Self = Self(0x6a82);
    pub(crate) const TOO_LARGE: Self = Self(0x6a84);
    pub(crate) const WRONG_PARAMETERS: Self = Self(0x6b00);
    pub(crate) const REFERENCE_NOT_FOUND: Self = Self(0x6a88);
    pub(crate) const NO_SUCH_INSTRUCTION: Self = Self(0x6d00);

    /// Wrong PIN or PUK, with so many tries left.
    pub(crate) fn tries_left(tries: u8) -> Self {
        Self(0x63c0 | u16::from(tries.min(15)))
    }

    /// There is more to fetch with GET RESPONSE.
    pub(crate) fn more(bytes: usize) -> Self {
        Self(0x6100 | u16::try_from(bytes).map_or(0, |bytes| if bytes > 255 { 0 } else { bytes }))
    }
}

/// What an applet says to one command.
pub(crate) type ResponseApdu = Result<Vec<u8>, StatusWord>;

#[cfg(test)]
mod tests {
    use super::CommandApdu;

    fn parsed(hex: &str) -> Option<(Vec<u8>, usize)> {
        let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        CommandApdu::parse(&bytes).map(|command| (command.data.to_vec(), command.expected))
    }

    #[test]
    fn all_seven_forms_of_a_command_are_read() {
        assert_eq!(parsed("00fd0000"), Some((vec![], 256)));
        assert_eq!(parsed("00fd000000"), Some((vec![], 256)));
        assert_eq!(parsed("00fd000003"), Some((vec![], 3)));
        assert_eq!(parsed("00a4040002a000"), Some((vec![0xa0, 0], 256)));
        assert_eq!(parsed("00a4040002a00010"), Some((vec![0xa0, 0], 16)));
        assert_eq!(parsed("00fd0000000000"), Some((vec![], 65_536)));
        assert_eq!(parsed("00a40400000002a000"), Some((vec![0xa0, 0], 65_536)));
        assert_eq!(parsed("00a40400000002a0000100"), Some((vec![0xa0, 0], 256)));
    }

    #[test]
    fn a_command_whose_lengths_do_not_add_up_is_refused() {
        assert_eq!(parsed("00a4"), None);
        assert_eq!(parsed("00a4040005a000"), None);
        assert_eq!(parsed("00a4040001a0001000"), None);
    }
}
