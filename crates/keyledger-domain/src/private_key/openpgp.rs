//! OpenPGP's secret keys (RFC 9580 §5.5.1.3): packets 5 and 7.

use super::PrivateKey;

/// Its algorithms of keys.
const ALGORITHMS: [u8; 12] = [1, 2, 3, 16, 17, 18, 19, 22, 25, 26, 27, 28];
/// A certificate with all its packets is looked through; what has more is none.
const MAX_PACKETS: usize = 10_000;

/// A secret key, or a certificate with one somewhere in it.
pub(super) fn find(bytes: &[u8]) -> Option<PrivateKey> {
    let mut rest = bytes;
    for _ in 0..MAX_PACKETS {
        let (tag, body, behind) = packet(rest)?;
        if matches!(tag, 5 | 7) && is_key(body) {
            return Some(PrivateKey::Openpgp);
        }
        rest = behind;
    }
    None
}

/// Version, four bytes of when, algorithm; of version 3 two bytes of how long it holds stand before the algorithm.
fn is_key(body: &[u8]) -> bool {
    let algorithm = match body.first() {
        Some(4..=6) => body.get(5),
        Some(3) => body.get(7),
        _ => None,
    };
    algorithm.is_some_and(|it| ALGORITHMS.contains(it))
}

/// The first packet's tag and body, and what is behind it; nothing if there is none, or it says not how long it is.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let number = |rest: &[u8], count: usize| {
        let digits = rest.get(..count)?;
        Some(
            digits
                .iter()
                .fold(0, |n, digit| n << 8 | usize::from(*digit)),
        )
    };
    let (tag, length, header) = if first & 0x40 != 0 {
        let (length, header) = match rest.first()? {
            one @ 0..=191 => (usize::from(*one), 1),
            two @ 192..=223 => {
                let low = usize::from(*rest.get(1)?);
                ((usize::from(*two) - 192) * 256 + low + 192, 2)
            }
            255 => (number(rest.get(1..)?, 4)?, 5),
            _ => return None, // partial lengths are of data
        };
        (first & 0x3f, length, header)
    } else {
        let (length, header) = match first & 3 {
            0 => (number(rest, 1)?, 1),
            1 => (number(rest, 2)?, 2),
            2 => (number(rest, 4)?, 4),
            _ => (rest.len(), 0),
        };
        (first >> 2 & 0x0f, length, header)
    };
    let content = rest.get(header..)?;
    (tag != 0 && length <= content.len()).then(|| {
        let (body, behind) = content.split_at(length);
        (tag, body, behind)
    })
}
