//! Authentication of the service's own files.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign, verify};

use crate::secret::Key32;

/// An HMAC-SHA-256 (RFC 2104) key from [`Custody::mac_key`](crate::Custody::mac_key).
#[expect(
    missing_debug_implementations,
    reason = "a secret is never printed, not even redacted"
)]
pub struct MacKey(Key);

/// The file is not what was written under this key: do not use it, and make it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its authentication tag is wrong: it was changed, or written under another root key")]
pub struct MacMismatch;

impl MacKey {
    pub(crate) fn new(key: &Key32) -> Self {
        Self(Key::new(HMAC_SHA256, &**key))
    }

    /// The tag of `message`.
    #[must_use]
    pub fn tag(&self, message: &[u8]) -> [u8; 32] {
        sign(&self.0, message)
            .as_ref()
            .try_into()
            .expect("an HMAC-SHA-256 tag has 32 bytes")
    }

    /// Checks, in constant time, that `tag` is the tag of `message`.
    ///
    /// # Errors
    ///
    /// [`MacMismatch`] if it is not.
    pub fn verify(&self, message: &[u8], tag: &[u8]) -> Result<(), MacMismatch> {
        verify(&self.0, message, tag).map_err(|_| MacMismatch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4231_case_2_padded_to_a_key_of_32_bytes() {
        // HMAC pads a short key with zeros, so the RFC's key "Jefe" may be given as 32 bytes.
        let mut key = Key32::default();
        key[..4].copy_from_slice(b"Jefe");
        let key = MacKey::new(&key);
        let tag = key.tag(b"what do ya want for nothing?");
        assert_eq!(
            data_encoding::HEXLOWER.encode(&tag),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(key.verify(b"what do ya want for nothing?", &tag), Ok(()));
        assert_eq!(
            key.verify(b"what do ya want for nothing!", &tag),
            Err(MacMismatch)
        );
        assert_eq!(
            key.verify(b"what do ya want for nothing?", &tag[..31]),
            Err(MacMismatch)
        );
    }
}
