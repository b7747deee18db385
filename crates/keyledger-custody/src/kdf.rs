//! HKDF-SHA-256 (RFC 5869): every key below the root key.

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use zeroize::Zeroizing;

/// How many bytes to derive.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// The pseudorandom key of `secret`, under a salt that names its use.
pub(crate) fn extract(salt: &str, secret: &[u8]) -> Prk {
    Salt::new(HKDF_SHA256, salt.as_bytes()).extract(secret)
}

/// `N` bytes of `prk`, bound to `info`, whose parts are joined.
pub(crate) fn expand<const N: usize>(prk: &Prk, info: &[&str]) -> Zeroizing<[u8; N]> {
    let mut out = Zeroizing::new([0; N]);
    let info: Vec<&[u8]> = info.iter().map(|part| part.as_bytes()).collect();
    prk.expand(&info, Length(N))
        .and_then(|okm| okm.fill(&mut *out))
        .expect("HKDF-SHA-256 gives up to 8,160 bytes, and no more than 32 are asked for");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    #[test]
    fn rfc_5869_a1() {
        // The salt and info of the RFC are not text, so the extraction is done here as `extract` does it.
        let salt = HEXLOWER.decode(b"000102030405060708090a0b0c").unwrap();
        let info = HEXLOWER.decode(b"f0f1f2f3f4f5f6f7f8f9").unwrap();
        let prk = Salt::new(HKDF_SHA256, &salt).extract(&[0x0b; 22]);
        let mut okm = [0; 42];
        prk.expand(&[&info], Length(42))
            .unwrap()
            .fill(&mut okm)
            .unwrap();
        assert_eq!(
            HEXLOWER.encode(&okm),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
    }

    #[test]
    fn rfc_5869_a3() {
        // With empty salt and info, which our own functions accept.
        let okm = expand::<42>(&extract("", &[0x0b; 22]), &[]);
        assert_eq!(
            HEXLOWER.encode(&*okm),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
        );
    }

    #[test]
    fn parts_of_info_are_joined() {
        let prk = extract("salt", b"secret");
        assert_eq!(
            *expand::<32>(&prk, &["kek:", "data"]),
            *expand::<32>(&prk, &["kek:data"])
        );
        assert_ne!(
            *expand::<32>(&prk, &["kek:data"]),
            *expand::<32>(&prk, &["kek:other"])
        );
    }
}
