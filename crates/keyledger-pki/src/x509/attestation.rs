//! Was this key made on this token? Yubico's PIV attestation, verified up to a root we believe.

use der::oid::ObjectIdentifier;

use crate::Moment;

use super::{
    anchors::{Anchors, Authority, Generation},
    attestation_error::{AttestationError, Link},
    certificate::Certificate,
    yubico_extensions::{
        Asks, AttestedPin, AttestedTouch, FIPS, FIRMWARE, FORM_FACTOR, FirmwareVersion, POLICIES,
        SERIAL, SUBJECT, read_firmware, read_form_factor, read_policies, read_serial,
    },
};

/// What a token attests: this key was generated in this slot of this token, and never left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    /// The serial number of the token.
    pub serial: u32,
    /// Its firmware.
    pub firmware: FirmwareVersion,
    /// The number of the PIV slot in which the key is: `0x9a`.
    pub slot: u8,
    /// When the PIN is asked for.
    pub pin_policy: AttestedPin,
    /// When touch is asked for.
    pub touch_policy: AttestedTouch,
    /// What the token looks like, as Yubico numbers it, if it says so: firmware 4 does not.
    pub form_factor: Option<u8>,
    /// Is it of the FIPS series?
    pub fips: bool,
    /// The public key, as SubjectPublicKeyInfo in DER.
    pub spki: Vec<u8>,
    /// The root it was verified up to.
    pub generation: Generation,
    /// SHA-256 of that root's certificate.
    pub root_sha256: [u8; 32],
}

/// Verifies an attestation: `slot_certificate` is what the token made for the slot, `device_certificate` what it holds
/// in F9, both in DER.
///
/// The dates of authorities and of F9 are held against `now`; those of the slot's certificate mean nothing, and are not.
/// Revocation is not looked at: Yubico publishes none.
///
/// # Errors
///
/// [`AttestationError`] saying what is wrong, from the root downwards.
pub fn verify_attestation(
    slot_certificate: &[u8],
    device_certificate: &[u8],
    anchors: &Anchors,
    now: Moment,
) -> Result<Attested, AttestationError> {
    let slot = read(slot_certificate, Link::Slot)?;
    let device = read(device_certificate, Link::Device)?;
    let authority = authority_of(&device, anchors)?;
    check_authorities(authority, now)?;
    check_device(&device, Some(&slot), now)?;
    check_slot(&slot, &device)?;
    attested(&slot, &device, authority)
}

/// Verifies who vouches for a token, of which nothing is attested yet: what it holds in F9, in DER. An attestation by it may still
/// be none; without it, there can be none.
///
/// # Errors
///
/// As [`verify_attestation`], of F9 and what is above it.
pub fn verify_device(
    device_certificate: &[u8],
    anchors: &Anchors,
    now: Moment,
) -> Result<Generation, AttestationError> {
    let device = read(device_certificate, Link::Device)?;
    let authority = authority_of(&device, anchors)?;
    check_authorities(authority, now)?;
    check_device(&device, None, now)?;
    Ok(authority.generation)
}

fn read(der: &[u8], link: Link) -> Result<Certificate, AttestationError> {
    let certificate = Certificate::from_der(der)
        .map_err(|source| AttestationError::Malformed { link, source })?;
    if let Some(id) = certificate.unknown_critical_extension() {
        return Err(AttestationError::UnknownCriticalExtension { link, id });
    }
    Ok(certificate)
}

/// The authority that signed an F9 certificate: several may have one name.
fn authority_of<'a>(
    device: &Certificate,
    anchors: &'a Anchors,
) -> Result<&'a Authority, AttestationError> {
    let mut refusal = AttestationError::UnknownRoot {
        issuer: shown(&device.issuer()),
    };
    for authority in anchors.authorities() {
        let issuer = &authority.path[0];
        if issuer.subject_name() != device.issuer_name() {
            continue;
        }
        match device.verify_signed_by(issuer) {
            Ok(()) => return Ok(authority),
            Err(source) => {
                let link = Link::Device;
                refusal = AttestationError::BadSignature { link, source };
            }
        }
    }
    Err(refusal)
}

/// Anchors are linked when they are made: what is left are dates, and room for the authorities below each.
fn check_authorities(authority: &Authority, now: Moment) -> Result<(), AttestationError> {
    let link = Link::Authority;
    for (above_device, certificate) in authority.path.iter().enumerate() {
        let below = above_device + 1;
        let room = certificate
            .path_length()
            .is_none_or(|most| below <= usize::from(most));
        if !certificate.is_ca() || !certificate.may_sign_certificates() || !room {
            return Err(AttestationError::NotACa { link });
        }
        check_dates(certificate, link, now)?;
    }
    Ok(())
}

fn check_device(
    device: &Certificate,
    slot: Option<&Certificate>,
    now: Moment,
) -> Result<(), AttestationError> {
    let link = Link::Device;
    if !device.is_ca() {
        let firmware = slot.and_then(|slot| slot.extension(FIRMWARE));
        return Err(match firmware.and_then(read_firmware) {
            Some(firmware) if firmware.major == 4 => {
                AttestationError::MalformedFirmware { firmware }
            }
            _ => AttestationError::NotACa { link },
        });
    }
    if !device.may_sign_certificates() {
        return Err(AttestationError::NotACa { link });
    }
    check_dates(device, link, now)
}

fn check_slot(slot: &Certificate, device: &Certificate) -> Result<(), AttestationError> {
    if slot.issuer_name() != device.subject_name() {
        return Err(AttestationError::OtherIssuer {
            issuer: shown(&slot.issuer()),
            device: shown(&device.subject()),
        });
    }
    let link = Link::Slot;
    slot.verify_signed_by(device)
        .map_err(|source| AttestationError::BadSignature { link, source })?;
    if slot.is_ca() {
        return Err(AttestationError::SlotIsCa);
    }
    Ok(())
}

fn check_dates(certificate: &Certificate, link: Link, now: Moment) -> Result<(), AttestationError> {
    if certificate.is_valid_at(now) {
        return Ok(());
    }
    Err(AttestationError::NotValidNow {
        link,
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
    })
}

fn attested(
    slot: &Certificate,
    device: &Certificate,
    authority: &Authority,
) -> Result<Attested, AttestationError> {
    let (asks, touch_policy) = required(slot, POLICIES, read_policies)?;
    let Asks::Pin(pin_policy) = asks else {
        return Err(AttestationError::AsksForFingerprint);
    };
    let form = optional(slot, FORM_FACTOR, read_form_factor)?;
    let says_fips = |certificate: &Certificate| certificate.extension(FIPS).is_some();
    let root = authority.path.last().unwrap_or(device);
    Ok(Attested {
        serial: required(slot, SERIAL, read_serial)?,
        firmware: required(slot, FIRMWARE, read_firmware)?,
        slot: slot_of(slot)?,
        pin_policy,
        touch_policy,
        form_factor: form.map(|(form_factor, _)| form_factor),
        fips: form.is_some_and(|(_, fips)| fips) || says_fips(slot) || says_fips(device),
        spki: slot.spki().to_vec(),
        generation: authority.generation,
        root_sha256: root.sha256(),
    })
}

fn required<T>(
    slot: &Certificate,
    id: ObjectIdentifier,
    read: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<T, AttestationError> {
    optional(slot, id, read)?.ok_or(AttestationError::MissingExtension { id })
}

fn optional<T>(
    slot: &Certificate,
    id: ObjectIdentifier,
    read: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Option<T>, AttestationError> {
    let Some(value) = slot.extension(id) else {
        return Ok(None);
    };
    let value = read(value).ok_or(AttestationError::MalformedExtension { id })?;
    Ok(Some(value))
}

fn slot_of(certificate: &Certificate) -> Result<u8, AttestationError> {
    let subject = certificate.subject();
    let number = subject.strip_prefix(SUBJECT).filter(|it| it.len() == 2);
    let slot = number.and_then(|it| u8::from_str_radix(it, 16).ok());
    let slot = slot.filter(|slot| matches!(slot, 0x9a | 0x9c | 0x9d | 0x9e | 0x82..=0x95));
    slot.ok_or_else(|| AttestationError::NoSlot {
        subject: shown(&subject),
    })
}

/// A name as an enemy may have written it, fit for messages.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(120).collect()
}
