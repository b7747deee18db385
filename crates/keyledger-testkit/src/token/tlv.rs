//! BER-TLV as smart cards use it: tags of one or two bytes, lengths up to 65,535.

/// Appends one data object.
pub(crate) fn put(out: &mut Vec<u8>, tag: u16, value: &[u8]) {
    let [high, low] = tag.to_be_bytes();
    if high != 0 {
        out.push(high);
    }
    out.push(low);
    let length = u16::try_from(value.len()).expect("no card says more than 64 KiB at once");
    match length.to_be_bytes() {
        [0, low @ ..=0x7f] => out.push(low),
        [0, low] => out.extend([0x81, low]),
        [high, low] => out.extend([0x82, high, low]),
    }
    out.extend_from_slice(value);
}

/// One data object alone.
pub(crate) fn object(tag: u16, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, tag, value);
    out
}

/// The data objects in `bytes` in their order; `None` if they do not fill it exactly.
pub(crate) fn read_all(mut bytes: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut objects = Vec::new();
    while !bytes.is_empty() {
        let (tag, value, rest) = read(bytes)?;
        objects.push((tag, value));
        bytes = rest;
    }
    Some(objects)
}

/// The value of the first data object with this tag.
pub(crate) fn find<'a>(objects: &[(u16, &'a [u8])], tag: u16) -> Option<&'a [u8]> {
    objects
        .iter()
        .find(|(found, _)| *found == tag)
        .map(|(_, value)| *value)
}

fn read(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (tag, rest) = if first & 0x1f == 0x1f {
        let (&second, rest) = rest.split_first()?;
        (u16::from_be_bytes([first, second]), rest)
    } else {
        (u16::from(first), rest)
    };
    let (length, rest) = length(rest)?;
    let (value, rest) = rest.split_at_checked(length)?;
    Some((tag, value, rest))
}

/// The length at the beginning of `bytes`, and what follows it.
pub(crate) fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    match length {
        0..=0x7f => Some((usize::from(length), rest)),
        0x81 => {
            let (&length, rest) = rest.split_first()?;
            Some((usize::from(length), rest))
        }
        0x82 => {
            let (&length, rest) = rest.split_first_chunk::<2>()?;
            Some((usize::from(u16::from_be_bytes(length)), rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{find, object, read_all};

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 127, 128, 255, 256, 3000] {
            let value = vec![7; length];
            let mut bytes = object(0x7f49, &value);
            bytes.extend(object(0x53, b"x"));
            let objects = read_all(&bytes).unwrap();
            assert_eq!(find(&objects, 0x7f49), Some(&*value));
            assert_eq!(find(&objects, 0x53), Some(&b"x"[..]));
            assert_eq!(find(&objects, 0x5c), None);
            assert_eq!(read_all(&bytes[..bytes.len() - 1]), None);
        }
    }
}
