//! The OpenPGP applet: sets PINs, makes keys, sets flags, reads everything back, and proves each key.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64, HEXLOWER};
use keyledger_custody::{
    Secret,
    openpgp::{Bind, Certificate, PublicSubkey},
};
use keyledger_domain::{
    Timestamp,
    token::{
        FailureCode, OpenpgpKeyMade, OpenpgpPlan, OpenpgpProof, OpenpgpRole, Prompt, SubkeyPlan,
        statement,
    },
};

use super::{
    Halt, Walk,
    proof::{authenticated, base64},
    ways_in::WaysIn,
};
use crate::card::{CardError, FACTORY_ADMIN_PIN, Openpgp, OpenpgpKey, PinPurpose, Piv, Reference};

/// Name in the journal: the new admin PIN may be on the card.
const ADMIN_TRIED: &str = "admin.tried";

/// The admin PIN may be wrong this often while it is being changed: the most that the applet can count.
const ADMIN_TRIES: u8 = 15;

impl Walk<'_> {
    /// Sets the PINs of the OpenPGP applet. The user PIN is that of PIV, so that the person has one PIN to remember.
    pub(super) fn set_openpgp_secrets(&mut self, plan: &OpenpgpPlan) -> Result<(), Halt> {
        self.at_token(|walk, piv| {
            walk.set_pin_anew(piv)?;
            piv.with_openpgp(|card| walk.set_openpgp_pins(card, plan))
        })
    }

    /// Sets the PINs. The applet does not show which PINs it has, so this tries our admin PIN only if it may be set already, and otherwise
    /// the factory's. The number of tries is set afterwards: with a single try, none would be left to find out.
    fn set_openpgp_pins(&mut self, card: &mut Openpgp<'_>, plan: &OpenpgpPlan) -> Result<(), Halt> {
        let maybe_set = self.desk.kept(ADMIN_TRIED)?.is_some();
        if !maybe_set {
            let mark = Secret::new(b"tried".to_vec());
            self.desk.keep(ADMIN_TRIED, &mark)?;
        }
        let (admin, code) = self.openpgp_secrets()?;
        if !maybe_set || !is_right(card.verify_admin_pin(admin.expose()))? {
            card.change_admin_pin(FACTORY_ADMIN_PIN, admin.expose())?;
            card.verify_admin_pin(admin.expose())?;
        }
        // This sets the PIN whatever it was before, and costs no try.
        let pin = self.pin()?;
        card.unblock_pin(pin.expose())?;
        card.set_tries(plan.retries, plan.retries)?;
        card.set_reset_code(code.expose())?;
        card.verify_pin(pin.expose(), PinPurpose::Using)?;
        card.verify_admin_pin(admin.expose())?;
        let tries = card.tries()?;
        if (tries.pin, tries.admin_pin) == (plan.retries, plan.retries) {
            return Ok(());
        }
        Err(Halt::misbehaved(
            "the OpenPGP applet shows another number of tries than the one that was set",
        ))
    }

    /// Makes or imports the keys that the plan asks for and the card does not have.
    pub(super) fn make_openpgp_keys(&mut self, plan: &OpenpgpPlan) -> Result<(), Halt> {
        for role in OpenpgpRole::ALL {
            let subkey = subkey(plan, role);
            self.say(Some(&role.place()))?;
            if subkey.escrow {
                self.import_openpgp_key(subkey)?;
                continue;
            }
            self.at_token(|walk, piv| {
                piv.with_openpgp(|card| walk.make_openpgp_key(card, role, subkey))
            })?;
        }
        Ok(())
    }

    fn make_openpgp_key(
        &self,
        card: &mut Openpgp<'_>,
        role: OpenpgpRole,
        plan: &SubkeyPlan,
    ) -> Result<(), Halt> {
        if card.key(role)?.is_some_and(|key| fits(&key, plan)) {
            return Ok(());
        }
        let (admin, _) = self.openpgp_secrets()?;
        card.verify_admin_pin(admin.expose())?;
        card.generate(role, plan.algorithm, plan.touch, now()?)?;
        if card.key(role)?.is_some_and(|key| fits(&key, plan)) {
            return Ok(());
        }
        Err(Halt::misbehaved(format!(
            "the key that the token made for {} is not what was asked for",
            role.place()
        )))
    }

    /// The keys, for the report of what was made.
    pub(super) fn openpgp_keys_made(&mut self) -> Result<Vec<OpenpgpKeyMade>, Halt> {
        self.at_token(|_, piv| {
            piv.with_openpgp(|card| {
                let mut made = Vec::new();
                for role in OpenpgpRole::ALL {
                    let key = existing(card, role)?;
                    made.push(OpenpgpKeyMade {
                        role,
                        algorithm: key.algorithm,
                        public_key: base64(&key.public_key),
                        created_at: key.created_at.into(),
                        fingerprint: HEXLOWER.encode(&key.fingerprint).into(),
                        bind: None,
                    });
                }
                Ok(made)
            })
        })
    }

    /// Adds to each key what the holder's certify key needs to bind it. The signing key agrees by a signature over the primary key.
    pub(super) fn agree_to_be_bound(&mut self, made: &mut [OpenpgpKeyMade]) -> Result<(), Halt> {
        let holder = self.task.holder.as_ref();
        let Some(certificate) = holder.and_then(|h| h.openpgp.as_deref()) else {
            return Ok(());
        };
        let bytes = BASE64.decode(certificate.as_bytes()).map_err(unfit)?;
        let certificate = Certificate::parse(&bytes).map_err(unfit)?;
        for key in made {
            let subkey = PublicSubkey::try_from(&*key).map_err(unfit)?;
            let now = Timestamp::from_seconds(i64::from(now()?));
            let bind = Bind::prepare(&certificate, subkey, now).map_err(unfit)?;
            let signature = match bind.to_sign() {
                Some(asked) => {
                    let role = key.role;
                    Some(self.at_token(|walk, piv| {
                        piv.with_openpgp(|card| {
                            let touch = existing(card, role)?.touch;
                            walk.use_openpgp(card, role, touch, |card| {
                                card.sign_raw(role, asked.digest)
                            })
                        })
                    })?)
                }
                None => None,
            };
            let proven = bind.finish(signature.as_deref()).map_err(unfit)?;
            let json = serde_json::to_string(&proven).map_err(unfit)?;
            key.bind = Some(json.into());
        }
        Ok(())
    }

    /// Proves each key. A signing key signs the SHA-256 of the statement: for Ed25519 the hash is the message, as OpenPGP defines it; for
    /// P-256 it is what ECDSA signs. The decryption key agrees on a secret with the challenge of its curve.
    pub(super) fn prove_openpgp(&mut self, plan: &OpenpgpPlan) -> Result<Vec<OpenpgpProof>, Halt> {
        let mut proofs = Vec::new();
        for role in OpenpgpRole::ALL {
            let subkey = subkey(plan, role);
            self.say(Some(&role.place()))?;
            proofs.push(self.at_token(|walk, piv| {
                piv.with_openpgp(|card| walk.prove_openpgp_key(card, role, subkey))
            })?);
        }
        Ok(proofs)
    }

    fn prove_openpgp_key(
        &mut self,
        card: &mut Openpgp<'_>,
        role: OpenpgpRole,
        plan: &SubkeyPlan,
    ) -> Result<OpenpgpProof, Halt> {
        let key = existing(card, role)?;
        let task = self.task.task.to_string();
        let statement = statement(&task, &self.task.nonce, self.serial, &role.place());
        let proof = if role == OpenpgpRole::Encrypt {
            let point = self.challenge(plan.algorithm)?;
            let agreed = self.use_openpgp(card, role, key.touch, |card| card.agree(&point))?;
            authenticated(agreed.expose(), &statement)
        } else {
            let hash = digest(&SHA256, &statement);
            self.use_openpgp(card, role, key.touch, |card| {
                card.sign(role, key.algorithm, hash.as_ref())
            })?
        };
        Ok(OpenpgpProof {
            role,
            fingerprint: HEXLOWER.encode(&key.fingerprint).into(),
            touch: key.touch,
            public_key: base64(&key.public_key),
            proof: base64(&proof),
        })
    }

    fn use_openpgp<T>(
        &mut self,
        card: &mut Openpgp<'_>,
        role: OpenpgpRole,
        touch: bool,
        mut work: impl FnMut(&mut Openpgp<'_>) -> Result<T, CardError>,
    ) -> Result<T, Halt> {
        let purpose = match role {
            OpenpgpRole::Sign => PinPurpose::Signing,
            OpenpgpRole::Encrypt | OpenpgpRole::Authenticate => PinPurpose::Using,
        };
        for _ in 0..self.patience.touches {
            card.verify_pin(self.openpgp_pin()?.expose(), purpose)?;
            if touch {
                self.desk.show(self.serial, Prompt::Touch, &role.place())?;
            }
            match work(card) {
                Err(CardError::Denied(_)) if touch => {}
                done => return Ok(done?),
            }
        }
        let detail = format!(
            "nobody touched the token for {}, {} times",
            role.place(),
            self.patience.touches
        );
        Err(Halt::failed(FailureCode::NotTouched, detail))
    }

    /// Sets a new OpenPGP PIN, even if the old one is blocked. Needs the admin PIN.
    pub(super) fn unblock_openpgp(&self, piv: &mut Piv, old: &WaysIn) -> Result<(), Halt> {
        let mut admins = old.admin_pins().peekable();
        if admins.peek().is_none() {
            return Ok(());
        }
        piv.with_openpgp(|card| {
            while let Some(admin) = admins.next() {
                match card.verify_admin_pin(admin.expose()) {
                    Err(CardError::Wrong { .. }) if admins.peek().is_some() => {}
                    verified => {
                        verified?;
                        break;
                    }
                }
            }
            Ok(card.unblock_pin(self.pin()?.expose())?)
        })
    }

    /// Raises the number of tries of the admin PIN, before any secret is set: if a change is cut off, it is not known which admin PIN is
    /// set. While the number is still that of the profile, no change has begun, and the admin PIN belongs to the secrets whose management
    /// key fits.
    pub(super) fn lift_openpgp_tries(&mut self, piv: &mut Piv, old: &WaysIn) -> Result<(), Halt> {
        if self.desk.kept(ADMIN_TRIED)?.is_some() {
            return Ok(()); // this task has done so already, and may have set the number back
        }
        let retries = self.profile()?.openpgp.as_ref().map(|plan| plan.retries);
        let (Some(retries), Some(admin)) = (retries, old.admin_pins().next()) else {
            return Ok(());
        };
        piv.with_openpgp(|card| {
            let lifted = card.tries()?.admin_pin > retries;
            if lifted || retries >= ADMIN_TRIES || !is_right(card.verify_admin_pin(admin.expose()))?
            {
                return Ok(());
            }
            Ok(card.set_tries(retries, ADMIN_TRIES)?)
        })
    }

    /// Sets the new admin PIN and reset code, and sets the number of tries back. Needs the old admin PIN. The applet does not show which
    /// admin PIN it has, so this tries the new one only if it may be set already.
    pub(super) fn rotate_openpgp(&mut self, piv: &mut Piv, old: &WaysIn) -> Result<(), Halt> {
        let retries = self.profile()?.openpgp.as_ref().map(|plan| plan.retries);
        let Some(retries) = retries.filter(|_| old.admin_pins().next().is_some()) else {
            return Ok(());
        };
        let maybe_set = self.desk.kept(ADMIN_TRIED)?.is_some();
        if !maybe_set {
            let mark = Secret::new(b"tried".to_vec());
            self.desk.keep(ADMIN_TRIED, &mark)?;
        }
        let (new, code) = self.openpgp_secrets()?;
        piv.with_openpgp(|card| {
            if !maybe_set || !is_right(card.verify_admin_pin(new.expose()))? {
                change_admin_pin(card, old, new)?;
                card.verify_admin_pin(new.expose())?;
            }
            card.set_reset_code(code.expose())?;
            Ok(card.set_tries(retries, retries)?)
        })
    }

    /// The PIN of the OpenPGP applet: that of PIV, unless the token has shown that it is another.
    fn openpgp_pin(&self) -> Result<&Secret, Halt> {
        self.openpgp_pin.as_ref().map_or_else(|| self.pin(), Ok)
    }

    pub(super) fn openpgp_secrets(&self) -> Result<(&Secret, &Secret), Halt> {
        let secrets = self.secrets.as_ref();
        let both = secrets.and_then(|secrets| {
            let admin = secrets.openpgp_admin_pin.as_ref()?;
            Some((admin, secrets.openpgp_reset_code.as_ref()?))
        });
        both.ok_or_else(|| Halt::misbehaved("the OpenPGP admin PIN is not known"))
    }
}

fn unfit(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Halt {
    Halt::misbehaved_by(
        "the keys cannot be bound to the holder's OpenPGP certificate",
        why,
    )
}

/// Sets the new admin PIN, with the first of the old ones that is right.
fn change_admin_pin(card: &mut Openpgp<'_>, old: &WaysIn, new: &Secret) -> Result<(), CardError> {
    let mut admins = old.admin_pins().peekable();
    while let Some(admin) = admins.next() {
        match card.change_admin_pin(admin.expose(), new.expose()) {
            Err(CardError::Wrong { .. }) if admins.peek().is_some() => {}
            done => return done,
        }
    }
    Ok(())
}

const fn subkey(plan: &OpenpgpPlan, role: OpenpgpRole) -> &SubkeyPlan {
    match role {
        OpenpgpRole::Sign => &plan.sign,
        OpenpgpRole::Encrypt => &plan.encrypt,
        OpenpgpRole::Authenticate => &plan.authenticate,
    }
}

fn fits(key: &OpenpgpKey, plan: &SubkeyPlan) -> bool {
    key.generated && key.algorithm == plan.algorithm && key.touch == plan.touch
}

pub(super) fn existing(card: &mut Openpgp<'_>, role: OpenpgpRole) -> Result<OpenpgpKey, Halt> {
    let key = card.key(role)?;
    key.ok_or_else(|| Halt::misbehaved(format!("the token has no key for {}", role.place())))
}

fn is_right(tried: Result<(), CardError>) -> Result<bool, CardError> {
    match tried {
        Ok(()) => Ok(true),
        Err(CardError::Wrong {
            what: Reference::OpenpgpPin | Reference::OpenpgpAdminPin,
            ..
        }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Seconds since 1970, as OpenPGP counts them: until 2106.
fn now() -> Result<u32, Halt> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since
        .ok()
        .and_then(|since| u32::try_from(since.as_secs()).ok());
    seconds.ok_or_else(|| Halt::misbehaved("this machine's clock is wrong: set it"))
}
