//! What custody has that may open the token: asked for, and told apart by the management key, which may be wrong for as often as one likes.
//!
//! Secrets are set one after the other: the management key, then the PUK, then OpenPGP's. A task that ended between them leaves some of
//! its own and some of those before it. So the management key that fits says from which task on the others cannot be.

use data_encoding::BASE64;
use keyledger_custody::{CurveKey, Delivery, Secret, TokenManagementKey, TokenSecrets};
use keyledger_domain::token::{FailureCode, Report, SecretsWanted};
use keyledger_wire::Sealed;

use super::{Halt, Walk};
use crate::card::{CardError, ManagementKey, Piv};

/// The seed of the curve key that they are sealed to.
const CURVE: &str = "curve";
/// They themselves, a line of JSON each, once the token has told which fit.
const OLD: &str = "secrets.old";

/// Secrets that a token may have, the likeliest first.
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

    /// What the PUK may be, the likeliest first. Where no management key fits, the token was changed by somebody else: what was proved
    /// last is tried, and nothing more.
    pub(super) fn puks(&self) -> impl Iterator<Item = &Secret> {
        self.likely().map(|secrets| &secrets.puk)
    }

    /// What the OpenPGP admin PIN may be, the likeliest first.
    pub(super) fn admin_pins(&self) -> impl Iterator<Item = &Secret> {
        self.likely()
            .filter_map(|secrets| secrets.openpgp_admin_pin.as_ref())
    }

    /// Those that fit, with `puk` as PUK; gives the rest up.
    pub(super) fn into_secrets(self, puk: Secret) -> Option<TokenSecrets> {
        let fitting = self.all.into_iter().next()?;
        Some(TokenSecrets { puk, ..fitting })
    }

    fn likely(&self) -> impl Iterator<Item = &TokenSecrets> {
        let most = if self.fits { self.all.len() } else { 1 };
        self.all.iter().take(most)
    }

    /// Out of what custody has, from the oldest to the newest: `fitting` is the one whose management key the token takes.
    fn new(mut all: Vec<TokenSecrets>, fitting: Option<usize>) -> Self {
        if let Some(at) = fitting {
            all.truncate(at + 1); // what is newer was never begun to be set
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
        // Never moved while it grows: that would leave a copy behind.
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
    /// What custody has for the token, sealed to a key made for this task, and told apart before anything is set.
    pub(super) fn ways_in(&mut self) -> Result<WaysIn, Halt> {
        if let Some(kept) = self.desk.kept(OLD)? {
            let all = WaysIn::read(&kept).ok_or_else(|| unreadable("the journal holds others"))?;
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

    /// Whether the management key is one that custody has: of the right algorithm, it may still be another. Nothing is found out where the
    /// service gives none.
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
        let detail = "its management key is none that custody has: somebody changed it";
        Err(Halt::failed(FailureCode::ManagementKeyUnknown, detail))
    }

    /// The secrets as custody has them, from the oldest to the newest.
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

    /// What custody gives, from the oldest to the newest, and the key that opens it.
    fn given(&mut self) -> Result<(CurveKey, Vec<Sealed>), Halt> {
        let curve = match self.desk.kept(CURVE)? {
            Some(seed) => CurveKey::from_seed(&seed).map_err(unreadable)?,
            None => {
                let made = CurveKey::generate().map_err(unreadable)?;
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

/// Which of them, counted from the oldest, has the token's management key; the newest is asked for first.
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
