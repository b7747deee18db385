//! AES-256-GCM (NIST SP 800-38D) with random nonces: `nonce (12) | ciphertext | tag (16)`.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use crate::{
    ProviderFailure,
    secret::{Key32, Secret},
};

const TAG_LEN: usize = 16;

/// How much longer a sealed text is than the text, in bytes.
pub(crate) const OVERHEAD: usize = NONCE_LEN + TAG_LEN;

/// It does not open: the key or the associated data is wrong, or somebody changed it. Nobody can tell which.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DoesNotOpen;

/// Seals `text` under `key`, bound to `associated`.
pub(crate) fn seal(
    key: &Key32,
    associated: &[u8],
    text: &[u8],
) -> Result<Vec<u8>, ProviderFailure> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, &**key)?;
    // With room for the tag from the start: a buffer that grows leaves a copy of the text in memory.
    let mut buffer = Zeroizing::new(Vec::with_capacity(text.len() + TAG_LEN));
    buffer.extend_from_slice(text);
    let nonce = key.seal_in_place_append_tag(Aad::from(associated), &mut *buffer)?;
    let mut sealed = Vec::with_capacity(NONCE_LEN + buffer.len());
    sealed.extend_from_slice(nonce.as_ref());
    sealed.extend_from_slice(&buffer);
    Ok(sealed)
}

/// Opens what [`seal`] sealed under the same key and associated data.
pub(crate) fn open(key: &Key32, associated: &[u8], sealed: &[u8]) -> Result<Secret, DoesNotOpen> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(DoesNotOpen)?;
    let key = RandomizedNonceKey::new(&AES_256_GCM, &**key).map_err(|_| DoesNotOpen)?;
    let mut buffer = Zeroizing::new(body.to_vec());
    let length = key
        .open_in_place(Nonce::from(nonce), Aad::from(associated), &mut buffer)
        .map_err(|_| DoesNotOpen)?
        .len();
    buffer.truncate(length);
    Ok(Secret::new(std::mem::take(&mut *buffer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_only_under_the_same_key_and_data() {
        let (key, other) = (Key32::new([1; 32]), Key32::new([2; 32]));
        let sealed = seal(&key, b"about", b"text").unwrap();
        assert_eq!(sealed.len(), 4 + OVERHEAD);
        assert_eq!(open(&key, b"about", &sealed).unwrap().expose(), b"text");
        assert!(open(&other, b"about", &sealed).is_err());
        assert!(open(&key, b"abouT", &sealed).is_err());
        for length in 0..sealed.len() {
            assert!(open(&key, b"about", &sealed[..length]).is_err());
        }
    }

    #[test]
    fn gcm_spec_test_case_16() {
        // McGrew & Viega, "The Galois/Counter Mode of Operation", appendix B, test case 16.
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let key = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
        let sealed = hex(concat!(
            "cafebabefacedbaddecaf888",
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa",
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
            "76fc6ece0f4e1768cddf8853bb2d551b",
        ));
        let about = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let text = hex(concat!(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        ));
        let key = crate::secret::key32(&key).unwrap();
        assert_eq!(open(&key, &about, &sealed).unwrap().expose(), text);
    }
}
