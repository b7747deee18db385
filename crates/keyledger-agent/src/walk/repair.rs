//! A blocked PIN unblocked, a token's secrets made anew: with the old ones, which the service gives for this.

use data_encoding::BASE64;
use keyledger_custody::{CurveKey, Delivery, Secret, TokenSecrets};
use keyledger_domain::token::{FailureCode, Report, SecretsWanted, Step};

use super::{Halt, Walk, WalkEnd};
use crate::card::{CardError, Piv, Reference};

/// The seed of the curve key that the old secrets are sealed to.
const CURVE: &str = "curve";
/// The old secrets.
const OLD: &str = "secrets.old";
/// The new PUK is set.
const PUK_SET: &str = "puk.set";

impl Walk<'_> {
    /// The task `unblock`: a new PIN, by the PUK.
    pub(super) fn unblock(&mut self) -> Result<WalkEnd, Halt> {
        let profile = self.profile()?.clone();
        self.announce(None)?;
        self.begin(Step::Secrets)?;
        let old = self.old_secrets()?;
        self.choose_pin(&profile.pin)?;
        let puk = Secret::new(old.puk.expose().to_vec());
        self.at_token(|walk, piv| {
            walk.unblock_by(piv, &puk)?;
            walk.unblock_openpgp(piv, &old)
        })?;
        self.secrets = Some(old);
        self.prove(&profile)
    }

    fn unblock_by(&self, piv: &mut Piv, puk: &Secret) -> Result<(), Halt> {
        let pin = self.pin.as_ref();
        let pin = pin.ok_or_else(|| Halt::misbehaved("no PIN was chosen"))?;
        // Setting what it may have been set to before costs nothing, and clears the count.
        Ok(piv.unblock_pin(puk.expose(), pin.expose())?)
    }

    /// The task `rotate_secrets`: a new PUK and a new management key, by the old ones.
    pub(super) fn rotate_secrets(&mut self) -> Result<WalkEnd, Halt> {
        let profile = self.profile()?.clone();
        self.announce(None)?;
        self.ask_for_pin()?;
        self.begin(Step::Secrets)?;
        let old = self.old_secrets()?;
        self.make_secrets(&profile)?;
        self.at_token(|walk, piv| walk.rotate_management_key(piv, &old))?;
        if self.desk.kept(PUK_SET)?.is_none() {
            self.at_token(|walk, piv| {
                walk.rotate_puk(piv, &old)?;
                walk.rotate_openpgp(piv, &old)
            })?;
            self.desk.keep(PUK_SET, &Secret::new(b"set".to_vec()))?;
        }
        self.prove(&profile)
    }

    fn rotate_management_key(&self, piv: &mut Piv, old: &TokenSecrets) -> Result<(), Halt> {
        let new = self.management_key()?;
        match piv.authenticate(&new) {
            Err(CardError::ManagementKey) => {}
            done => return Ok(done?),
        }
        piv.authenticate(&crate::card::ManagementKey::of(old))?;
        piv.set_management_key(&new)?;
        Ok(piv.authenticate(&new)?)
    }

    /// A try is lost where it was changed just before a crash, and comes back with the right one.
    fn rotate_puk(&self, piv: &mut Piv, old: &TokenSecrets) -> Result<(), Halt> {
        let new = self.secrets.as_ref();
        let new = new.ok_or_else(|| Halt::misbehaved("no PUK was made"))?;
        match piv.change_puk(old.puk.expose(), new.puk.expose()) {
            Err(CardError::Wrong {
                what: Reference::Puk,
                ..
            }) => Ok(piv.change_puk(new.puk.expose(), new.puk.expose())?),
            done => Ok(done?),
        }
    }

    /// The token's secrets as custody has them, sealed to a key made for this task.
    fn old_secrets(&mut self) -> Result<TokenSecrets, Halt> {
        let unreadable = |error: &dyn std::fmt::Display| {
            let detail = format!("the token's secrets cannot be read: {error}");
            Halt::Fail(FailureCode::ManagementKeyUnknown, detail)
        };
        if let Some(json) = self.desk.kept(OLD)? {
            return TokenSecrets::from_secret(&json).map_err(|error| unreadable(&error));
        }
        let curve = match self.desk.kept(CURVE)? {
            Some(seed) => CurveKey::from_seed(&seed).map_err(|error| unreadable(&error))?,
            None => {
                let made = CurveKey::generate().map_err(|error| unreadable(&error))?;
                self.desk.keep(CURVE, &made.seed())?;
                made
            }
        };
        let reply = self.ask(Report::SecretsWanted(SecretsWanted {
            serial: self.serial,
            seal_to: curve.public_nkey().into(),
        }))?;
        let sealed = reply
            .secrets
            .ok_or_else(|| unreadable(&"the service gave none"))?;
        let ciphertext = BASE64.decode(sealed.sealed.as_bytes());
        let opened = curve.open(&Delivery {
            sender: sealed.sender,
            ciphertext: ciphertext.map_err(|error| unreadable(&error))?,
        });
        let json = opened.map_err(|error| unreadable(&error))?;
        let secrets = TokenSecrets::from_secret(&json).map_err(|error| unreadable(&error))?;
        self.desk.keep(OLD, &json)?;
        Ok(secrets)
    }
}
