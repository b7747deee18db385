//! Keys: made, imported, used.

use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::OpenPgp;
use super::attributes::Purpose;
use super::passwords::require;
use super::state::TouchFlag;
use crate::token::apdu::{CommandApdu, ResponseApdu, StatusWord};
use crate::token::outside::Outside;
use crate::token::piv::{Algorithm, PrivateKey};
use crate::token::tlv;

/// How long one touch is good for.
const CACHED: Duration = Duration::from_secs(15);

impl OpenPgp {
    /// GENERATE ASYMMETRIC KEY PAIR, or read the public half of what is there.
    pub(super) fn generate(&mut self, command: &CommandApdu) -> ResponseApdu {
        let [template, ..] = command.data[..] else {
            return Err(StatusWord::WRONG_DATA);
        };
        let purpose = Purpose::of_template(template.into())?;
        match command.p1 {
            0x80 => {
                self.require_admin()?;
                let algorithm = self.state.place(purpose).attributes.algorithm();
                self.put_key(purpose, PrivateKey::generate(algorithm), true);
            }
            0x81 => {}
            _ => return Err(StatusWord::WRONG_PARAMETERS),
        }
        let key = self.state.place(purpose).key.as_ref();
        let key = key.ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        Ok(tlv::object(0x7f49, &key.public_template()))
    }

    /// PUT DATA of a private key: an extended header list (OpenPGP card 3.4, §4.4.3.12).
    pub(super) fn import(&mut self, command: &CommandApdu) -> ResponseApdu {
        self.require_admin()?;
        if (command.p1, command.p2) != (0x3f, 0xff) {
            return Err(StatusWord::WRONG_PARAMETERS);
        }
        let objects = tlv::read_all(&command.data).ok_or(StatusWord::WRONG_DATA)?;
        let list = tlv::find(&objects, 0x4d).ok_or(StatusWord::WRONG_DATA)?;
        let list = tlv::read_all(list).ok_or(StatusWord::WRONG_DATA)?;
        let (template, _) = list.first().ok_or(StatusWord::WRONG_DATA)?;
        let purpose = Purpose::of_template(*template)?;
        let lengths = tlv::find(&list, 0x7f48).ok_or(StatusWord::WRONG_DATA)?;
        let values = tlv::find(&list, 0x5f48).ok_or(StatusWord::WRONG_DATA)?;
        let parts = parts(lengths, values).ok_or(StatusWord::WRONG_DATA)?;
        let algorithm = self.state.place(purpose).attributes.algorithm();
        let key = read_key(algorithm, &parts)?;
        self.put_key(purpose, key, false);
        Ok(Vec::new())
    }

    /// PERFORM SECURITY OPERATION: sign or decipher.
    pub(super) fn perform_security_operation(
        &mut self,
        command: &CommandApdu,
        outside: &Outside,
    ) -> ResponseApdu {
        match (command.p1, command.p2) {
            (0x9e, 0x9a) => {
                require(self.session.may_sign)?;
                let signature = self.sign(Purpose::Sign, &command.data, outside)?;
                self.session.may_sign = self.state.pin_lasts;
                self.state.signatures = (self.state.signatures + 1) & 0x00ff_ffff;
                self.changed = true;
                Ok(signature)
            }
            (0x80, 0x86) => {
                require(self.session.is_user)?;
                self.decipher(&command.data, outside)
            }
            _ => Err(StatusWord::WRONG_PARAMETERS),
        }
    }

    /// INTERNAL AUTHENTICATE: a signature by the key for that.
    pub(super) fn internal_authenticate(
        &mut self,
        command: &CommandApdu,
        outside: &Outside,
    ) -> ResponseApdu {
        require(self.session.is_user)?;
        self.sign(Purpose::Authenticate, &command.data, outside)
    }

    fn sign(&mut self, purpose: Purpose, input: &[u8], outside: &Outside) -> ResponseApdu {
        let key = self.touched_key(purpose, outside)?;
        match key.algorithm {
            Algorithm::P256 => numbers(&key.sign(leftmost(input, 32))?, 32),
            Algorithm::P384 => numbers(&key.sign(leftmost(input, 48))?, 48),
            Algorithm::Ed25519 => key.sign(input),
            _ => {
                let padded = pad_for_signing(input, key.modulus_bytes())?;
                key.sign(&padded)
            }
        }
    }

    fn decipher(&mut self, input: &[u8], outside: &Outside) -> ResponseApdu {
        let key = self.touched_key(Purpose::Decrypt, outside)?;
        if key.is_rsa() {
            let [0x00, cryptogram @ ..] = input else {
                return Err(StatusWord::WRONG_DATA);
            };
            let padded = Zeroizing::new(key.sign(cryptogram)?);
            return unpad(&padded).map(<[u8]>::to_vec);
        }
        // a6 { 7f49 { 86 point } }
        let mut point = input;
        let mut objects;
        for tag in [0xa6, 0x7f49, 0x86] {
            objects = tlv::read_all(point).ok_or(StatusWord::WRONG_DATA)?;
            point = tlv::find(&objects, tag).ok_or(StatusWord::WRONG_DATA)?;
        }
        match point {
            // As OpenPGP writes points of this curve, which some clients leave as it is.
            [0x40, bare @ ..] if key.algorithm == Algorithm::X25519 && bare.len() == 32 => {
                key.agree(bare)
            }
            point => key.agree(point),
        }
    }

    fn touched_key(
        &mut self,
        purpose: Purpose,
        outside: &Outside,
    ) -> Result<PrivateKey, StatusWord> {
        let place = self.state.place(purpose);
        let key = place.key.clone().ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        let touched_at = &mut self.session.touched_at[usize::from(purpose.number()) - 1];
        let still_touched = touched_at.is_some_and(|at| at.elapsed() < CACHED);
        if place.touch != TouchFlag::Off && !(place.touch.is_cached() && still_touched) {
            outside.wait_for_touch()?;
            *touched_at = Some(Instant::now());
        }
        Ok(key)
    }

    fn put_key(&mut self, purpose: Purpose, key: PrivateKey, generated: bool) {
        if purpose == Purpose::Sign {
            self.state.signatures = 0;
        }
        self.state.place_mut(purpose).put_key(key, generated);
        self.changed = true;
    }
}

/// Cuts what was put together: tags and lengths stand apart from the values.
fn parts<'a>(mut lengths: &[u8], mut values: &'a [u8]) -> Option<Vec<(u16, &'a [u8])>> {
    let mut parts = Vec::new();
    while let [tag, rest @ ..] = lengths {
        let (length, rest) = tlv::length(rest)?;
        let (value, more) = values.split_at_checked(length)?;
        parts.push((u16::from(*tag), value));
        (lengths, values) = (rest, more);
    }
    Some(parts)
}

/// Exponent, then primes of RSA under 91 to 93; of a curve the scalar or seed under 92.
fn read_key(algorithm: Algorithm, parts: &[(u16, &[u8])]) -> Result<PrivateKey, StatusWord> {
    let part = |tag| tlv::find(parts, tag).ok_or(StatusWord::WRONG_DATA);
    let secret = Zeroizing::new(part(0x92)?.to_vec());
    match algorithm {
        Algorithm::P256 => PrivateKey::import(algorithm, &[(0x06, &padded(&secret, 32)?)]),
        Algorithm::P384 => PrivateKey::import(algorithm, &[(0x06, &padded(&secret, 48)?)]),
        Algorithm::Ed25519 => PrivateKey::import(algorithm, &[(0x07, &padded(&secret, 32)?)]),
        Algorithm::X25519 => {
            // OpenPGP writes all scalars from the high end; this curve's own order is the other.
            let mut scalar = padded(&secret, 32)?;
            scalar.reverse();
            PrivateKey::import(algorithm, &[(0x08, &scalar)])
        }
        _ => PrivateKey::import(algorithm, &[(0x01, &secret), (0x02, part(0x93)?)]),
    }
}

/// Numbers travel without zeros in front.
fn padded(number: &[u8], bytes: usize) -> Result<Zeroizing<Vec<u8>>, StatusWord> {
    let missing = bytes
        .checked_sub(number.len())
        .ok_or(StatusWord::WRONG_DATA)?;
    let mut padded = Zeroizing::new(vec![0; missing]);
    padded.extend_from_slice(number);
    Ok(padded)
}

fn leftmost(digest: &[u8], bytes: usize) -> &[u8] {
    &digest[..digest.len().min(bytes)]
}

/// The two numbers of an ECDSA signature one after the other, as OpenPGP cards give them.
fn numbers(der: &[u8], bytes: usize) -> ResponseApdu {
    let outer = tlv::read_all(der).ok_or(StatusWord::WRONG_DATA)?;
    let inner = tlv::find(&outer, 0x30).and_then(tlv::read_all);
    let inner = inner.ok_or(StatusWord::WRONG_DATA)?;
    let mut out = Vec::new();
    for (_, number) in inner {
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        out.extend_from_slice(&padded(number, bytes)?);
    }
    Ok(out)
}

/// EMSA-PKCS1-v1_5 (RFC 8017 §9.2); the client brings the DigestInfo.
fn pad_for_signing(info: &[u8], modulus_bytes: usize) -> Result<Vec<u8>, StatusWord> {
    let filling = modulus_bytes
        .checked_sub(info.len() + 3)
        .filter(|filling| *filling >= 8)
        .ok_or(StatusWord::WRONG_DATA)?;
    Ok([&[0, 1], &vec![0xff; filling][..], &[0], info].concat())
}

/// EME-PKCS1-v1_5 (RFC 8017 §7.2.2).
fn unpad(padded: &[u8]) -> Result<&[u8], StatusWord> {
    let [0, 2, rest @ ..] = padded else {
        return Err(StatusWord::WRONG_DATA);
    };
    let end = rest.iter().position(|byte| *byte == 0);
    end.filter(|end| *end >= 8)
        .map(|end| &rest[end + 1..])
        .ok_or(StatusWord::WRONG_DATA)
}
