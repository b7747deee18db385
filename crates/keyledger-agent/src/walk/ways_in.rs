//! The secrets of custody that may open a token: asks for them, and finds out which are set. It tries the management keys, because a
//! wrong management key costs nothing.
//!
//! Secrets are set one after the other: first the management key, then the PUK, then those of OpenPGP. A task that ended in between leaves
//! some of its own secrets and some older ones. So the other secrets are not newer than the management key that fits.

use data_encoding::BASE64;
use keyledger_custody::{CurveKey, Delivery, Secret, TokenManagementKey, TokenSecrets};
use keyledger_domain::token::{FailureCode, Report, SecretsWanted};
use keyledger_wire::Sealed;

use super::{Halt, Walk};
use crate::card::{CardError, ManagementKey, Piv};

/// Name in the journal: the seed of the curve key to which the secrets are sealed.
const CURVE: &str = "curve";
/// Name in the journal: the secrets themselves, each as a line of JSON, once it is known which fit.
const OLD: &str = "secrets.old";

/// The secrets that a token may have, the most likely first.
pub(super) struct WaysIn {
    all: Vec<TokenSecrets>,
    /// True if the management key of the first is the token's.
    fits: bool,
}

impl WaysIn {
    /// The secrets whose management key is the token's.
    pub(super) fn fitting(&self) -> Option<&TokenSecrets> {
        self.all.first().filter(|_| self.fits)
    }

    /// The PUKs to try, the most likely first. If no management key fits, somebody else has changed the token: then only the PUK that was
    /// proved last is tried.
    pub(super) fn puks(&self) -> impl Iterator<Item = &Secret> {
        self.likely().map(|secrets| &secrets.puk)
    }

    /// The OpenPGP admin PINs to try, the most likely first.
    pub(super) fn admin_pins(&self) -> impl Iterator<Item = &Secret> {
        self.likely()
            .filter_map(|secrets| secrets.openpgp_admin_pin.as_ref())
    }

    /// The secrets that fit, with `puk` as their PUK.
    pub(super) fn into_secrets(self, puk: Secret) -> Option<TokenSecrets> {
        let fitting = self.all.into_iter().next()?;
        Some(TokenSecrets { puk, ..fitting })
    }

    fn likely(&self) -> impl Iterator<Item = &TokenSecrets> {
        let most = if self.fits { self.all.len() } else { 1 };
        self.all.iter().take(most)
    }

    /// Orders the secrets, which come from the oldest to the newest. `fitting` is the index of those whose management key fits.
    fn new(mut all: Vec<TokenSecrets>, fitting: Option<usize>) -> Self {
        if let Some(at) = fitting {
            all.truncate(at + 1); // newer secrets were never set, not even in part
            all.reverse();
        }
        let fits = fitting.is_some();
        Self { all, fits }
    }

    fn read(lines: &Secret) -> Option<Vec<TokenSecrets>> {
        let lines = lines.expose().split(|byte| *byte == b'\n');
        let read = |line: &[u8]| TokenSecrets::from_secret(&Secret::new(line.to_vec())).ok();
        lines.map(read).collect()
    }

    fn written(&self) -> Secret {
        let lines: Vec<_> = self.all.iter().map(TokenSecrets::to_secret).collect();
        let bytes = lines.iter().map(|line| line.expose().len() + 1).sum();
        // Reserve all the room first: growing would leave a copy of the secrets behind.
        let mut text = Vec::with_capacity(bytes);
        for line in &lines {
            if !text.is_empty() {
                text.push(b'\n');
            }
            text.extend_from_slice(line.expose());
        }
        Secret::new(text)
    }
}

impl Walk<'_> {
    /// The secrets that custody has for the token. It is found out which of them fit before anything is set.
    pub(super) fn ways_in(&mut self) -> Result<WaysIn, Halt> {
        if let Some(kept) = self.desk.kept(OLD)? {
            let all = WaysIn::read(&kept)
                .ok_or_else(|| unreadable("the journal holds something else"))?;
            return Ok(WaysIn { all, fits: true });
        }
        let all = self.given_secrets()?;
        let fitting = self.at_token(|_, piv| Ok(fitting(&all, piv)?))?;
        let ways = WaysIn::new(all, fitting);
        if ways.fits {
            self.desk.keep(OLD, &ways.written())?;
        }
        Ok(ways)
    }

    /// Checks that the management key is one that custody has: even with the right algorithm, it may be another key. Checks nothing if the
    /// service gives no keys.
    pub(super) fn check_management_key(&mut self) -> Result<(), Halt> {
        let (curve, given) = self.given()?;
        let keys = given.into_iter().map(|sealed| {
            let json = delivered(&curve, sealed)?;
            TokenManagementKey::from_secret(&json).map_err(unreadable)
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Ok(());
        }
        let fits = self.at_token(|_, piv| {
            for key in &keys {
                match piv.authenticate(&ManagementKey::from(key)) {
                    Ok(()) => return Ok(true),
                    Err(CardError::ManagementKey) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(false)
        })?;
        if fits {
            return Ok(());
        }
        let detail = "the management key is none that custody has: somebody changed it";
        Err(Halt::failed(FailureCode::ManagementKeyUnknown, detail))
    }

    /// The secrets that custody has, from the oldest to the newest.
    fn given_secrets(&mut self) -> Result<Vec<TokenSecrets>, Halt> {
        let (curve, given) = self.given()?;
        if given.is_empty() {
            return Err(unreadable("the service gave none"));
        }
        given
            .into_iter()
            .map(|sealed| open(&curve, sealed))
            .collect()
    }

    /// What custody gives, from the oldest to the newest, and the curve key that opens it.
    fn given(&mut self) -> Result<(CurveKey, Vec<Sealed>), Halt> {
        let curve = match self.desk.kept(CURVE)? {
            Some(seed) => CurveKey::from_seed(&seed).map_err(unreadable)?,
            None => {
                let made = CurveKey::generate()?;
                self.desk.keep(CURVE, &made.seed())?;
                made
            }
        };
        let reply = self.ask(Report::SecretsWanted(SecretsWanted {
            serial: self.serial,
            seal_to: curve.public_nkey().into(),
        }))?;
        let doubtful = reply.doubtful_secrets.into_iter().rev();
        let given = reply.secrets.into_iter().chain(doubtful).collect();
        Ok((curve, given))
    }
}

/// The index of the secrets with the token's management key. Tries the newest first.
fn fitting(all: &[TokenSecrets], piv: &mut Piv) -> Result<Option<usize>, CardError> {
    for (at, secrets) in all.iter().enumerate().rev() {
        match piv.authenticate(&ManagementKey::of(secrets)) {
            Ok(()) => return Ok(Some(at)),
            Err(CardError::ManagementKey) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn open(curve: &CurveKey, sealed: Sealed) -> Result<TokenSecrets, Halt> {
    let json = delivered(curve, sealed)?;
    TokenSecrets::from_secret(&json).map_err(unreadable)
}

fn delivered(curve: &CurveKey, sealed: Sealed) -> Result<Secret, Halt> {
    let ciphertext = BASE64.decode(sealed.sealed.as_bytes());
    let opened = curve.open(&Delivery {
        sender: sealed.sender,
        ciphertext: ciphertext.map_err(unreadable)?,
    });
    opened.map_err(unreadable)
}

fn unreadable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Halt {
    let detail = "the token's secrets cannot be read";
    Halt::failed_by(FailureCode::ManagementKeyUnknown, detail, why)
}
