//! The two other applets that clients ask who this token is: management and OTP.

use super::apdu::{CommandApdu, ResponseApdu, StatusWord};
use super::device::Device;
use super::fault::Fault;
use super::outside::Outside;
use super::tlv;

pub(crate) const MANAGEMENT_ID: &[u8] = &[0xa0, 0x00, 0x00, 0x05, 0x27, 0x47, 0x11, 0x17];
pub(crate) const OTP_ID: &[u8] = &[0xa0, 0x00, 0x00, 0x05, 0x27, 0x20, 0x01, 0x01];

/// Yubico's numbers of what a token can do over USB or NFC.
const PIV_AND_OPENPGP: u16 = 0x0018;
const PIV: u16 = 0x0010;
/// Yubico's number of PIV among what the FIPS series is certified for.
const PIV_OF_FIPS: u8 = 0x02;
/// Yubico's numbers of forms, and what is added for the FIPS series.
const BIO: u8 = 0x06;
const FIPS: u8 = 0x80;

pub(crate) fn management_about(device: &Device) -> Vec<u8> {
    format!("Virtual mgr - FW version {}", device.firmware).into_bytes()
}

/// READ CONFIG, and nothing to write.
pub(crate) fn management(
    device: &Device,
    command: &CommandApdu,
    outside: &Outside,
) -> ResponseApdu {
    if command.instruction != 0x1d {
        return Err(StatusWord::NO_SUCH_INSTRUCTION);
    }
    let has = |fault: &Fault| outside.has_fault(|found| found == fault);
    let fips = has(&Fault::Fips);
    let fido = outside.find_fault(|fault| match fault {
        Fault::Fingerprints { fido } => Some(*fido),
        _ => None,
    });
    let enabled = if has(&Fault::PivOff) {
        PIV_AND_OPENPGP & !PIV
    } else {
        PIV_AND_OPENPGP
    };
    let form = fido.map_or(Device::FORM_FACTOR, |_| BIO) | if fips { FIPS } else { 0 };
    let mut config = Vec::new();
    tlv::put(&mut config, 0x01, &PIV_AND_OPENPGP.to_be_bytes());
    if !has(&Fault::HidesSerial) {
        tlv::put(&mut config, 0x02, &device.serial.to_be_bytes());
    }
    tlv::put(&mut config, 0x03, &enabled.to_be_bytes());
    tlv::put(&mut config, 0x04, &[form]);
    tlv::put(&mut config, 0x05, &device.firmware.bytes());
    tlv::put(&mut config, 0x0a, &[0]); // no lock
    if fips {
        tlv::put(&mut config, 0x14, &[0, PIV_OF_FIPS]);
        tlv::put(&mut config, 0x15, &[0, 0]); // not until the factory's secrets are gone
    }
    if outside.has_fault(|fault| matches!(fault, Fault::RefusesPin { .. } | Fault::PinComplexity)) {
        tlv::put(&mut config, 0x16, &[1]);
    }
    if fido == Some(true) {
        tlv::put(&mut config, 0x18, &PIV.to_be_bytes());
    }
    let length = u8::try_from(config.len()).expect("a few bytes");
    config.insert(0, length);
    Ok(config)
}

pub(crate) fn otp_about(device: &Device) -> Vec<u8> {
    // Version, programming sequence, touch level: nothing is programmed.
    let mut about = device.firmware.bytes().to_vec();
    about.extend([0, 0, 0]);
    about
}

/// The serial number, as tokens of firmware 4 give it only here.
pub(crate) fn otp(device: &Device, command: &CommandApdu, outside: &Outside) -> ResponseApdu {
    match (command.instruction, command.p1) {
        (0x01, 0x10) if outside.has_fault(|fault| *fault == Fault::HidesSerial) => {
            Err(StatusWord::NO_SUCH_INSTRUCTION)
        }
        (0x01, 0x10) => Ok(device.serial.to_be_bytes().to_vec()),
        (0x03, _) => Ok(otp_about(device)),
        _ => Err(StatusWord::NO_SUCH_INSTRUCTION),
    }
}
