//! Unblocks a PIN, or replaces a token's secrets. The service gives the old secrets for this.

use keyledger_custody::Secret;
use keyledger_domain::token::{PinRules, Step};

use super::{Halt, Walk, WalkEnd, ways_in::WaysIn};
use crate::card::{CardError, FACTORY_PIN, FACTORY_PUK, ManagementKey, Piv, Reference};

/// Name in the journal: the new PUK may be on the token.
const PUK_TRIED: &str = "puk.tried";
/// Name in the journal: the PUK is set through the factory's, because there were too few tries to find out which PUK is set.
const PUK_ANEW: &str = "puk.anew";
/// Name in the journal: the new PUK is on the token.
const PUK_SET: &str = "puk.set";

impl Walk<'_> {
    /// The task `unblock`: sets a new PIN with the PUK.
    pub(super) fn unblock(&mut self) -> Result<WalkEnd, Halt> {
        let profile = self.profile()?.clone();
        self.announce(None)?;
        self.begin(Step::Secrets)?;
        let old = self.ways_in()?;
        self.choose_pin(&profile.pin)?;
        let mut wrong = 0;
        let puk = self.at_token(|walk, piv| {
            let puk = walk.unblock_by(piv, &old, &mut wrong)?;
            walk.unblock_openpgp(piv, &old)?;
            Ok(puk)
        })?;
        self.secrets = old.into_secrets(puk);
        self.prove(&profile)
    }

    /// Sets the new PIN with the first PUK that is right, and returns that PUK. Skips the PUKs that were wrong before.
    fn unblock_by(&self, piv: &mut Piv, old: &WaysIn, wrong: &mut usize) -> Result<Secret, Halt> {
        let pin = self.pin()?;
        let mut puks = old.puks().skip(*wrong).peekable();
        while let Some(puk) = puks.next() {
            // If the PIN is set already, setting it again does no harm, and restores its tries.
            match piv.unblock_pin(puk.expose(), pin.expose()) {
                Err(CardError::Wrong { .. }) if puks.peek().is_some() => *wrong += 1,
                done => return Ok(done.map(|()| Secret::new(puk.expose().to_vec()))?),
            }
        }
        Err(Halt::misbehaved("there is no PUK to try"))
    }

    /// The task `rotate_secrets`: replaces the PUK and the management key, with the old ones. Proves the keys before it sets anything,
    /// because the proof needs a person's touch and is the most likely to fail.
    pub(super) fn rotate_secrets(&mut self) -> Result<WalkEnd, Halt> {
        let profile = self.profile()?.clone();
        self.announce(None)?;
        self.take_back_factory_pin()?;
        self.ask_for_pin()?;
        self.begin(Step::Secrets)?;
        let old = self.ways_in()?;
        if old.fitting().is_none() {
            return Err(CardError::ManagementKey.into());
        }
        let proofs = self.prove_keys(&profile)?;
        self.make_secrets(&profile)?;
        self.at_token(|walk, piv| walk.lift_openpgp_tries(piv, &old))?;
        self.at_token(|walk, piv| walk.rotate_management_key(piv, &old))?;
        if self.desk.kept(PUK_SET)?.is_none() {
            self.at_token(|walk, piv| walk.rotate_puk(piv, &old, &profile.pin))?;
            self.at_token(|walk, piv| walk.rotate_openpgp(piv, &old))?;
            self.desk.keep(PUK_SET, &Secret::new(b"set".to_vec()))?;
        }
        self.begin(Step::Proof)?;
        self.hand_in(proofs)
    }

    fn rotate_management_key(&self, piv: &mut Piv, old: &WaysIn) -> Result<(), Halt> {
        let new = self.management_key()?;
        match piv.authenticate(&new) {
            Err(CardError::ManagementKey) => {}
            done => return Ok(done?),
        }
        let old = old.fitting().ok_or(CardError::ManagementKey)?;
        piv.authenticate(&ManagementKey::of(old))?;
        piv.set_management_key(&new)?;
        Ok(piv.authenticate(&new)?)
    }

    /// Sets the new PUK. Each wrong old PUK costs a try, and the right one restores them all. If there are too few tries for that, tries
    /// none, and sets the PUK through the factory's.
    fn rotate_puk(&mut self, piv: &mut Piv, old: &WaysIn, rules: &PinRules) -> Result<(), Halt> {
        let shown = self.puk_tries(piv)?;
        if self.desk.kept(PUK_ANEW)?.is_some() {
            return self.set_puk_anew(piv, rules);
        }
        let maybe_set = self.desk.kept(PUK_TRIED)?.is_some();
        let new = Secret::new(self.new_puk()?.expose().to_vec());
        let mut puks: Vec<&Secret> = old.puks().collect();
        if maybe_set {
            puks.insert(0, &new);
        }
        if usize::from(shown.left) < puks.len() && shown.left > 0 {
            return self.set_puk_anew(piv, rules);
        }
        if !maybe_set {
            self.desk.keep(PUK_TRIED, &Secret::new(b"tried".to_vec()))?;
        }
        let mut puks = puks.into_iter().peekable();
        while let Some(puk) = puks.next() {
            match piv.change_puk(puk.expose(), new.expose()) {
                Err(CardError::Wrong {
                    what: Reference::Puk,
                    ..
                }) if puks.peek().is_some() => {}
                done => return Ok(done?),
            }
        }
        Err(Halt::misbehaved("there is no PUK to try"))
    }

    /// Sets the PUK without the old one. Setting the number of tries makes PUK and PIN the factory's; the token shows whether they are, so
    /// this may be cut off anywhere. The PIN is set first, because it protects keys.
    fn set_puk_anew(&mut self, piv: &mut Piv, rules: &PinRules) -> Result<(), Halt> {
        if self.desk.kept(PUK_ANEW)?.is_none() {
            let pin = Secret::new(self.pin()?.expose().to_vec());
            self.desk.keep("pin", &pin)?;
            self.desk.keep(PUK_ANEW, &Secret::new(b"anew".to_vec()))?;
        }
        if !piv.pin_tries()?.factory && !self.puk_tries(piv)?.factory {
            self.give_pin(piv)?;
            piv.authenticate(&self.management_key()?)?;
            piv.set_tries(rules.retries, rules.puk_retries)?;
        }
        if piv.pin_tries()?.factory {
            piv.change_pin(FACTORY_PIN, self.pin()?.expose())?;
        }
        Ok(piv.change_puk(FACTORY_PUK, self.new_puk()?.expose())?)
    }

    /// Sets the PIN again if [`Self::set_puk_anew`] was cut off and left the factory's PIN: the person does not know that one.
    fn take_back_factory_pin(&mut self) -> Result<(), Halt> {
        let (Some(_), Some(pin)) = (self.desk.kept(PUK_ANEW)?, self.desk.kept("pin")?) else {
            return Ok(());
        };
        self.at_token(|_, piv| {
            if piv.pin_tries()?.factory {
                piv.change_pin(FACTORY_PIN, pin.expose())?;
            }
            Ok(())
        })
    }

    fn new_puk(&self) -> Result<&Secret, Halt> {
        let new = self.secrets.as_ref().map(|secrets| &secrets.puk);
        new.ok_or_else(|| Halt::misbehaved("no PUK was made"))
    }
}
