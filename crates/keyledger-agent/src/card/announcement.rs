//! What a token shows to anybody, without any secret.

use data_encoding::BASE64;
use keyledger_domain::token::{Announcement, Firmware, Serial, Slot, SlotShown};

use super::{CardError, features::Features, piv::Piv};

/// Reads what a token shows to anybody. Changes nothing, and needs no secret.
///
/// # Errors
///
/// [`CardError::Removed`], [`CardError::Malformed`].
pub(crate) fn announcement(piv: &mut Piv) -> Result<Announcement, CardError> {
    let features = Features::read(&mut piv.line)?.unwrap_or_default();
    piv.select_again()?;
    let pin = metadata_or_none(piv.pin_tries())?;
    let puk = metadata_or_none(piv.puk_tries())?.flatten();
    let mut slots = Vec::new();
    for slot in all_slots() {
        let Some(Some(key)) = metadata_or_none(piv.key(slot))? else {
            continue;
        };
        // Leave out a key with policies that this version does not know: there are no words for them.
        let (Some(pin), Some(touch)) = (key.pin, key.touch) else {
            continue;
        };
        slots.push(SlotShown {
            slot,
            algorithm: key.algorithm,
            generated: key.generated,
            pin,
            touch,
            public_key: BASE64.encode(&key.public_key).into(),
        });
    }
    Ok(Announcement {
        serial: piv.serial(),
        firmware: piv.firmware(),
        form_factor: features.form_factor,
        applets: features.applets(true),
        slots,
        pin_tries: pin.map(|pin| pin.left),
        puk_tries: puk.map(|puk| puk.left),
        factory_pin: pin.map(|pin| pin.factory),
        restrictions: features.restrictions,
    })
}

/// The announcement of a token whose PIV is switched off.
pub(super) fn without_piv(serial: Serial, features: Features) -> Announcement {
    Announcement {
        serial,
        firmware: features.firmware.unwrap_or(Firmware::new(0, 0, 0)),
        form_factor: features.form_factor,
        applets: features.applets(false),
        slots: Vec::new(),
        pin_tries: None,
        puk_tries: None,
        factory_pin: None,
        restrictions: features.restrictions,
    }
}

/// Every slot that a profile can name.
pub(crate) fn all_slots() -> impl Iterator<Item = Slot> {
    (0x82..=0x9e).filter_map(Slot::new)
}

/// Nothing, if the token knows no metadata: firmware before 5.3.
fn metadata_or_none<T>(shown: Result<T, CardError>) -> Result<Option<T>, CardError> {
    match shown {
        Err(CardError::Status { status: 0x6d00, .. }) => Ok(None),
        other => other.map(Some),
    }
}
