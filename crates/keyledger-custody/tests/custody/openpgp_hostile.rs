//! Bytes of an enemy where a certificate is expected: nothing panics, and nothing is read that is not written again the same.

use keyledger_custody::openpgp::Certificate;

use crate::openpgp_world::person;

/// Numbers that look random and are the same in each run (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    /// Bytes that lengths, tags and versions are confused by.
    fn byte(&mut self) -> u8 {
        const ODD: [u8; 12] = [0, 1, 2, 4, 0x7f, 0x80, 0xbf, 0xc0, 0xdf, 0xe0, 0xfe, 0xff];
        match self.below(2) {
            0 => ODD[self.below(ODD.len())],
            _ => self.next().to_be_bytes()[0],
        }
    }

    /// `bytes` with one to four changes.
    fn changed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let (at, other) = (self.below(bytes.len()), self.below(bytes.len()));
            let (from, to) = (at.min(other), at.max(other).min(at.min(other) + 200));
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(from..to.min(from + 9))),
                2 => {
                    let piece = bytes[from..to].to_vec();
                    bytes.splice(at..at, piece);
                }
                3 => bytes
                    .splice(at..at, [self.byte(), self.byte()])
                    .for_each(drop),
                _ => {
                    let byte = self.byte();
                    if let Some(place) = bytes.get_mut(at) {
                        *place = byte;
                    }
                }
            }
        }
        bytes
    }
}

/// A signature with a signature embedded in it, with another embedded in that, and so on.
fn nested(depth: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..depth {
        let mut hashed = Vec::new();
        if !body.is_empty() {
            let length = u32::try_from(body.len() + 1).unwrap();
            hashed.push(0xff);
            hashed.extend(length.to_be_bytes());
            hashed.push(32); // an embedded signature
            hashed.append(&mut body);
        }
        let length = u16::try_from(hashed.len()).unwrap();
        // Version 4, a subkey's back signature, RSA, SHA-256; behind the subpackets the digest's start and an empty number.
        body.extend([4, 0x19, 1, 8]);
        body.extend(length.to_be_bytes());
        body.extend(hashed);
        body.extend([0, 0, 0, 0, 0, 0]);
    }
    let mut packet = vec![0xc2, 0xff];
    packet.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    packet.extend(body);
    packet
}

/// Each level of it is a call within a call of the library: followed down, it ends the whole process.
#[test]
fn signatures_within_signatures_are_not_followed_down() {
    let person = person();
    for certificate in [&person.certificate, &person.made.certificate] {
        for depth in [2, 100, 273, 3_600] {
            let bytes = [certificate.to_bytes(), nested(depth)].concat();
            assert!(Certificate::parse(&bytes).is_err(), "{depth}");
            let other = certificate.revoked_with(&nested(depth));
            assert!(other.is_err(), "{depth}");
        }
    }
}

#[test]
fn a_changed_certificate_is_read_without_panic_and_written_as_it_was_read() {
    let person = person();
    let whole = person.certificate.to_bytes();
    let born = person.made.certificate.to_bytes();
    let armored = person.certificate.to_armored().into_bytes();
    let two = [&whole[..], &born].concat();
    let seeds = [whole, born, armored, two, nested(4)];
    let mut numbers = Numbers(0x5eed_0f09_e4b9_0001);
    for round in 0..20_000 {
        let bytes = numbers.changed(&seeds[round % seeds.len()]);
        for certificate in Certificate::parse_keyring(&bytes).unwrap_or_default() {
            let again = Certificate::parse(&certificate.to_bytes());
            assert_eq!(again.as_ref(), Ok(&certificate), "round {round}");
        }
        let _ = person.made.certificate.revoked_with(&bytes);
    }
}
