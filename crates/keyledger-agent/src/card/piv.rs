//! The PIV applet: PIN, PUK, management key, reset, data objects.

use std::ffi::CString;

use keyledger_custody::{ManagementKeyAlgorithm, ProviderFailure};
use keyledger_domain::token::{Firmware, Serial, Slot};
use zeroize::Zeroizing;

use super::{
    CardError, Reference,
    apdu::Apdu,
    features::{self, Features},
    line::CardLine,
    management_key::{self, ManagementKey},
    tlv,
};

/// The PIN that tokens leave the factory with.
pub(crate) const FACTORY_PIN: &[u8] = b"123456";
/// The PUK that tokens leave the factory with.
pub(crate) const FACTORY_PUK: &[u8] = b"12345678";

/// The start of the applet's name: NIST SP 800-73-4 part 1 §2.2, without the version.
const PIV: [u8; 5] = [0xa0, 0x00, 0x00, 0x03, 0x08];

const PIN: u8 = 0x80;
const PUK: u8 = 0x81;
const MANAGEMENT_KEY: u8 = 0x9b;

/// The tries of a PIN or PUK, as the token shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReferenceTries {
    /// True if the PIN or PUK is still the factory's.
    pub(crate) factory: bool,
    /// This many wrong tries in a row block it.
    pub(crate) total: u8,
    /// The wrong tries that are left.
    pub(crate) left: u8,
}

/// A token with its PIV applet selected. While this lives, no other program talks to the token.
pub(crate) struct Piv {
    pub(super) line: CardLine,
    serial: Serial,
    firmware: Firmware,
}

/// The card that was opened in a reader.
pub(super) enum OpenedCard {
    /// A token, with its PIV applet.
    Piv(Piv),
    /// A token whose PIV is switched off.
    WithoutPiv(Serial, Features),
    /// No token.
    Nothing,
}

impl Piv {
    /// Opens whatever is in a reader.
    ///
    /// # Errors
    ///
    /// [`CardError::Unnumbered`] or [`CardError::Restricted`] for a token that cannot be used; [`CardError::Held`],
    /// [`CardError::Removed`].
    pub(super) fn open(reader: CString) -> Result<OpenedCard, CardError> {
        Self::on(CardLine::open(reader)?)
    }

    /// Looks at the card at the other end of a line.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub(super) fn on(mut line: CardLine) -> Result<OpenedCard, CardError> {
        let firmware = match select(&mut line) {
            Ok(firmware) => firmware,
            Err(
                error @ (CardError::Nothing(_) | CardError::Denied(_) | CardError::Status { .. }),
            ) => return without_piv(line, error),
            Err(error) => return Err(error),
        };
        let serial = read_serial(&mut line)?;
        Ok(OpenedCard::Piv(Self {
            line,
            serial,
            firmware,
        }))
    }

    /// The serial number that the token showed when it was opened.
    pub(crate) const fn serial(&self) -> Serial {
        self.serial
    }

    /// The version of its firmware.
    pub(crate) const fn firmware(&self) -> Firmware {
        self.firmware
    }

    /// Selects PIV again, after another applet.
    pub(super) fn select_again(&mut self) -> Result<(), CardError> {
        select(&mut self.line).map(drop)
    }

    /// Reads the serial number again, and checks that it is the same.
    ///
    /// # Errors
    ///
    /// [`CardError::SerialChanged`] if it is another.
    pub(crate) fn is_still_itself(&mut self) -> Result<(), CardError> {
        let found = read_serial(&mut self.line)?;
        if found == self.serial {
            return Ok(());
        }
        Err(CardError::SerialChanged {
            expected: self.serial,
            found,
        })
    }

    /// The tries of its PIN.
    pub(crate) fn pin_tries(&mut self) -> Result<ReferenceTries, CardError> {
        self.tries("METADATA of the PIN", PIN)
    }

    /// The tries of its PUK; nothing if it has no PUK, like tokens with a fingerprint reader.
    pub(crate) fn puk_tries(&mut self) -> Result<Option<ReferenceTries>, CardError> {
        match self.tries("METADATA of the PUK", PUK) {
            Err(CardError::Nothing(_)) => Ok(None),
            shown => shown.map(Some),
        }
    }

    /// The algorithm of its management key (nothing if this version makes no such keys), and whether the key is the factory's.
    pub(crate) fn management_key(
        &mut self,
    ) -> Result<(Option<ManagementKeyAlgorithm>, bool), CardError> {
        const NAME: &str = "METADATA of the management key";
        let shown = self.metadata(NAME, MANAGEMENT_KEY)?;
        let (Some(&[number]), Some(&[factory])) = (tlv::find(&shown, 1), tlv::find(&shown, 5))
        else {
            return Err(CardError::Malformed(NAME));
        };
        Ok((management_key::algorithm_of(number), factory == 1))
    }

    /// Gives the PIN to the token.
    ///
    /// # Errors
    ///
    /// [`CardError::Wrong`], [`CardError::Blocked`].
    pub(crate) fn verify_pin(&mut self, pin: &[u8]) -> Result<(), CardError> {
        let command = Apdu::new("VERIFY", [0, 0x20, 0, PIN]);
        let answer = command
            .with(&*padded(pin))
            .sensitive()
            .send(&mut self.line)?;
        answer.compared(Reference::Pin)
    }

    /// Changes the PIN. Needs the old one.
    pub(crate) fn change_pin(&mut self, old: &[u8], new: &[u8]) -> Result<(), CardError> {
        let name = "CHANGE REFERENCE DATA of the PIN";
        let both = (Reference::Pin, Reference::Pin);
        self.change(name, [0, 0x24, 0, PIN], old, new, both)
    }

    /// Changes the PUK. Needs the old one.
    pub(crate) fn change_puk(&mut self, old: &[u8], new: &[u8]) -> Result<(), CardError> {
        let name = "CHANGE REFERENCE DATA of the PUK";
        let both = (Reference::Puk, Reference::Puk);
        self.change(name, [0, 0x24, 0, PUK], old, new, both)
    }

    /// Sets a new PIN, even if the old one is blocked. Needs the PUK.
    pub(crate) fn unblock_pin(&mut self, puk: &[u8], pin: &[u8]) -> Result<(), CardError> {
        let name = "RESET RETRY COUNTER";
        let puk_and_pin = (Reference::Puk, Reference::Pin);
        self.change(name, [0, 0x2c, 0, PIN], puk, pin, puk_and_pin)
    }

    /// Sets how often PIN and PUK may be wrong. This also sets both to the factory's. Needs the management key and the PIN.
    pub(crate) fn set_tries(&mut self, pin: u8, puk: u8) -> Result<(), CardError> {
        let command = Apdu::new("SET PIN RETRIES", [0, 0xfa, pin, puk]);
        command.send(&mut self.line)?.success().map(drop)
    }

    /// Proves to the token that we have the management key, and to us that the token has it.
    ///
    /// # Errors
    ///
    /// [`CardError::ManagementKey`] if either side does not have it.
    pub(crate) fn authenticate(&mut self, key: &ManagementKey) -> Result<(), CardError> {
        const NAME: &str = "GENERAL AUTHENTICATE with the management key";
        let header = [0, 0x87, key.number(), MANAGEMENT_KEY];
        let request = tlv::object(0x7c, &tlv::object(0x80, &[]));
        let command = Apdu::new(NAME, header).with(&request);
        let answer = command.send(&mut self.line)?;
        // The token's key may have another algorithm than this one.
        if matches!(answer.status, 0x6a80 | 0x6a86 | 0x6a88) {
            return Err(CardError::ManagementKey);
        }
        let shown = answer.success()?;
        let witness = tlv::find(&shown, 0x7c).and_then(|inner| tlv::find(inner, 0x80));
        let witness = witness.and_then(|witness| key.decrypt(witness));
        let witness = witness.ok_or(CardError::Malformed(NAME))?;

        let mut challenge = vec![0; key.challenge_bytes()];
        aws_lc_rs::rand::fill(&mut challenge).map_err(ProviderFailure::from)?;
        let mut proof = tlv::object(0x80, &witness);
        proof.extend(tlv::object(0x81, &challenge).iter());
        let command = Apdu::new(NAME, header).with(&tlv::object(0x7c, &proof));
        let answer = command.sensitive().send(&mut self.line)?;
        let shown = match answer.success() {
            Err(CardError::Denied(_)) => return Err(CardError::ManagementKey),
            other => other?,
        };
        let response = tlv::find(&shown, 0x7c).and_then(|inner| tlv::find(inner, 0x82));
        let response = response.ok_or(CardError::Malformed(NAME))?;
        match key.encrypt(&challenge) {
            Some(expected) if *response == *expected => Ok(()),
            _ => Err(CardError::ManagementKey),
        }
    }

    /// Sets a new management key. Needs the old one.
    pub(crate) fn set_management_key(&mut self, key: &ManagementKey) -> Result<(), CardError> {
        let mut data = Zeroizing::new(Vec::with_capacity(27));
        data.extend([key.number(), MANAGEMENT_KEY, 24]);
        data.extend(key.bytes());
        let command = Apdu::new("SET MANAGEMENT KEY", [0, 0xff, 0xff, 0xff]);
        let answer = command.with(&data).sensitive().send(&mut self.line)?;
        answer.success().map(drop)
    }

    /// Resets PIV to the factory's state. Needs PIN and PUK to be blocked.
    pub(crate) fn reset(&mut self) -> Result<(), CardError> {
        let command = Apdu::new("RESET", [0, 0xfb, 0, 0]);
        command.send(&mut self.line)?.success().map(drop)
    }

    /// The DER certificate in a slot; nothing if there is none.
    pub(crate) fn certificate(&mut self, slot: Slot) -> Result<Option<Vec<u8>>, CardError> {
        self.read_certificate("GET DATA of a certificate", &certificate_tag(slot))
    }

    /// The DER certificate of the attestation key, slot f9.
    pub(crate) fn attester(&mut self) -> Result<Vec<u8>, CardError> {
        const NAME: &str = "GET DATA of the attestation certificate";
        let read = self.read_certificate(NAME, &ATTESTER)?;
        read.ok_or(CardError::Nothing(NAME))
    }

    /// Writes a DER certificate into a slot. Needs the management key.
    pub(crate) fn write_certificate(&mut self, slot: Slot, der: &[u8]) -> Result<(), CardError> {
        // Not compressed, and no error detection code (NIST SP 800-73-4 part 1 appendix A).
        let mut holder = tlv::object(0x70, der);
        holder.extend([0x71, 1, 0, 0xfe, 0]);
        self.write_object("PUT DATA of a certificate", &certificate_tag(slot), &holder)
    }

    /// True if it has an identifier, by which operating systems tell cards apart and notice changes.
    pub(crate) fn has_identifier(&mut self) -> Result<bool, CardError> {
        let read = self.read_object("GET DATA of the CHUID", &CHUID)?;
        Ok(read.is_some())
    }

    /// Writes its identifier: the Card Holder Unique Identifier (NIST SP 800-73-4 part 1 §3.1.2). Without it, Windows and macOS do not
    /// recognise the token as a smart card. Needs the management key.
    pub(crate) fn write_identifier(&mut self, guid: &[u8; 16]) -> Result<(), CardError> {
        let mut chuid = tlv::object(0x30, &NON_FEDERAL_FASC_N);
        chuid.extend(tlv::object(0x34, guid).iter());
        chuid.extend(tlv::object(0x35, b"20991231").iter()); // its end, which has no meaning here
        chuid.extend([0x3e, 0, 0xfe, 0]); // neither signed nor checked
        self.write_object("PUT DATA of the CHUID", &CHUID, &chuid)
    }

    /// True if it holds a data object that a person or a program put there. Needs the PIN, which protects some of the objects.
    ///
    /// PIV has no list of objects, and allows any number from 5f0000 to 5fffff, which would be 65,536 questions. This asks only for the
    /// ranges that people and programs use: the 256 numbers of the standard, of Yubico, and the lowest 256. It misses other objects.
    pub(crate) fn has_objects(&mut self) -> Result<bool, CardError> {
        for high in OBJECTS {
            for low in 0..=u8::MAX {
                let tag = [0x5f, high, low];
                let name = "GET DATA of an object";
                if tag != ATTESTER && self.read_object(name, &tag)?.is_some() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Writes how many of the retired slots, from the first, may hold a key with a certificate (NIST SP 800-73-4 part 1 §3.3.2). Without
    /// this, OpenSC looks into none of them. Needs the management key.
    pub(crate) fn write_key_history(&mut self, slots: u8) -> Result<(), CardError> {
        let name = "GET DATA of the key history";
        let history = key_history(slots);
        if self.read_object(name, &KEY_HISTORY)?.as_deref() == Some(&history[..]) {
            return Ok(());
        }
        self.write_object("PUT DATA of the key history", &KEY_HISTORY, &history)
    }

    fn read_certificate(
        &mut self,
        name: &'static str,
        tag: &[u8],
    ) -> Result<Option<Vec<u8>>, CardError> {
        let holder = self.read_object(name, tag)?;
        Ok(holder.and_then(|holder| tlv::find(&holder, 0x70).map(<[u8]>::to_vec)))
    }

    fn read_object(
        &mut self,
        name: &'static str,
        tag: &[u8],
    ) -> Result<Option<Vec<u8>>, CardError> {
        let command = Apdu::new(name, [0, 0xcb, 0x3f, 0xff]).with(&tlv::object(0x5c, tag));
        let shown = match command.send(&mut self.line)?.success() {
            Err(CardError::Nothing(_)) => return Ok(None),
            other => other?,
        };
        let object = tlv::find(&shown, 0x53).ok_or(CardError::Malformed(name))?;
        Ok(Some(object.to_vec()))
    }

    fn write_object(
        &mut self,
        name: &'static str,
        tag: &[u8],
        object: &[u8],
    ) -> Result<(), CardError> {
        let mut data = tlv::object(0x5c, tag);
        data.extend(tlv::object(0x53, object).iter());
        let command = Apdu::new(name, [0, 0xdb, 0x3f, 0xff]).with(&data);
        command.send(&mut self.line)?.success().map(drop)
    }

    fn change(
        &mut self,
        name: &'static str,
        header: [u8; 4],
        old: &[u8],
        new: &[u8],
        (compared, set): (Reference, Reference),
    ) -> Result<(), CardError> {
        let mut data = Zeroizing::new(Vec::with_capacity(16));
        data.extend(padded(old).iter().chain(padded(new).iter()));
        let command = Apdu::new(name, header).with(&data).sensitive();
        let answer = command.send(&mut self.line)?;
        // The old one was right, so the token refuses the new one. Which status says so depends on the series.
        if matches!(answer.status, 0x6985 | 0x6a80) {
            return Err(CardError::TooSimple(set));
        }
        answer.compared(compared)
    }

    fn tries(&mut self, name: &'static str, reference: u8) -> Result<ReferenceTries, CardError> {
        let shown = self.metadata(name, reference)?;
        match (tlv::find(&shown, 5), tlv::find(&shown, 6)) {
            (Some(&[factory]), Some(&[total, left])) => Ok(ReferenceTries {
                factory: factory == 1,
                total,
                left,
            }),
            _ => Err(CardError::Malformed(name)),
        }
    }

    pub(super) fn metadata(
        &mut self,
        name: &'static str,
        reference: u8,
    ) -> Result<Zeroizing<Vec<u8>>, CardError> {
        let command = Apdu::new(name, [0, 0xf7, 0, reference]);
        command.send(&mut self.line)?.success()
    }
}

/// The ranges that are searched for objects, by the byte behind 5f: the standard's (NIST SP 800-73-4 part 1 table 3), Yubico's and
/// Microsoft's, and the first one that has no meaning.
const OBJECTS: [u8; 3] = [0xc1, 0xff, 0x00];

/// The object of the attestation key's certificate. The factory puts it on every token.
const ATTESTER: [u8; 3] = [0x5f, 0xff, 0x01];

/// The object of the key history (NIST SP 800-73-4 part 1 table 3).
const KEY_HISTORY: [u8; 3] = [0x5f, 0xc1, 0x0c];

/// The key history: this many keys with certificates on the card, none elsewhere, and no address of others.
fn key_history(slots: u8) -> [u8; 10] {
    [0xc1, 1, slots, 0xc2, 1, 0, 0xf3, 0, 0xfe, 0]
}

/// The object of the identifier (NIST SP 800-73-4 part 1 table 3).
const CHUID: [u8; 3] = [0x5f, 0xc1, 0x02];
/// The FASC-N of cards that no agency issued, agency code 9999 (NIST SP 800-73-4 part 1 §3.1.2). ykman writes the same.
const NON_FEDERAL_FASC_N: [u8; 25] = [
    0xd4, 0xe7, 0x39, 0xda, 0x73, 0x9c, 0xed, 0x39, 0xce, 0x73, 0x9d, 0x83, 0x68, 0x58, 0x21, 0x08,
    0x42, 0x10, 0x84, 0x21, 0xc8, 0x42, 0x10, 0xc3, 0xeb,
];

fn select(line: &mut CardLine) -> Result<Firmware, CardError> {
    let command = Apdu::new("SELECT of PIV", [0, 0xa4, 0x04, 0]).with(&PIV);
    command.send(line)?.success()?;
    let version = Apdu::new("GET VERSION", [0, 0xfd, 0, 0]);
    match version.send(line)?.success()?[..] {
        [major, minor, patch] => Ok(Firmware::new(major, minor, patch)),
        _ => Err(CardError::Malformed("GET VERSION")),
    }
}

/// Reads the serial number. PIV is selected before and after.
fn read_serial(line: &mut CardLine) -> Result<Serial, CardError> {
    const NAME: &str = "GET SERIAL";
    match Apdu::new(NAME, [0, 0xf8, 0, 0]).send(line)?.success() {
        Ok(shown) => features::serial(&shown).ok_or(CardError::Malformed(NAME)),
        // Before firmware 5, PIV does not know the serial number.
        Err(CardError::Status { status: 0x6d00, .. }) => {
            let serial = features::serial_elsewhere(line)?;
            select(line)?;
            Ok(serial)
        }
        Err(error) => Err(error),
    }
}

/// Finds out what kind of card does not let PIV be selected. `said` is its error.
fn without_piv(mut line: CardLine, said: CardError) -> Result<OpenedCard, CardError> {
    let Some(features) = Features::read(&mut line)? else {
        return if line.says_yubikey() {
            Err(CardError::Restricted)
        } else {
            Ok(OpenedCard::Nothing)
        };
    };
    match (features.serial, said) {
        (Some(serial), CardError::Nothing(_)) => Ok(OpenedCard::WithoutPiv(serial, features)),
        (None, CardError::Nothing(_)) => Err(CardError::Unnumbered),
        (_, said) => Err(said),
    }
}

/// The tag of the object that holds a slot's certificate (NIST SP 800-73-4 part 1 table 3).
fn certificate_tag(slot: Slot) -> [u8; 3] {
    let low = match slot.number() {
        0x9a => 0x05,
        0x9c => 0x0a,
        0x9d => 0x0b,
        0x9e => 0x01,
        retired => retired - 0x82 + 0x0d,
    };
    [0x5f, 0xc1, low]
}

/// A PIN or PUK as it is sent: eight bytes, filled up with ff (NIST SP 800-73-4 part 2 §2.4.3). One that is too long is cut, and so is
/// wrong.
fn padded(reference: &[u8]) -> Zeroizing<[u8; 8]> {
    let mut bytes = Zeroizing::new([0xff; 8]);
    for (byte, given) in bytes.iter_mut().zip(reference) {
        *byte = *given;
    }
    bytes
}
