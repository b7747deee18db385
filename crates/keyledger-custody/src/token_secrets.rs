//! The secrets of a token that no person knows: its PUK, its management key, and those of its OpenPGP applet.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{ProviderFailure, secret::Secret};

/// The algorithm of a management key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManagementKeyAlgorithm {
    /// 24 bytes, before firmware 5.4.2.
    #[serde(rename = "3des")]
    TripleDes,
    /// 24 bytes, from firmware 5.4.2 on; the factory's default from 5.7 on.
    #[serde(rename = "aes-192")]
    Aes192,
}

/// A token's secrets, made once and sealed into custody before they are set on the token.
///
/// Only [`TokenSecrets::to_secret`] writes them out, and it returns a [`Secret`] again:
///
/// ```compile_fail,E0277
/// let secrets = keyledger_custody::TokenSecrets::from_secret(&keyledger_custody::Secret::new(vec![])).unwrap();
/// println!("{secrets:?}");
/// ```
#[expect(
    missing_debug_implementations,
    reason = "a secret is never printed, not even redacted"
)]
pub struct TokenSecrets {
    /// The PIV PUK: 8 digits.
    pub puk: Secret,
    /// The PIV management key: 24 bytes.
    pub management_key: Secret,
    /// Its algorithm.
    pub management_key_algorithm: ManagementKeyAlgorithm,
    /// The OpenPGP admin PIN: 8 digits; absent if the profile has no OpenPGP keys.
    pub openpgp_admin_pin: Option<Secret>,
    /// The OpenPGP reset code, which unblocks its PIN: 8 digits; absent if the profile has no OpenPGP keys.
    pub openpgp_reset_code: Option<Secret>,
}

/// One of the secrets of a token that consist of digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenDigits {
    /// The PIV PUK.
    Puk,
    /// The OpenPGP admin PIN.
    OpenpgpAdminPin,
    /// The OpenPGP reset code.
    OpenpgpResetCode,
}

/// The management key of a token. An agent that only checks whether the token still has it is given nothing else.
#[expect(
    missing_debug_implementations,
    reason = "a secret is never printed, not even redacted"
)]
pub struct TokenManagementKey {
    /// 24 bytes.
    pub key: Secret,
    /// Its algorithm.
    pub algorithm: ManagementKeyAlgorithm,
}

/// The opened bytes are not a token's secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these are no token's secrets")]
pub struct NotTokenSecrets;

/// The largest size of the JSON form, in bytes. With so much room the buffer never moves, which would leave a copy in memory.
const JSON_BYTES: usize = 512;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    puk: &'a str,
    management_key: &'a str,
    management_key_algorithm: ManagementKeyAlgorithm,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    openpgp_admin_pin: Option<&'a str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    openpgp_reset_code: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKey<'a> {
    management_key: &'a str,
    management_key_algorithm: ManagementKeyAlgorithm,
}

impl TokenManagementKey {
    /// Reads it back from JSON.
    ///
    /// # Errors
    ///
    /// [`NotTokenSecrets`] if it is not what [`TokenSecrets::management_key_to_secret`] writes.
    pub fn from_secret(json: &Secret) -> Result<Self, NotTokenSecrets> {
        let written: WrittenKey<'_> =
            serde_json::from_slice(json.expose()).map_err(|_| NotTokenSecrets)?;
        Ok(Self {
            key: management_key(written.management_key)?,
            algorithm: written.management_key_algorithm,
        })
    }
}

impl TokenSecrets {
    /// Makes new ones at random.
    ///
    /// # Errors
    ///
    /// [`ProviderFailure`] if the system gives no random numbers.
    pub fn generate(
        algorithm: ManagementKeyAlgorithm,
        openpgp: bool,
    ) -> Result<Self, ProviderFailure> {
        Ok(Self {
            puk: digits()?,
            management_key: Secret::random(24)?,
            management_key_algorithm: algorithm,
            openpgp_admin_pin: openpgp.then(digits).transpose()?,
            openpgp_reset_code: openpgp.then(digits).transpose()?,
        })
    }

    /// Reads them back from JSON.
    ///
    /// # Errors
    ///
    /// [`NotTokenSecrets`] if it is not what [`TokenSecrets::to_secret`] writes.
    pub fn from_secret(json: &Secret) -> Result<Self, NotTokenSecrets> {
        let written: Written<'_> =
            serde_json::from_slice(json.expose()).map_err(|_| NotTokenSecrets)?;
        Ok(Self {
            puk: eight_digits(written.puk)?,
            management_key: management_key(written.management_key)?,
            management_key_algorithm: written.management_key_algorithm,
            openpgp_admin_pin: written.openpgp_admin_pin.map(eight_digits).transpose()?,
            openpgp_reset_code: written.openpgp_reset_code.map(eight_digits).transpose()?,
        })
    }

    /// Writes them as JSON, to be sealed: `puk`, `management_key` (hex), `management_key_algorithm`, and, if present,
    /// `openpgp_admin_pin` and `openpgp_reset_code`.
    #[must_use]
    pub fn to_secret(&self) -> Secret {
        let key = Zeroizing::new(HEXLOWER.encode(self.management_key.expose()));
        let mut json = Vec::with_capacity(JSON_BYTES);
        let written = Written {
            puk: text(&self.puk),
            management_key: &key,
            management_key_algorithm: self.management_key_algorithm,
            openpgp_admin_pin: self.openpgp_admin_pin.as_ref().map(text),
            openpgp_reset_code: self.openpgp_reset_code.as_ref().map(text),
        };
        serde_json::to_writer(&mut json, &written).expect("strings are always JSON");
        Secret::new(json)
    }

    /// Writes the management key alone as JSON, to be sealed: `management_key` (hex) and `management_key_algorithm`.
    #[must_use]
    pub fn management_key_to_secret(&self) -> Secret {
        let key = Zeroizing::new(HEXLOWER.encode(self.management_key.expose()));
        let mut json = Vec::with_capacity(JSON_BYTES);
        let written = WrittenKey {
            management_key: &key,
            management_key_algorithm: self.management_key_algorithm,
        };
        serde_json::to_writer(&mut json, &written).expect("strings are always JSON");
        Secret::new(json)
    }

    /// The same secrets with one of them made again, because the token refused it. The others may be set already.
    ///
    /// # Errors
    ///
    /// [`ProviderFailure`] if the system gives no random numbers.
    pub fn with_another(mut self, which: TokenDigits) -> Result<Self, ProviderFailure> {
        match which {
            TokenDigits::Puk => self.puk = digits()?,
            TokenDigits::OpenpgpAdminPin => self.openpgp_admin_pin = Some(digits()?),
            TokenDigits::OpenpgpResetCode => self.openpgp_reset_code = Some(digits()?),
        }
        Ok(self)
    }
}

/// Eight random digits, each equally likely, that no token finds too simple.
fn digits() -> Result<Secret, ProviderFailure> {
    loop {
        let made = random_digits()?;
        if !is_simple(made.expose()) {
            return Ok(made);
        }
    }
}

/// True if firmware 5.7 and later may refuse these digits, when it is set to do so: one digit repeated, or a PIN on the lists of those
/// that many people choose. Yubico does not publish the lists, so this check covers more. It finds one in a few hundred too simple.
fn is_simple(digits: &[u8]) -> bool {
    let distinct = (b'0'..=b'9').filter(|digit| digits.contains(digit)).count();
    let step = |pair: &[u8]| (10 + pair[1] - pair[0]) % 10;
    let evenly = digits
        .windows(3)
        .all(|three| step(&three[..2]) == step(&three[1..]));
    let (one, other) = digits.split_at(digits.len() / 2);
    let mirrored = digits.iter().eq(digits.iter().rev());
    let paired = digits.chunks(2).all(|pair| pair[0] == pair[pair.len() - 1]);
    distinct < 4 || evenly || one == other || mirrored || paired
}

fn random_digits() -> Result<Secret, ProviderFailure> {
    let mut digits = Zeroizing::new(Vec::with_capacity(8));
    while digits.len() < 8 {
        let random = Secret::random(16)?;
        // 250 is the greatest multiple of 10 in a byte: the bytes above it would favour the small digits.
        let fair = random.expose().iter().filter(|byte| **byte < 250);
        let missing = 8 - digits.len();
        digits.extend(fair.map(|byte| b'0' + byte % 10).take(missing));
    }
    Ok(Secret::copy_of(&digits))
}

fn management_key(hex: &str) -> Result<Secret, NotTokenSecrets> {
    let key = HEXLOWER.decode(hex.as_bytes());
    let key = Secret::new(key.map_err(|_| NotTokenSecrets)?);
    if key.expose().len() == 24 {
        Ok(key)
    } else {
        Err(NotTokenSecrets)
    }
}

fn text(digits: &Secret) -> &str {
    std::str::from_utf8(digits.expose()).expect("digits are ASCII")
}

fn eight_digits(text: &str) -> Result<Secret, NotTokenSecrets> {
    if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotTokenSecrets);
    }
    Ok(Secret::copy_of(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for openpgp in [false, true] {
            let made = TokenSecrets::generate(ManagementKeyAlgorithm::Aes192, openpgp).unwrap();
            let json = made.to_secret();
            assert!(json.expose().len() <= JSON_BYTES);
            let read = TokenSecrets::from_secret(&json).ok().unwrap();
            assert_eq!(read.puk.expose(), made.puk.expose());
            assert_eq!(read.management_key.expose(), made.management_key.expose());
            assert_eq!(read.management_key_algorithm, made.management_key_algorithm);
            let bytes = |secret: &Option<Secret>| secret.as_ref().map(|s| s.expose().to_vec());
            assert_eq!(
                bytes(&read.openpgp_admin_pin),
                bytes(&made.openpgp_admin_pin)
            );
            assert_eq!(
                bytes(&read.openpgp_reset_code),
                bytes(&made.openpgp_reset_code)
            );
            assert_eq!(read.openpgp_admin_pin.is_some(), openpgp);
        }
    }

    #[test]
    fn the_management_key_alone_says_nothing_of_the_rest() {
        let made = TokenSecrets::generate(ManagementKeyAlgorithm::Aes192, true).unwrap();
        let json = made.management_key_to_secret();
        assert!(json.expose().len() <= JSON_BYTES);
        let said = std::str::from_utf8(json.expose()).unwrap();
        assert!(!said.contains(text(&made.puk)) && !said.contains("puk"));
        let read = TokenManagementKey::from_secret(&json).ok().unwrap();
        assert_eq!(read.key.expose(), made.management_key.expose());
        assert_eq!(read.algorithm, made.management_key_algorithm);
        // Neither form is read as the other.
        assert!(TokenManagementKey::from_secret(&made.to_secret()).is_err());
        assert!(TokenSecrets::from_secret(&json).is_err());
    }

    #[test]
    fn one_is_made_anew_and_the_others_stay() {
        let all = |secrets: &TokenSecrets| {
            let bytes = |secret: &Option<Secret>| secret.as_ref().unwrap().expose().to_vec();
            [
                secrets.management_key.expose().to_vec(),
                secrets.puk.expose().to_vec(),
                bytes(&secrets.openpgp_admin_pin),
                bytes(&secrets.openpgp_reset_code),
            ]
        };
        let one_after_the_other = [
            TokenDigits::Puk,
            TokenDigits::OpenpgpAdminPin,
            TokenDigits::OpenpgpResetCode,
        ];
        for (at, which) in one_after_the_other.into_iter().enumerate() {
            let made = TokenSecrets::generate(ManagementKeyAlgorithm::Aes192, true).unwrap();
            let before = all(&made);
            let after = all(&made.with_another(which).unwrap());
            let changed = (0..4).filter(|at| before[*at] != after[*at]);
            assert!(changed.eq([at + 1]), "{which:?}");
        }
    }

    #[test]
    fn what_many_people_take_is_never_made() {
        for simple in [
            "00000000", "11111112", "12121212", "12345678", "87654321", "90123456", "13579135",
            "12341234", "12344321", "11223344", "00110011", "12312312", "20202020",
        ] {
            assert!(is_simple(simple.as_bytes()), "{simple}");
        }
        for good in ["27182818", "31415926", "19283746", "12345679", "00011123"] {
            assert!(!is_simple(good.as_bytes()), "{good}");
        }
        for _ in 0..2_000 {
            assert!(!is_simple(digits().unwrap().expose()));
        }
    }

    #[test]
    fn two_tokens_share_no_secret() {
        let make = || TokenSecrets::generate(ManagementKeyAlgorithm::Aes192, true).unwrap();
        let (one, other) = (make(), make());
        assert_ne!(one.puk.expose(), other.puk.expose());
        assert_ne!(one.management_key.expose(), other.management_key.expose());
        assert_ne!(one.puk.expose(), one.openpgp_admin_pin.unwrap().expose());
    }

    #[test]
    fn what_is_no_tokens_secrets_is_refused_without_being_repeated() {
        for text in [
            "",
            "{}",
            r#"{"puk":"1234567","management_key":"00","management_key_algorithm":"aes-192"}"#,
            r#"{"puk":"12345678","management_key":"00","management_key_algorithm":"aes-192"}"#,
        ] {
            let refused = TokenSecrets::from_secret(&Secret::new(text.into())).err();
            assert_eq!(refused, Some(NotTokenSecrets), "{text}");
        }
    }
}
