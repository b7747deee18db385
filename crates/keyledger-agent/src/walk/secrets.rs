//! Makes PUK, management key and PIN: first into custody, then onto the token.

use data_encoding::BASE64;
use keyledger_custody::{
    DeliveryError, ManagementKeyAlgorithm, Secret, TokenDigits, TokenSecrets, seal_to,
};
use keyledger_domain::token::{
    FailureCode, Firmware, PinRules, Profile, Prompt, Report, SecretsSealed, TaskKind,
};

use super::{Halt, Walk};
use crate::card::{FACTORY_PIN, FACTORY_PUK, ManagementKey, Piv, Reference};

/// Name in the journal: the secrets themselves.
const SECRETS: &str = "secrets";
/// Name in the journal: the report with the sealed secrets. It is delivered again unchanged.
const SEALED: &str = "secrets.sealed";
/// Name in the journal: the service has the secrets.
const TAKEN: &str = "secrets.taken";

/// From this firmware on, management keys can be AES keys.
const AES: Firmware = Firmware::new(5, 4, 2);

/// Name in the journal: the person chose another PIN after one may have been set, so the new one is set with the PUK.
const PIN_ANEW: &str = "pin.anew";

/// A PIN that breaks the rules may be chosen this often.
const BAD_PINS: u8 = 5;

/// A token may find random secrets too simple this often. After that, the token itself is at fault.
const BAD_SECRETS: u8 = 5;

impl Walk<'_> {
    /// Makes the token's secrets, once in a task, and waits until custody has them.
    pub(super) fn make_secrets(&mut self, profile: &Profile) -> Result<(), Halt> {
        let secrets = match self.desk.kept(SECRETS)? {
            Some(json) => TokenSecrets::from_secret(&json).map_err(|error| {
                Halt::misbehaved_by("the secrets in the journal cannot be read", error)
            })?,
            None => {
                let firmware = self.at_token(|_, piv| Ok(piv.firmware()))?;
                let made =
                    TokenSecrets::generate(algorithm_for(firmware), profile.openpgp.is_some())?;
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
                let delivery = seal_to(&self.task.seal_to, secrets.to_secret().expose());
                let delivery = delivery.map_err(not_sealed)?;
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

    /// Replaces a secret that the token finds too simple. The other secrets stay as they are, because they may be set already. The old
    /// secret stays in custody until the task ends.
    pub(super) fn make_another(&mut self, which: Reference) -> Result<(), Halt> {
        let which = match which {
            Reference::OpenpgpAdminPin => TokenDigits::OpenpgpAdminPin,
            Reference::OpenpgpResetCode => TokenDigits::OpenpgpResetCode,
            Reference::Puk | Reference::Pin | Reference::OpenpgpPin => TokenDigits::Puk,
        };
        let known = self.secrets.take();
        let known = known.ok_or_else(|| {
            Halt::misbehaved("the token finds a secret too simple that this task did not make")
        })?;
        self.made_anew += 1;
        if self.made_anew > BAD_SECRETS {
            let detail = format!("the token finds {BAD_SECRETS} secrets made at random too simple");
            return Err(Halt::misbehaved(detail));
        }
        let others = known.with_another(which)?;
        // If this is cut off here, the old secrets are only delivered again.
        for of_before in [TAKEN, SEALED] {
            self.desk.keep(of_before, &Secret::new(Vec::new()))?;
        }
        self.desk.keep(SECRETS, &others.to_secret())?;
        self.deliver_secrets(&others)?;
        self.secrets = Some(others);
        Ok(())
    }

    /// Keeps a report, so that it can be delivered again unchanged. The report is no secret.
    pub(super) fn keep_json(
        &mut self,
        what: &'static str,
        report: &impl serde::Serialize,
    ) -> Result<(), Halt> {
        let json = serde_json::to_vec(report).expect("a report is always JSON");
        Ok(self.desk.keep(what, &Secret::new(json))?)
    }

    /// Asks the person to choose a PIN, once in a task.
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

    /// Asks the person to choose another PIN, because the token finds the last one too simple. One applet may have accepted that PIN
    /// already.
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

    /// Sets the PIN that replaces one that was too simple, whichever PIN is set now. Needs the PUK that this task made.
    pub(super) fn set_pin_anew(&mut self, piv: &mut Piv) -> Result<(), Halt> {
        if self.desk.kept(PIN_ANEW)?.is_none() {
            return Ok(());
        }
        let (Some(secrets), Some(pin)) = (&self.secrets, &self.pin) else {
            return Err(Halt::misbehaved("the secrets are not made yet"));
        };
        Ok(piv.unblock_pin(secrets.puk.expose(), pin.expose())?)
    }

    /// Checks what the token shows of its PUK and its management key, without knowing them. This is part of a verification.
    pub(super) fn check_ways_in(&mut self) -> Result<(), Halt> {
        self.at_token(|walk, piv| {
            if walk.puk_tries(piv)?.left == 0 {
                return Err(crate::card::CardError::Blocked(Reference::Puk).into());
            }
            if piv.management_key()?.0 == Some(algorithm_for(piv.firmware())) {
                return Ok(());
            }
            let detail = "the management key has another algorithm than the one that was set: somebody changed it";
            Err(Halt::failed(FailureCode::ManagementKeyUnknown, detail))
        })
    }

    /// Sets the secrets that the token does not have yet. The factory's PIN may be set until this ends, but then the token has no keys.
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
            // This sets both to the factory's, so it comes before what follows.
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

    /// Checks what the token shows after the secrets were set.
    fn check_piv_secrets(&self, piv: &mut Piv, rules: &PinRules) -> Result<(), Halt> {
        let (pin, puk) = (piv.pin_tries()?, self.puk_tries(piv)?);
        let factory = pin.factory || puk.factory || piv.management_key()?.1;
        if factory || (pin.total, puk.total) != (rules.retries, rules.puk_retries) {
            return Err(Halt::misbehaved(
                "the token still shows the factory's secrets, or another number of tries, after they were set",
            ));
        }
        self.give_pin(piv)?;
        Ok(piv.authenticate(&self.management_key()?)?)
    }

    /// The management key that this task has set or will set.
    pub(super) fn management_key(&self) -> Result<ManagementKey, Halt> {
        let secrets = self.secrets.as_ref();
        let known = secrets.ok_or_else(|| Halt::misbehaved("the management key is not known"));
        known.map(ManagementKey::of)
    }

    /// True if this task knows the PUK.
    pub(super) const fn knows_puk(&self) -> bool {
        !matches!(self.task.kind, TaskKind::Verify | TaskKind::Reset) && self.secrets.is_some()
    }
}

/// Why the secrets cannot be sealed: the task's curve nkey is none, or the workstation fails.
fn not_sealed(error: DeliveryError) -> Halt {
    match error {
        DeliveryError::Provider(failure) => failure.into(),
        of_task => Halt::misbehaved_by("nothing can be sealed for the task", of_task),
    }
}

/// The algorithm of the management keys that are set on tokens with this firmware.
fn algorithm_for(firmware: Firmware) -> ManagementKeyAlgorithm {
    if firmware >= AES {
        ManagementKeyAlgorithm::Aes192
    } else {
        ManagementKeyAlgorithm::TripleDes
    }
}

/// True if a PIN keeps the rules, and is none that everybody tries first.
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
