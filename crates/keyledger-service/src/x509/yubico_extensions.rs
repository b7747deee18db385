//! What a YubiKey says about a key, in the extensions of its attestation
//! (<https://developers.yubico.com/PIV/Introduction/PIV_attestation.html>).

use der::{Decode as _, oid::ObjectIdentifier};
use keyledger_domain::token::{Firmware, FormFactor, PinPolicy, TouchPolicy};

pub(super) const FIRMWARE: ObjectIdentifier = yubico("1.3.6.1.4.1.41482.3.3");
pub(super) const SERIAL: ObjectIdentifier = yubico("1.3.6.1.4.1.41482.3.7");
pub(super) const POLICIES: ObjectIdentifier = yubico("1.3.6.1.4.1.41482.3.8");
pub(super) const FORM_FACTOR: ObjectIdentifier = yubico("1.3.6.1.4.1.41482.3.9");
pub(super) const FIPS: ObjectIdentifier = yubico("1.3.6.1.4.1.41482.3.10");

const fn yubico(id: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(id)
}

/// What an attestation says about the PIN: a policy of ours, or one that takes a fingerprint for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    Pin(PinPolicy),
    Fingerprint,
}

pub(super) fn read_firmware(value: &[u8]) -> Option<Firmware> {
    let [major, minor, patch] = value.try_into().ok()?;
    Some(Firmware::new(major, minor, patch))
}

/// The serial number printed on the token.
pub(super) fn read_serial(value: &[u8]) -> Option<u32> {
    u32::from_der(value).ok()
}

/// What the key was made with: when it asks for the PIN, and when for touch.
pub(super) fn read_policies(value: &[u8]) -> Option<(Asks, TouchPolicy)> {
    let [pin, touch] = value.try_into().ok()?;
    let pin = match pin {
        1 => Asks::Pin(PinPolicy::Never),
        2 => Asks::Pin(PinPolicy::Once),
        3 => Asks::Pin(PinPolicy::Always),
        4 | 5 => Asks::Fingerprint,
        _ => return None,
    };
    let touch = match touch {
        1 => TouchPolicy::Never,
        2 => TouchPolicy::Always,
        3 => TouchPolicy::Cached,
        _ => return None,
    };
    Some((pin, touch))
}

/// What the token looks like, and whether it is of the FIPS series (bit 7).
pub(super) fn read_form_factor(value: &[u8]) -> Option<(FormFactor, bool)> {
    let [octet] = value.try_into().ok()?;
    Some((FormFactor::of(octet), octet & 0x80 != 0))
}
