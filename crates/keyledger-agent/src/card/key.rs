//! Keys in PIV slots: reading, making, attesting and using them.

use keyledger_custody::Secret;
use keyledger_domain::{
    Algorithm,
    token::{PinPolicy, Slot, SlotPlan, TouchPolicy},
};
use x509_cert::{
    der::{
        Encode,
        asn1::{BitString, ObjectIdentifier, UintRef},
    },
    spki::{AlgorithmIdentifier, SubjectPublicKeyInfoOwned},
};
use zeroize::Zeroizing;

use super::{CardError, apdu::Apdu, piv::Piv, tlv};

/// A key in a slot, as the token shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PivKey {
    /// Its algorithm; nothing if this version does not know the algorithm.
    pub(crate) algorithm: Option<Algorithm>,
    /// True if it was made on the token.
    pub(crate) generated: bool,
    /// When it asks for the PIN; nothing if this version does not know the policy.
    pub(crate) pin: Option<PinPolicy>,
    /// When it asks to be touched; nothing if this version does not know the policy.
    pub(crate) touch: Option<TouchPolicy>,
    /// The DER `SubjectPublicKeyInfo`; empty if the algorithm is not known.
    pub(crate) public_key: Vec<u8>,
}

impl PivKey {
    /// True if the key is what a plan asks for.
    pub(crate) fn fits(&self, plan: &SlotPlan) -> bool {
        self.generated
            && self.algorithm == Some(plan.algorithm)
            && self.pin == Some(plan.pin)
            && self.touch == Some(plan.touch)
    }
}

impl Piv {
    /// The key in a slot; nothing if the slot is empty.
    pub(crate) fn key(&mut self, slot: Slot) -> Result<Option<PivKey>, CardError> {
        const NAME: &str = "METADATA of a slot";
        let shown = match self.metadata(NAME, slot.number()) {
            Err(CardError::Nothing(_)) => return Ok(None),
            other => other?,
        };
        let (Some(&[number]), Some(&[pin, touch]), Some(&[origin])) = (
            tlv::find(&shown, 1),
            tlv::find(&shown, 2),
            tlv::find(&shown, 3),
        ) else {
            return Err(CardError::Malformed(NAME));
        };
        let algorithm = algorithm_of(number);
        let public_key = match (algorithm, tlv::find(&shown, 4)) {
            (None, _) => Vec::new(),
            (Some(algorithm), Some(numbers)) => {
                public_key(algorithm, numbers).ok_or(CardError::Malformed(NAME))?
            }
            (Some(_), None) => return Err(CardError::Malformed(NAME)),
        };
        Ok(Some(PivKey {
            algorithm,
            generated: origin == 1,
            pin: pin_policy(pin),
            touch: touch_policy(touch),
            public_key,
        }))
    }

    /// Makes a key in a slot. It replaces a key that is there. Needs the management key.
    pub(crate) fn generate(&mut self, slot: Slot, plan: &SlotPlan) -> Result<(), CardError> {
        const NAME: &str = "GENERATE ASYMMETRIC KEY PAIR";
        let Some(number) = number_of(plan.algorithm) else {
            return Err(CardError::Nothing(NAME));
        };
        let pin = match plan.pin {
            PinPolicy::Never => 1,
            PinPolicy::Once => 2,
            PinPolicy::Always => 3,
            PinPolicy::MatchOnce => 4,
            PinPolicy::MatchAlways => 5,
        };
        let touch = match plan.touch {
            TouchPolicy::Never => 1,
            TouchPolicy::Always => 2,
            TouchPolicy::Cached => 3,
        };
        let template = [0x80, 1, number, 0xaa, 1, pin, 0xab, 1, touch];
        let command = Apdu::new(NAME, [0, 0x47, 0, slot.number()]);
        let command = command.with(&tlv::object(0xac, &template));
        command.send(&mut self.line)?.success().map(drop)
    }

    /// The DER certificate over the key in a slot, signed by the token's attestation key.
    pub(crate) fn attest(&mut self, slot: Slot) -> Result<Vec<u8>, CardError> {
        let command = Apdu::new("ATTEST", [0, 0xf9, slot.number(), 0]);
        Ok(command.send(&mut self.line)?.success()?.to_vec())
    }

    /// Signs with the key in a slot. The input is a hash for P-256 and P-384, the message for Ed25519, the padded block for RSA. Needs PIN
    /// and touch, as the key's policies say.
    ///
    /// # Errors
    ///
    /// [`CardError::Denied`] if the PIN was not given, or nobody touched the token.
    pub(crate) fn sign(
        &mut self,
        slot: Slot,
        algorithm: Algorithm,
        input: &[u8],
    ) -> Result<Vec<u8>, CardError> {
        let made = self.use_key("signing", slot, algorithm, 0x81, input)?;
        Ok(made.to_vec())
    }

    /// Agrees on a secret with the other side's public point. Needs PIN and touch, as the key's policies say.
    ///
    /// # Errors
    ///
    /// As [`Piv::sign`].
    pub(crate) fn agree(
        &mut self,
        slot: Slot,
        algorithm: Algorithm,
        point: &[u8],
    ) -> Result<Secret, CardError> {
        let agreed = self.use_key("agreeing on a secret", slot, algorithm, 0x85, point)?;
        Ok(Secret::new(agreed.to_vec()))
    }

    fn use_key(
        &mut self,
        name: &'static str,
        slot: Slot,
        algorithm: Algorithm,
        tag: u16,
        input: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CardError> {
        let number = number_of(algorithm).ok_or(CardError::Nothing(name))?;
        let mut request = tlv::object(0x82, &[]);
        request.extend(tlv::object(tag, input).iter());
        let command = Apdu::new(name, [0, 0x87, number, slot.number()]);
        let command = command.with(&tlv::object(0x7c, &request)).sensitive();
        let shown = command.send(&mut self.line)?.success()?;
        let made = tlv::find(&shown, 0x7c).and_then(|inner| tlv::find(inner, 0x82));
        let made = made.ok_or(CardError::Malformed(name))?;
        Ok(Zeroizing::new(made.to_vec()))
    }
}

/// The number of an algorithm (NIST SP 800-78-4 table 6-2, and Yubico's from firmware 5.7 on); nothing if PIV has no such keys.
const fn number_of(algorithm: Algorithm) -> Option<u8> {
    match algorithm {
        Algorithm::Rsa2048 => Some(0x07),
        Algorithm::Rsa3072 => Some(0x05),
        Algorithm::Rsa4096 => Some(0x16),
        Algorithm::P256 => Some(0x11),
        Algorithm::P384 => Some(0x14),
        Algorithm::Ed25519 => Some(0xe0),
        Algorithm::X25519 => Some(0xe1),
        Algorithm::Aes256 => None,
    }
}

fn algorithm_of(number: u8) -> Option<Algorithm> {
    Algorithm::ALL
        .into_iter()
        .find(|algorithm| number_of(*algorithm) == Some(number))
}

const fn pin_policy(number: u8) -> Option<PinPolicy> {
    match number {
        1 => Some(PinPolicy::Never),
        2 => Some(PinPolicy::Once),
        3 => Some(PinPolicy::Always),
        4 => Some(PinPolicy::MatchOnce),
        5 => Some(PinPolicy::MatchAlways),
        _ => None,
    }
}

const fn touch_policy(number: u8) -> Option<TouchPolicy> {
    match number {
        1 => Some(TouchPolicy::Never),
        2 => Some(TouchPolicy::Always),
        3 => Some(TouchPolicy::Cached),
        _ => None,
    }
}

/// Object identifiers of RFC 8017, RFC 5480 and RFC 8410.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");

/// Makes a DER `SubjectPublicKeyInfo` of the numbers that a token shows; nothing if one is missing.
pub(super) fn public_key(algorithm: Algorithm, numbers: &[u8]) -> Option<Vec<u8>> {
    let point = || tlv::find(numbers, 0x86).map(<[u8]>::to_vec);
    let (oid, parameters, bits) = match algorithm {
        Algorithm::P256 => (EC, Some((&P256).into()), point()?),
        Algorithm::P384 => (EC, Some((&P384).into()), point()?),
        Algorithm::Ed25519 => (ED25519, None, point()?),
        Algorithm::X25519 => (X25519, None, point()?),
        Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => {
            let modulus = UintRef::new(tlv::find(numbers, 0x81)?).ok()?;
            let exponent = UintRef::new(tlv::find(numbers, 0x82)?).ok()?;
            let mut pair = modulus.to_der().ok()?;
            pair.extend(exponent.to_der().ok()?);
            // SEQUENCE
            let key = tlv::object(0x30, &pair).to_vec();
            (RSA, Some(x509_cert::der::Any::null()), key)
        }
        Algorithm::Aes256 => return None,
    };
    SubjectPublicKeyInfoOwned {
        algorithm: AlgorithmIdentifier { oid, parameters },
        subject_public_key: BitString::from_bytes(&bits).ok()?,
    }
    .to_der()
    .ok()
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;
    use keyledger_domain::key::spki;

    use super::*;

    #[test]
    fn public_keys_have_the_form_that_the_ledger_takes() {
        let mut p256 = vec![4; 65];
        p256[1..].fill(7);
        let mut p384 = vec![4; 97];
        p384[1..].fill(7);
        for (algorithm, numbers) in [
            (Algorithm::P256, tlv::object(0x86, &p256)),
            (Algorithm::P384, tlv::object(0x86, &p384)),
            (Algorithm::Ed25519, tlv::object(0x86, &[7; 32])),
            (Algorithm::X25519, tlv::object(0x86, &[7; 32])),
        ] {
            let der = public_key(algorithm, &numbers).unwrap();
            spki::normalised(algorithm, &BASE64.encode(&der)).unwrap();
        }
        for (algorithm, bytes) in [
            (Algorithm::Rsa2048, 256),
            (Algorithm::Rsa3072, 384),
            (Algorithm::Rsa4096, 512),
        ] {
            let mut numbers = tlv::object(0x81, &vec![0xc7; bytes]);
            numbers.extend(tlv::object(0x82, &[1, 0, 1]).iter());
            let der = public_key(algorithm, &numbers).unwrap();
            spki::normalised(algorithm, &BASE64.encode(&der)).unwrap();
        }
    }
}
