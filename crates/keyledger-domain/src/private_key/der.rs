//! Private keys in DER or BER, and in the binary forms beside them.

use super::PrivateKey;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// PKCS#5 and PKCS#12 password-based encryption: what the OIDs of an encrypted PKCS#8 begin with.
const ENCRYPTION: [&[u8]; 2] = [
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x05",
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01",
];
/// PKCS#7, in which a PKCS#12 wraps what it holds.
const PKCS7: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07";
/// What an SSH private key in its own format begins with.
const OPENSSH: &[u8] = b"openssh-key-v1\0";
/// Java's key stores: JKS, JCEKS.
const JAVA: [&[u8]; 2] = [b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"];

/// One that begins here.
pub(super) fn find(bytes: &[u8]) -> Option<PrivateKey> {
    if bytes.starts_with(OPENSSH) {
        return Some(PrivateKey::Ssh);
    }
    if JAVA.iter().any(|magic| bytes.starts_with(magic)) {
        return Some(PrivateKey::KeyStore);
    }
    let (SEQUENCE, body, _) = element(bytes)? else {
        return None;
    };
    let (tag, first, rest) = element(body)?;
    match tag {
        INTEGER => versioned(first, rest),
        // An encrypted PKCS#8: how, then what. A SubjectPublicKeyInfo has a bit string there, a DigestInfo a hash's OID.
        SEQUENCE => {
            let (OID, oid, _) = element(first)? else {
                return None;
            };
            let (next, ..) = element(rest)?;
            let encrypts = ENCRYPTION.iter().any(|begin| oid.starts_with(begin));
            (next == OCTET_STRING && encrypts).then_some(PrivateKey::EncryptedPkcs8)
        }
        _ => None,
    }
}

/// What begins with a version number: all the others.
fn versioned(version: &[u8], rest: &[u8]) -> Option<PrivateKey> {
    let (tag, second, behind) = element(rest)?;
    match (version, tag) {
        ([0 | 1], SEQUENCE) => {
            let (OID, ..) = element(second)? else {
                return None;
            };
            let (next, ..) = element(behind)?;
            (next == OCTET_STRING).then_some(PrivateKey::Pkcs8)
        }
        ([3], SEQUENCE) => {
            let (OID, oid, _) = element(second)? else {
                return None;
            };
            oid.starts_with(PKCS7).then_some(PrivateKey::KeyStore)
        }
        ([1], OCTET_STRING) => Some(PrivateKey::Sec1),
        // A public key of RSA has two numbers, parameters of DSA three.
        ([0 | 1], INTEGER) => {
            let (third, _, behind) = element(behind)?;
            let (fourth, ..) = element(behind)?;
            (third == INTEGER && fourth == INTEGER).then_some(PrivateKey::Pkcs1)
        }
        _ => None,
    }
}

/// The first element's tag and content, and what is behind it. Of one that is cut off, or of indefinite length, all there is.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, content) = match first {
        0x80 => (rest.len(), rest),
        0..=0x7f => (usize::from(*first), rest),
        _ => {
            let count = usize::from(first & 0x7f);
            if count > 4 {
                return None;
            }
            let (digits, content) = rest.split_at_checked(count)?;
            let length = digits
                .iter()
                .fold(0, |length, digit| length << 8 | usize::from(*digit));
            (length, content)
        }
    };
    let (content, behind) = content.split_at(length.min(content.len()));
    Some((*tag, content, behind))
}
