//! PUK, management key and PIN: into custody first, then onto the token.

use data_encoding::BASE64;
use keyledger_custody::{ManagementKeyAlgorithm, Secret, TokenDigits, TokenSecrets, seal_to};
use keyledger_domain::token::{
    FailureCode, Firmware, PinRules, Profile, Prompt, Report, SecretsSealed, TaskKind,
};

use super::{Halt, Walk};
use crate::card::{FACTORY_PIN, FACTORY_PUK, ManagementKey, Piv, Reference};

/// The secrets themselves.
const SECRETS: &str = "secrets";
/// The report that holds them sealed: delivered again as it was.
const SEALED: &str = "secrets.sealed";
/// The service has them.
const TAKEN: &str = "secrets.taken";

/// From this firmware on, management keys can be of AES.
const AES: Firmware = Firmware::new(5, 4, 2);

/// The PIN was chosen anew after another was set: it is set by the PUK.
const PIN_ANEW: &str = "pin.anew";

/// How often a PIN against the rules may be chosen.
const BAD_PINS: u8 = 5;

/// How often a token may find simple what was made at random, before it is no question of rules.
const BAD_SECRETS: u8 = 5;

impl Walk<'_> {
    /// Makes the token's secrets, once a task, and waits until custody has them.
    pub(super) fn make_secrets(&mut self, profile: &Profile) -> Result<(), Halt> {
        let secrets = match self.desk.kept(SECRETS)? {
            Some(json) => TokenSecrets::from_secret(&json)
                .map_err(|error| Halt::misbehaved_by("the secrets in the journal", error))?,
            None => {
                let firmware = self.at_token(|_, piv| Ok(piv.firmware()))?;
                let made =
                    TokenSecrets::generate(algorithm_for(firmware), profile.openpgp.is_some())
                        .map_err(|error| Halt::misbehaved_by("no secrets can be made", error))?;
                self.desk.keep(SECRETS, &made.to_secret())?;
                made
            }
        };
        self.deliver_secrets(&secrets)?;
        self.secrets = Some(secrets);
        Ok(())
    }

    fn deliver_secrets(&mut self, secrets: &TokenSecrets) -> Result<(), Halt> {
        let taken = self.desk.kept(TAKEN)?;
        if taken.is_some_and(|mark| !mark.expose().is_empty()) {
            return Ok(());
        }
        let kept = self.desk.kept(SEALED)?;
        let kept = kept.and_then(|json| serde_json::from_slice(json.expose()).ok());
        let sealed: SecretsSealed = match kept {
            Some(sealed) => sealed,
            None => {
                let delivery =
                    seal_to(&self.task.seal_to, secrets.to_secret().expose()).map_err(|error| {
                        Halt::misbehaved_by("nothing can be sealed for the task", error)
                    })?;
                let sealed = SecretsSealed {
                    serial: self.serial,
                    sender: delivery.sender.into(),
                    sealed: BASE64.encode(&delivery.ciphertext).into(),
                };
                self.keep_json(SEALED, &sealed)?;
                sealed
            }
        };
        self.ask(Report::SecretsSealed(sealed))?;
        self.desk.keep(TAKEN, &Secret::new(b"taken".to_vec()))?;
        Ok(())
    }

    /// Makes another in place of one that was made and that the token finds too simple; the others stay, which may be set by now. What was
    /// made before stays in custody until the task ends.
    pub(super) fn make_another(&mut self, which: Reference) -> Result<(), Halt> {
        let which = match which {
            Reference::OpenpgpAdminPin => TokenDigits::OpenpgpAdminPin,
            Reference::OpenpgpResetCode => TokenDigits::OpenpgpResetCode,
            Reference::Puk | Reference::Pin | Reference::OpenpgpPin => TokenDigits::Puk,
        };
        let known = self.secrets.take();
        let known =
            known.ok_or_else(|| Halt::misbehaved("it finds what nobody made too simple"))?;
        self.made_anew += 1;
        if self.made_anew > BAD_SECRETS {
            let detail = format!("it finds {BAD_SECRETS} secrets made at random too simple");
            return Err(Halt::misbehaved(detail));
        }
        let others = known
            .with_another(which)
            .map_err(|error| Halt::misbehaved_by("no other secret can be made", error))?;
        // Should this be cut off, the ones of before are only delivered again.
        for of_before in [TAKEN, SEALED] {
            self.desk.keep(of_before, &Secret::new(Vec::new()))?;
        }
        self.desk.keep(SECRETS, &others.to_secret())?;
        self.deliver_secrets(&others)?;
        self.secrets = Some(others);
        Ok(())
    }

    /// Keeps what is no secret, to be told again as it was.
    pub(super) fn keep_json(
        &mut self,
        what: &'static str,
        report: &impl serde::Serialize,
    ) -> Result<(), Halt> {
        let json = serde_json::to_vec(report).expect("a report is always JSON");
        Ok(self.desk.keep(what, &Secret::new(json))?)
    }

    /// Has a PIN chosen, once a task.
    pub(super) fn choose_pin(&mut self, rules: &PinRules) -> Result<(), Halt> {
        if let Some(pin) = self.desk.kept("pin")? {
            self.pin = Some(pin);
            return Ok(());
        }
        self.desk.show(self.serial, Prompt::ChoosePin, "")?;
        for _ in 0..BAD_PINS {
            let pin = self.desk.new_pin(self.serial, rules)?;
            if is_allowed(&pin, rules) {
                return self.know_pin(pin);
            }
        }
        Err(crate::desk::DeskError::Declined.into())
    }

    /// Has another PIN chosen: the token finds the first too simple. One applet may have taken it before the other did not.
    pub(super) fn choose_another_pin(&mut self) -> Result<(), Halt> {
        let rules = self.profile()?.pin;
        for _ in 0..BAD_PINS {
            let pin = self.desk.another_pin(self.serial, &rules)?;
            if is_allowed(&pin, &rules) {
                self.desk.keep(PIN_ANEW, &Secret::new(b"anew".to_vec()))?;
                return self.know_pin(pin);
            }
        }
        Err(crate::desk::DeskError::Declined.into())
    }

    /// Sets the PIN that was chosen anew, whichever was set before; only while it is provisioned, with a PUK of its own.
    pub(super) fn set_pin_anew(&mut self, piv: &mut Piv) -> Result<(), Halt> {
        if self.desk.kept(PIN_ANEW)?.is_none() {
            return Ok(());
        }
        let (Some(secrets), Some(pin)) = (&self.secrets, &self.pin) else {
            return Err(Halt::misbehaved("the secrets are not made yet"));
        };
        Ok(piv.unblock_pin(secrets.puk.expose(), pin.expose())?)
    }

    /// What can be seen of PUK and management key without their values: a verification looks at both.
    pub(super) fn check_ways_in(&mut self) -> Result<(), Halt> {
        self.at_token(|walk, piv| {
            if walk.puk_tries(piv)?.left == 0 {
                return Err(crate::card::CardError::Blocked(Reference::Puk).into());
            }
            if piv.management_key()?.0 == Some(algorithm_for(piv.firmware())) {
                return Ok(());
            }
            let detail = "its management key is of another algorithm than the one that was set: somebody changed it";
            Err(Halt::failed(FailureCode::ManagementKeyUnknown, detail))
        })
    }

    /// Sets on the token what it does not have yet. The factory's PIN may be on it until this ends, but no key is.
    pub(super) fn set_secrets(&mut self, rules: &PinRules) -> Result<(), Halt> {
        self.at_token(|walk, piv| {
            walk.set_piv_secrets(piv, rules)?;
            walk.check_piv_secrets(piv, rules)
        })
    }

    fn set_piv_secrets(&mut self, piv: &mut Piv, rules: &PinRules) -> Result<(), Halt> {
        let ours = self.management_key()?;
        let (Some(algorithm), factory) = piv.management_key()? else {
            return Err(crate::card::CardError::ManagementKey.into());
        };
        let current = if factory {
            &ManagementKey::factory(algorithm)
        } else {
            &ours
        };
        piv.authenticate(current)?;
        let (pin, puk) = (piv.pin_tries()?, self.puk_tries(piv)?);
        if (pin.total, puk.total) != (rules.retries, rules.puk_retries) {
            if pin.factory {
                piv.verify_pin(FACTORY_PIN)?;
            } else {
                self.give_pin(piv)?;
            }
            // Sets both to the factory's: so this goes before what follows.
            piv.set_tries(rules.retries, rules.puk_retries)?;
        }
        let (Some(secrets), Some(own_pin)) = (&self.secrets, &self.pin) else {
            return Err(Halt::misbehaved("the secrets are not made yet"));
        };
        if self.puk_tries(piv)?.factory {
            piv.change_puk(FACTORY_PUK, secrets.puk.expose())?;
        }
        if piv.pin_tries()?.factory {
            piv.change_pin(FACTORY_PIN, own_pin.expose())?;
        }
        if factory {
            piv.set_management_key(&ours)?;
        }
        self.set_pin_anew(piv)
    }

    /// What the token shows, after it was told.
    fn check_piv_secrets(&self, piv: &mut Piv, rules: &PinRules) -> Result<(), Halt> {
        let (pin, puk) = (piv.pin_tries()?, self.puk_tries(piv)?);
        let factory = pin.factory || puk.factory || piv.management_key()?.1;
        if factory || (pin.total, puk.total) != (rules.retries, rules.puk_retries) {
            return Err(Halt::misbehaved(
                "it still shows the factory's secrets, or other retries, after they were set",
            ));
        }
        self.give_pin(piv)?;
        Ok(piv.authenticate(&self.management_key()?)?)
    }

    /// The management key that this task set, or is to set.
    pub(super) fn management_key(&self) -> Result<ManagementKey, Halt> {
        let secrets = self.secrets.as_ref();
        let known = secrets.ok_or_else(|| Halt::misbehaved("the management key is not known"));
        known.map(ManagementKey::of)
    }

    /// True of a task that knows the PUK.
    pub(super) const fn knows_puk(&self) -> bool {
        !matches!(self.task.kind, TaskKind::Verify | TaskKind::Reset) && self.secrets.is_some()
    }
}

/// What management keys are set on tokens of this firmware.
fn algorithm_for(firmware: Firmware) -> ManagementKeyAlgorithm {
    if firmware >= AES {
        ManagementKeyAlgorithm::Aes192
    } else {
        ManagementKeyAlgorithm::TripleDes
    }
}

/// Whether a PIN is one, and not the first that everybody tries.
fn is_allowed(pin: &Secret, rules: &PinRules) -> bool {
    let digits = pin.expose();
    let least = usize::from(rules.digits).max(FACTORY_PIN.len());
    (least..=8).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && digits.iter().any(|digit| *digit != digits[0])
        && ![FACTORY_PIN, FACTORY_PUK].contains(&digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factorys_pin_is_never_allowed() {
        let rules = PinRules {
            digits: 6,
            ..PinRules::default()
        };
        let allowed = |pin: &str| is_allowed(&Secret::new(pin.into()), &rules);
        for bad in [
            "123456",
            "12345678",
            "000000",
            "12345",
            "123456789",
            "12345a",
        ] {
            assert!(!allowed(bad), "{bad}");
        }
        assert!(allowed("271828"));
    }
}
