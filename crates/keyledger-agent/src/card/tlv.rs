//! BER-TLV, as far as smart cards use it (ISO 7816-4 §5.2.2).

use zeroize::Zeroizing;

/// An object: tag, length and value.
pub(crate) fn object(tag: u16, value: &[u8]) -> Zeroizing<Vec<u8>> {
    // Reserve all the room first: growing would leave a copy of a secret behind.
    let mut object = Zeroizing::new(Vec::with_capacity(value.len() + 6));
    if let [0, low] = tag.to_be_bytes() {
        object.push(low);
    } else {
        object.extend(tag.to_be_bytes());
    }
    let length = u16::try_from(value.len()).expect("a card's objects are below 64 KiB");
    let [high, low] = length.to_be_bytes();
    match length {
        0..=0x7f => object.push(low),
        0x80..=0xff => object.extend([0x81, low]),
        _ => object.extend([0x82, high, low]),
    }
    object.extend(value);
    object
}

/// The value of the first object with this tag in a row of objects; nothing if there is none, or an object before it is broken.
pub(crate) fn find(mut objects: &[u8], tag: u16) -> Option<&[u8]> {
    while !objects.is_empty() {
        let (found, value, rest) = split(objects)?;
        if found == tag {
            return Some(value);
        }
        objects = rest;
    }
    None
}

/// The tag and value of the first object, and the rest of the row.
fn split(objects: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (&first, rest) = objects.split_first()?;
    let (tag, rest) = if first & 0x1f == 0x1f {
        let (&second, rest) = rest.split_first()?;
        (u16::from_be_bytes([first, second]), rest)
    } else {
        (u16::from(first), rest)
    };
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 => {
            let (&low, rest) = rest.split_first()?;
            (usize::from(low), rest)
        }
        0x82 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*bytes)), rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((tag, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found_again_at_every_length_form() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 3_000] {
            let value = vec![7; length];
            let mut row = object(0x53, b"before").to_vec();
            row.extend(object(0x7f49, &value).iter());
            assert_eq!(find(&row, 0x7f49), Some(&value[..]), "{length}");
            assert_eq!(find(&row, 0x53), Some(&b"before"[..]));
            assert_eq!(find(&row, 0x54), None);
        }
    }

    #[test]
    fn broken_objects_hold_nothing() {
        for broken in [
            &[0x53_u8][..],
            &[0x53, 2, 1],
            &[0x53, 0x82, 1],
            &[0x53, 0x84, 0, 0, 0, 1, 1],
            &[0x7f],
        ] {
            assert_eq!(find(broken, 0x53), None, "{broken:?}");
        }
    }
}
