//! What a token shows to anybody.

use data_encoding::BASE64;
use keyledger_domain::token::{Announcement, Applet, FormFactor, Slot, SlotShown};

use super::{CardError, apdu::Apdu, piv::Piv, tlv};

/// Yubico's management applet, which says what a token is.
const MANAGEMENT: [u8; 8] = [0xa0, 0x00, 0x00, 0x05, 0x27, 0x47, 0x11, 0x17];

/// The bit of the OpenPGP applet among a token's abilities.
const OPENPGP: u16 = 0x08;

/// Looks at a token without changing anything, and without any secret.
///
/// # Errors
///
/// [`CardError::Removed`], [`CardError::Malformed`].
pub(crate) fn announcement(piv: &mut Piv) -> Result<Announcement, CardError> {
    let (form_factor, openpgp) = configuration(piv)?;
    let mut applets = vec![Applet::Piv];
    if openpgp {
        applets.push(Applet::Openpgp);
    }
    let pin = metadata_or_none(piv.pin_tries())?;
    let puk = metadata_or_none(piv.puk_tries())?.flatten();
    let mut slots = Vec::new();
    for slot in all_slots() {
        let Some(Some(key)) = metadata_or_none(piv.key(slot))? else {
            continue;
        };
        slots.push(SlotShown {
            slot,
            algorithm: key.algorithm,
            generated: key.generated,
            pin: key.pin,
            touch: key.touch,
            public_key: BASE64.encode(&key.public_key).into(),
        });
    }
    Ok(Announcement {
        serial: piv.serial(),
        firmware: piv.firmware(),
        form_factor,
        applets,
        slots,
        pin_tries: pin.map(|pin| pin.left),
        puk_tries: puk.map(|puk| puk.left),
        factory_pin: pin.map(|pin| pin.factory),
    })
}

/// Every slot that a profile can name.
pub(crate) fn all_slots() -> impl Iterator<Item = Slot> {
    (0x82..=0x9e).filter_map(Slot::new)
}

/// Before firmware 5.3 there is no metadata: then nothing is known.
fn metadata_or_none<T>(shown: Result<T, CardError>) -> Result<Option<T>, CardError> {
    match shown {
        Err(CardError::Status { status: 0x6d00, .. } | CardError::Malformed(_)) => Ok(None),
        other => other.map(Some),
    }
}

/// What it looks like, and whether it can do OpenPGP.
fn configuration(piv: &mut Piv) -> Result<(FormFactor, bool), CardError> {
    const NAME: &str = "READ CONFIG";
    let select = Apdu::new("SELECT of management", [0, 0xa4, 0x04, 0]).with(&MANAGEMENT);
    let selected = select.send(&mut piv.line)?.success();
    let shown = match selected {
        Ok(_) => {
            let read = Apdu::new(NAME, [0, 0x1d, 0, 0]);
            read.send(&mut piv.line)?.success()
        }
        Err(error) => Err(error),
    };
    piv.select_again()?;
    let Ok(shown) = shown else {
        return Ok((FormFactor::Unknown, false)); // it may be without this applet
    };
    // The length stands before the objects.
    let objects = shown.get(1..).ok_or(CardError::Malformed(NAME))?;
    let form_factor = match tlv::find(objects, 0x04) {
        Some(&[number]) => FormFactor::of(number),
        _ => FormFactor::Unknown,
    };
    // What is enabled over USB: one byte, or two.
    let enabled = tlv::find(objects, 0x03).unwrap_or_default();
    let enabled = enabled
        .iter()
        .fold(0, |bits: u16, byte| bits << 8 | u16::from(*byte));
    Ok((form_factor, enabled & OPENPGP != 0))
}
