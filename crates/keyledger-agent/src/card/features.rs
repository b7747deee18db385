//! The token's model and abilities, from Yubico's management applet; and its serial number, from whichever applet shows it.

use keyledger_domain::token::{Applet, Firmware, FormFactor, Restriction, Serial};

use super::{CardError, apdu::Apdu, line::CardLine, tlv};

/// Yubico's management applet, which shows the token's model and abilities.
const MANAGEMENT: [u8; 8] = [0xa0, 0x00, 0x00, 0x05, 0x27, 0x47, 0x11, 0x17];
/// Yubico's OTP applet, which shows the serial number of older tokens.
const OTP: [u8; 8] = [0xa0, 0x00, 0x00, 0x05, 0x27, 0x20, 0x01, 0x01];

/// The bits of the applets in the list of a token's abilities.
const OPENPGP: u16 = 0x08;
const PIV: u16 = 0x10;
/// The bit of PIV in the list of what the FIPS series is certified for. That list numbers applets in another way.
const PIV_OF_FIPS: u16 = 0x02;
/// The bit of the FIPS series, in the byte of the form factor.
const FIPS_FORM: u8 = 0x80;

/// A token's model and abilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Features {
    /// Nothing if the applet does not show it.
    pub(super) serial: Option<Serial>,
    pub(super) firmware: Option<Firmware>,
    pub(super) form_factor: FormFactor,
    /// True if OpenPGP is switched on. Whether PIV is, PIV itself shows.
    pub(super) openpgp: bool,
    pub(super) restrictions: Vec<Restriction>,
}

impl Features {
    /// Asks the management applet, and leaves it selected. Nothing if the card has no such applet.
    pub(super) fn read(line: &mut CardLine) -> Result<Option<Self>, CardError> {
        let select = Apdu::new("SELECT of management", [0, 0xa4, 0x04, 0]).with(&MANAGEMENT);
        let answered = select.send(line)?.success().and_then(|_| {
            let read = Apdu::new(NAME, [0, 0x1d, 0, 0]);
            read.send(line)?.success()
        });
        match answered {
            // The first byte is the length of the objects.
            Ok(shown) => shown
                .get(1..)
                .map(|objects| Some(Self::of(objects)))
                .ok_or(CardError::Malformed(NAME)),
            Err(CardError::Nothing(_) | CardError::Denied(_) | CardError::Status { .. }) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn of(objects: &[u8]) -> Self {
        // A number has one byte or two.
        let number = |tag| {
            let bytes = tlv::find(objects, tag).unwrap_or_default();
            let add = |sum: u16, byte: &u8| sum << 8 | u16::from(*byte);
            bytes.iter().fold(0, add)
        };
        let form = match tlv::find(objects, 0x04) {
            Some(&[form]) => form,
            _ => 0,
        };
        let restrictions = [
            (
                Restriction::Fips,
                form & FIPS_FORM != 0 || number(0x14) & PIV_OF_FIPS != 0,
            ),
            (Restriction::PinComplexity, number(0x16) == 1),
            (Restriction::ResetBlocked, number(0x18) & PIV != 0),
        ];
        let held = restrictions.into_iter().filter(|(_, holds)| *holds);
        Self {
            serial: tlv::find(objects, 0x02).and_then(serial),
            firmware: match tlv::find(objects, 0x05) {
                Some(&[major, minor, patch]) => Some(Firmware::new(major, minor, patch)),
                _ => None,
            },
            form_factor: FormFactor::of(form),
            openpgp: number(0x03) & OPENPGP != 0,
            restrictions: held.map(|(restriction, _)| restriction).collect(),
        }
    }

    /// The applets that are switched on; `piv` says whether PIV is one of them.
    pub(super) fn applets(&self, piv: bool) -> Vec<Applet> {
        let openpgp = self.openpgp.then_some(Applet::Openpgp);
        let piv = piv.then_some(Applet::Piv);
        piv.into_iter().chain(openpgp).collect()
    }
}

impl Default for Features {
    /// The features of a token that shows nothing.
    fn default() -> Self {
        Self {
            serial: None,
            firmware: None,
            form_factor: FormFactor::Unknown,
            openpgp: false,
            restrictions: Vec::new(),
        }
    }
}

const NAME: &str = "READ CONFIG";

/// The serial number of a token whose PIV does not show it, from the other applets. One of them is left selected.
pub(super) fn serial_elsewhere(line: &mut CardLine) -> Result<Serial, CardError> {
    if let Some(serial) = Features::read(line)?.and_then(|features| features.serial) {
        return Ok(serial);
    }
    let select = Apdu::new("SELECT of OTP", [0, 0xa4, 0x04, 0]).with(&OTP);
    let answered = select.send(line)?.success().and_then(|_| {
        let read = Apdu::new("serial number by OTP", [0, 0x01, 0x10, 0]);
        read.send(line)?.success()
    });
    match answered {
        Ok(shown) => serial(&shown).ok_or(CardError::Unnumbered),
        Err(CardError::Nothing(_) | CardError::Denied(_) | CardError::Status { .. }) => {
            Err(CardError::Unnumbered)
        }
        Err(error) => Err(error),
    }
}

/// A serial number from its four bytes; 0 means that there is none.
pub(super) fn serial(bytes: &[u8]) -> Option<Serial> {
    let number = <[u8; 4]>::try_from(bytes).map(u32::from_be_bytes);
    number.ok().and_then(Serial::new)
}
