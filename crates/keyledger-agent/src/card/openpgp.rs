//! The OpenPGP applet (OpenPGP smart card application 3.4, and Yubico's command for the number of retries).

use keyledger_custody::Secret;
use keyledger_domain::{Algorithm, token::OpenpgpRole};
use zeroize::Zeroizing;

use super::{
    CardError, Reference,
    apdu::{Apdu, CardAnswer},
    fingerprint::fingerprint,
    key::public_key,
    line::CardLine,
    piv::Piv,
    tlv,
};

/// The admin PIN that tokens leave the factory with.
pub(crate) const FACTORY_ADMIN_PIN: &[u8] = b"12345678";

/// The applet's name, without version and manufacturer.
const OPENPGP: [u8; 6] = [0xd2, 0x76, 0x00, 0x01, 0x24, 0x01];

/// A token with its OpenPGP applet selected.
pub(crate) struct Openpgp<'a> {
    line: &'a mut CardLine,
}

/// An OpenPGP key, as the card shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenpgpKey {
    pub(crate) algorithm: Algorithm,
    /// The DER `SubjectPublicKeyInfo`.
    pub(crate) public_key: Vec<u8>,
    /// Seconds since 1970.
    pub(crate) created_at: u32,
    /// The fingerprint that was written to the card.
    pub(crate) fingerprint: [u8; 20],
    /// True if it was made on the card.
    pub(crate) generated: bool,
    /// True if it asks to be touched before each use.
    pub(crate) touch: bool,
}

/// A decryption key on Curve25519 that was made elsewhere.
pub(crate) struct OpenpgpImport {
    /// The secret scalar: 32 bytes, the lowest first (RFC 7748).
    pub(crate) scalar: Secret,
    pub(crate) point: Vec<u8>,
    pub(crate) touch: bool,
    /// Seconds since 1970.
    pub(crate) created_at: u32,
}

/// The wrong tries that are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenpgpTries {
    pub(crate) pin: u8,
    pub(crate) admin_pin: u8,
}

/// The purpose for which a PIN is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PinPurpose {
    /// Signatures.
    Signing,
    /// Everything else.
    Using,
}

impl Piv {
    /// Selects the OpenPGP applet for `work`, and PIV again after it.
    ///
    /// # Errors
    ///
    /// [`CardError::Nothing`] if the token has no such applet, or it is switched off.
    pub(crate) fn with_openpgp<T, E: From<CardError>>(
        &mut self,
        work: impl FnOnce(&mut Openpgp<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let done = work(&mut Openpgp::select(&mut self.line)?)?;
        self.select_again()?;
        Ok(done)
    }
}

impl<'a> Openpgp<'a> {
    fn select(line: &'a mut CardLine) -> Result<Self, CardError> {
        let select = || Apdu::new("SELECT of OpenPGP", [0, 0xa4, 0x04, 0]).with(&OPENPGP);
        let mut answer = select().send(line)?;
        if answer.status == 0x9000 {
            // Some firmware lets a terminated applet be selected, and then answers nothing.
            answer = Apdu::new("GET DATA of the name", [0, 0xca, 0, 0x4f]).send(line)?;
        }
        // The applet is terminated: a reset was cut off between its two commands.
        if matches!(answer.status, 0x6285 | 0x6985) {
            let activate = Apdu::new("ACTIVATE FILE", [0, 0x44, 0, 0]);
            activate.send(line)?.success()?;
            answer = select().send(line)?;
        }
        answer.success()?;
        Ok(Self { line })
    }

    /// Resets OpenPGP to the factory's state. Needs both PINs to be blocked.
    pub(crate) fn reset(&mut self) -> Result<(), CardError> {
        let terminate = Apdu::new("TERMINATE DF", [0, 0xe6, 0, 0]);
        terminate.send(self.line)?.success()?;
        let activate = Apdu::new("ACTIVATE FILE", [0, 0x44, 0, 0]);
        activate.send(self.line)?.success()?;
        let select = Apdu::new("SELECT of OpenPGP", [0, 0xa4, 0x04, 0]).with(&OPENPGP);
        select.send(self.line)?.success().map(drop)
    }

    /// The wrong tries that are left for both PINs.
    pub(crate) fn tries(&mut self) -> Result<OpenpgpTries, CardError> {
        let shown = self.discretionary()?;
        match tlv::find(&shown, 0xc4) {
            Some(&[_, _, _, _, pin, _, admin_pin]) => Ok(OpenpgpTries { pin, admin_pin }),
            _ => Err(CardError::Malformed("GET DATA of the PINs' status")),
        }
    }

    /// Gives the user PIN to the token.
    ///
    /// # Errors
    ///
    /// [`CardError::Wrong`], [`CardError::Blocked`].
    pub(crate) fn verify_pin(&mut self, pin: &[u8], purpose: PinPurpose) -> Result<(), CardError> {
        let number = match purpose {
            PinPurpose::Signing => 0x81,
            PinPurpose::Using => 0x82,
        };
        let command = Apdu::new("VERIFY of the OpenPGP PIN", [0, 0x20, 0, number]);
        self.compare(command.with(pin), Reference::OpenpgpPin)
    }

    /// Gives the admin PIN to the token.
    ///
    /// # Errors
    ///
    /// [`CardError::Wrong`], [`CardError::Blocked`].
    pub(crate) fn verify_admin_pin(&mut self, pin: &[u8]) -> Result<(), CardError> {
        let command = Apdu::new("VERIFY of the OpenPGP admin PIN", [0, 0x20, 0, 0x83]);
        self.compare(command.with(pin), Reference::OpenpgpAdminPin)
    }

    /// Changes the admin PIN. Needs the old one.
    pub(crate) fn change_admin_pin(&mut self, old: &[u8], new: &[u8]) -> Result<(), CardError> {
        let command = Apdu::new(
            "CHANGE REFERENCE DATA of the OpenPGP admin PIN",
            [0, 0x24, 0, 0x83],
        );
        let what = Reference::OpenpgpAdminPin;
        match self.compare(command.with(&joined(old, new)), what) {
            Err(error) => Err(too_simple(error, what)),
            done => done,
        }
    }

    /// Sets the user PIN, even if the old one is blocked. Needs the admin PIN.
    pub(crate) fn unblock_pin(&mut self, pin: &[u8]) -> Result<(), CardError> {
        let command = Apdu::new("RESET RETRY COUNTER of OpenPGP", [0, 0x2c, 0x02, 0x81]);
        self.set(command.with(pin), Reference::OpenpgpPin)
    }

    /// Sets the reset code. Needs the admin PIN.
    pub(crate) fn set_reset_code(&mut self, code: &[u8]) -> Result<(), CardError> {
        let command = Apdu::new("PUT DATA of the reset code", [0, 0xda, 0, 0xd3]);
        self.set(command.with(code), Reference::OpenpgpResetCode)
    }

    /// Sets how often the PINs and the reset code may be wrong. They themselves stay as they are. (The YubiKey NEO set them to the
    /// factory's, but it is too old for everything here.) Needs the admin PIN.
    pub(crate) fn set_tries(&mut self, pin: u8, admin_pin: u8) -> Result<(), CardError> {
        let command = Apdu::new("SET PIN RETRIES of OpenPGP", [0, 0xf2, 0, 0]);
        let command = command.with(&[pin, pin, admin_pin]);
        command.send(self.line)?.success().map(drop)
    }

    /// Sends a command that sets a PIN or code, which the card may find too simple.
    fn set(&mut self, command: Apdu, what: Reference) -> Result<(), CardError> {
        let answer = command.sensitive().send(self.line)?;
        answer
            .success()
            .map(drop)
            .map_err(|error| too_simple(error, what))
    }

    /// The key of a role; nothing if there is none, or if its making was cut off before the fingerprint was written.
    pub(crate) fn key(&mut self, role: OpenpgpRole) -> Result<Option<OpenpgpKey>, CardError> {
        const NAME: &str = "GET DATA of the OpenPGP keys";
        let shown = self.discretionary()?;
        let place = place(role);
        let origin = tlv::find(&shown, 0xde).and_then(|all| all.get(2 * place + 1).copied());
        let fingerprint = third(tlv::find(&shown, 0xc5), place);
        let created_at = third(tlv::find(&shown, 0xcd), place).map(u32::from_be_bytes);
        let attributes = tlv::find(&shown, 0xc1 + role_offset(role));
        let (Some(origin), Some(fingerprint), Some(created_at), Some(attributes)) =
            (origin, fingerprint, created_at, attributes)
        else {
            return Err(CardError::Malformed(NAME));
        };
        let Some(algorithm) = algorithm_of(role, attributes) else {
            return Ok(None); // RSA, which no profile asks for
        };
        if origin == 0 || fingerprint == [0; 20] {
            return Ok(None);
        }
        let shown = self.read_public(role, 0x81)?;
        let public_key = public_key(algorithm, &shown).ok_or(CardError::Malformed(NAME))?;
        Ok(Some(OpenpgpKey {
            algorithm,
            public_key,
            created_at,
            fingerprint,
            generated: origin == 1,
            touch: self.touch(role)?,
        }))
    }

    /// True if the card has no key, neither made nor imported.
    pub(crate) fn is_empty(&mut self) -> Result<bool, CardError> {
        let shown = self.discretionary()?;
        let all = tlv::find(&shown, 0xde).unwrap_or_default();
        Ok(all.chunks(2).all(|key| key.get(1) == Some(&0)))
    }

    /// Makes a key on the card. It replaces a key that is there. Writes the time, the touch flag, and last the fingerprint. Needs the admin
    /// PIN.
    pub(crate) fn generate(
        &mut self,
        role: OpenpgpRole,
        algorithm: Algorithm,
        touch: bool,
        now: u32,
    ) -> Result<(), CardError> {
        const NAME: &str = "GENERATE ASYMMETRIC KEY PAIR of OpenPGP";
        let offset = role_offset(role) as u8;
        let attributes = attributes(role, algorithm).ok_or(CardError::Nothing(NAME))?;
        // A key without a fingerprint does not count, so this may be cut off.
        self.put(0xc7 + offset, &[0; 20])?;
        self.put(0xc1 + offset, &attributes)?;
        let shown = self.read_public(role, 0x80)?;
        let point = tlv::find(&shown, 0x86).ok_or(CardError::Malformed(NAME))?;
        let print = fingerprint(role, algorithm, point, now).ok_or(CardError::Malformed(NAME))?;
        self.finish(role, now, touch, print)
    }

    /// Imports a decryption key, in the same steps as [`generate`](Self::generate). It replaces a key that is there. Needs the admin PIN.
    pub(crate) fn import(&mut self, key: &OpenpgpImport) -> Result<(), CardError> {
        const NAME: &str = "PUT DATA of an OpenPGP key";
        let (role, algorithm) = (OpenpgpRole::Encrypt, Algorithm::X25519);
        let attributes = attributes(role, algorithm).ok_or(CardError::Nothing(NAME))?;
        let offset = role_offset(role) as u8;
        self.put(0xc7 + offset, &[0; 20])?;
        self.put(0xc1 + offset, &attributes)?;
        let list = extended_header_list(&key.scalar);
        let put = Apdu::new(NAME, [0, 0xdb, 0x3f, 0xff]).with(&list);
        put.sensitive().send(self.line)?.success()?;
        let print = fingerprint(role, algorithm, &key.point, key.created_at);
        self.finish(
            role,
            key.created_at,
            key.touch,
            print.ok_or(CardError::Malformed(NAME))?,
        )
    }

    /// Completes a key: writes its time, its touch flag, and last its fingerprint.
    fn finish(
        &mut self,
        role: OpenpgpRole,
        created_at: u32,
        touch: bool,
        fingerprint: [u8; 20],
    ) -> Result<(), CardError> {
        let offset = role_offset(role) as u8;
        self.put(0xce + offset, &created_at.to_be_bytes())?;
        // 20: general feature management, which means a button.
        self.put(0xd6 + offset, &[u8::from(touch), 0x20])?;
        self.put(0xc7 + offset, &fingerprint)
    }

    /// Signs the hash of a message: ECDSA as DER, or EdDSA. Needs the user PIN, and a touch if the flag is set.
    ///
    /// # Errors
    ///
    /// [`CardError::Denied`] if the PIN was not given, or nobody touched it.
    pub(crate) fn sign(
        &mut self,
        role: OpenpgpRole,
        algorithm: Algorithm,
        hash: &[u8],
    ) -> Result<Vec<u8>, CardError> {
        let signature = self.sign_raw(role, hash)?;
        if algorithm == Algorithm::Ed25519 {
            return Ok(signature);
        }
        der_signature(&signature).ok_or(CardError::Malformed("signing by OpenPGP"))
    }

    /// The same, but the signature is as the card gives it: `r` and `s`, 32 bytes each.
    ///
    /// # Errors
    ///
    /// As [`Openpgp::sign`].
    pub(crate) fn sign_raw(
        &mut self,
        role: OpenpgpRole,
        hash: &[u8],
    ) -> Result<Vec<u8>, CardError> {
        let (name, header) = match role {
            OpenpgpRole::Sign => ("signing by OpenPGP", [0, 0x2a, 0x9e, 0x9a]),
            _ => ("authenticating by OpenPGP", [0, 0x88, 0, 0]),
        };
        let command = Apdu::new(name, header).with(hash).sensitive();
        Ok(command.send(self.line)?.success()?.to_vec())
    }

    /// Agrees on a secret with the other side's public point. Needs the user PIN, and a touch if the flag is set.
    ///
    /// # Errors
    ///
    /// As [`Openpgp::sign`].
    pub(crate) fn agree(&mut self, point: &[u8]) -> Result<Secret, CardError> {
        let point = tlv::object(0x7f49, &tlv::object(0x86, point));
        let command = Apdu::new("deciphering by OpenPGP", [0, 0x2a, 0x80, 0x86]);
        let command = command.with(&tlv::object(0xa6, &point)).sensitive();
        let agreed = command.send(self.line)?.success()?;
        // For NIST's curves, some firmware returns the whole point. The secret is its first coordinate.
        Ok(Secret::new(match agreed.split_first() {
            Some((0x04, point)) if agreed.len() == 65 => point[..32].to_vec(),
            _ => agreed.to_vec(),
        }))
    }

    fn compare(&mut self, command: Apdu, what: Reference) -> Result<(), CardError> {
        let answer = command.sensitive().send(self.line)?;
        // Yubico's firmware only says that the condition is not satisfied, so read the tries.
        if answer.status != 0x6982 {
            return answer.compared(what);
        }
        let tries = self.tries()?;
        let tries = match what {
            Reference::OpenpgpAdminPin => tries.admin_pin,
            _ => tries.pin,
        };
        Err(match tries {
            0 => CardError::Blocked(what),
            tries => CardError::Wrong { what, tries },
        })
    }

    fn touch(&mut self, role: OpenpgpRole) -> Result<bool, CardError> {
        let tag = 0xd6 + role_offset(role) as u8;
        let command = Apdu::new("GET DATA of a touch flag", [0, 0xca, 0, tag]);
        let shown = command.send(self.line)?.success()?;
        // Cached flags (3 and 4) allow uses that nobody touched the token for.
        Ok(matches!(shown.first(), Some(1 | 2)))
    }

    fn put(&mut self, tag: u8, data: &[u8]) -> Result<(), CardError> {
        let command = Apdu::new("PUT DATA of OpenPGP", [0, 0xda, 0, tag]).with(data);
        command.send(self.line)?.success().map(drop)
    }

    /// Makes a key pair (80) or reads its public half (81). Returns the numbers in object 7f49.
    fn read_public(&mut self, role: OpenpgpRole, p1: u8) -> Result<Zeroizing<Vec<u8>>, CardError> {
        const NAME: &str = "GENERATE ASYMMETRIC KEY PAIR of OpenPGP";
        let template = match role {
            OpenpgpRole::Sign => [0xb6, 0],
            OpenpgpRole::Encrypt => [0xb8, 0],
            OpenpgpRole::Authenticate => [0xa4, 0],
        };
        let command = Apdu::new(NAME, [0, 0x47, p1, 0]).with(&template);
        let shown = command.send(self.line)?.success()?;
        let numbers = tlv::find(&shown, 0x7f49).ok_or(CardError::Malformed(NAME))?;
        Ok(Zeroizing::new(numbers.to_vec()))
    }

    /// The discretionary data objects, from the application related data.
    fn discretionary(&mut self) -> Result<Vec<u8>, CardError> {
        const NAME: &str = "GET DATA of the application";
        let answer: CardAnswer = Apdu::new(NAME, [0, 0xca, 0, 0x6e]).send(self.line)?;
        let shown = answer.success()?;
        let inner = tlv::find(&shown, 0x6e).unwrap_or(&shown);
        let objects = tlv::find(inner, 0x73).ok_or(CardError::Malformed(NAME))?;
        Ok(objects.to_vec())
    }
}

/// Turns the statuses that refuse a new PIN into [`CardError::TooSimple`]. Which status it is depends on the series, as with PIV.
fn too_simple(error: CardError, what: Reference) -> CardError {
    match error {
        CardError::Status {
            status: 0x6985 | 0x6a80,
            ..
        } => CardError::TooSimple(what),
        error => error,
    }
}

const fn place(role: OpenpgpRole) -> usize {
    role_offset(role) as usize
}

/// The position of a role's key. The objects of the three keys have tags in a row.
const fn role_offset(role: OpenpgpRole) -> u16 {
    match role {
        OpenpgpRole::Sign => 0,
        OpenpgpRole::Encrypt => 1,
        OpenpgpRole::Authenticate => 2,
    }
}

/// The decryption key in the form of PUT DATA (§4.4.3.12): its place, the length of its one number, and the number, highest byte first.
fn extended_header_list(scalar: &Secret) -> Zeroizing<Vec<u8>> {
    let scalar = scalar.expose();
    let length = u8::try_from(scalar.len()).expect("a scalar has 32 bytes");
    let mut list = Zeroizing::new(Vec::with_capacity(64));
    list.extend([0xb8, 0]);
    list.extend(tlv::object(0x7f48, &[0x92, length]).iter());
    let mut number = Zeroizing::new(scalar.to_vec());
    number.reverse();
    list.extend(tlv::object(0x5f48, &number).iter());
    tlv::object(0x4d, &list)
}

fn third<const N: usize>(all: Option<&[u8]>, place: usize) -> Option<[u8; N]> {
    all?.get(N * place..)?.first_chunk().copied()
}

fn joined(old: &[u8], new: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut both = Zeroizing::new(Vec::with_capacity(old.len() + new.len()));
    both.extend(old.iter().chain(new));
    both
}

/// The algorithm attributes (§4.4.3.9): the number of the algorithm, then the curve.
fn attributes(role: OpenpgpRole, algorithm: Algorithm) -> Option<Vec<u8>> {
    let number = super::fingerprint::number(role, algorithm)?;
    let curve = super::fingerprint::curve(algorithm)?;
    Some([&[number], curve].concat())
}

fn algorithm_of(role: OpenpgpRole, shown: &[u8]) -> Option<Algorithm> {
    let known = [Algorithm::Ed25519, Algorithm::X25519, Algorithm::P256];
    known.into_iter().find(|algorithm| {
        // A trailing ff says that an import includes the public key.
        attributes(role, *algorithm)
            .is_some_and(|attributes| *attributes == *shown.strip_suffix(&[0xff]).unwrap_or(shown))
    })
}

/// The two halves of an ECDSA signature as DER (RFC 3279 §2.2.3).
fn der_signature(halves: &[u8]) -> Option<Vec<u8>> {
    use x509_cert::der::{Encode, asn1::UintRef};
    let (r, s) = halves.split_at_checked(halves.len() / 2)?;
    let mut pair = UintRef::new(r).ok()?.to_der().ok()?;
    pair.extend(UintRef::new(s).ok()?.to_der().ok()?);
    Some(tlv::object(0x30, &pair).to_vec())
}
