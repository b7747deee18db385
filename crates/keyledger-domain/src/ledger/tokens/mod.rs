//! Decisions about tokens that reach into other histories: their keys, their holders, the users bound to them.

mod certify;
mod escrow;
mod given;
mod install;
mod keys;
mod made;
mod reports;
mod revoke_certificate;

pub(in crate::ledger) use certify::Born;
pub use certify::KEPT_ELSEWHERE;
pub use escrow::NewEscrow;
pub use made::OPENPGP_FINGERPRINT;

use std::collections::BTreeMap;

use super::{Decision, Facts, Fingerprint, Ledger, Made};
use crate::{
    command::Target,
    event::Event,
    key::{Certified, RevocationReason},
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
    stamp::Role,
    text::Title,
    time::Timestamp,
    token::{self, Filing, Findings, Holder, Phase, Slot, TaskKind, Token},
    user::User,
};

/// How many tokens an agent may announce that nobody has enrolled.
pub const UNCLAIMED_TOKENS: usize = 64;

/// What was found out about a report, and made for it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReportFacts {
    /// What cryptography found.
    pub findings: Findings,
    /// The certificates that were signed, by slot.
    pub certificates: BTreeMap<Slot, NewCertificate>,
    /// The entry that the sealed secrets were written to.
    pub entry: Option<Box<str>>,
    /// The key that was made in custody, to be imported.
    pub escrow: Option<NewEscrow>,
}

/// A certificate that was signed for a key in a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCertificate {
    /// The certificate.
    pub certified: Certified,
    /// Base64 of the DER `SubjectPublicKeyInfo` it is over.
    pub public_key: Box<str>,
}

impl Ledger {
    /// The agent of a workstation, if it may work at `now`.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadValue`] if there is none, or it was revoked.
    pub fn agent(&self, workstation: &Name, now: Timestamp) -> Result<&User, Rejection> {
        let bad = |fault: String| Rejection::BadValue {
            field: "workstation",
            fault,
        };
        let user = self.user(workstation).map(|e| &e.state);
        let agent = user.filter(|user| user.role == Some(Role::Agent));
        let agent = agent.ok_or_else(|| {
            bad(format!(
                "{workstation} has no agent: enrol one with `keyledger agent enrol {workstation}`"
            ))
        })?;
        if agent.is_live(now) {
            Ok(agent)
        } else {
            Err(bad(format!(
                "the agent of {workstation} was revoked or has expired: enrol it again under another name, there with \
                 `keyledger-agent enrol --name NEW-NAME`"
            )))
        }
    }

    /// The key whose certificates a task asks for: the one named, or the only one that is an authority.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadValue`] if it is no authority, or none or several are.
    pub fn authority_for(&self, named: Option<&Name>, now: Timestamp) -> Result<Name, Rejection> {
        let bad = |fault: String| Rejection::BadValue {
            field: "issuer",
            fault,
        };
        if let Some(name) = named {
            return if self.certifies(name, now) {
                Ok(name.clone())
            } else {
                Err(bad(format!(
                    "key {name} is no authority: an active key of purpose certify, in custody, with a certificate of \
                     an authority that holds (`keyledger ca certify`)"
                )))
            };
        }
        let mut all = self.keys().filter(|(name, _)| self.certifies(name, now));
        // One that certifies authorities only, a root, is not meant to certify tokens.
        let mut lowest: Vec<&Name> = all
            .by_ref()
            .filter(|(_, key)| key.state.parent.is_some())
            .map(|(name, _)| name)
            .collect();
        if lowest.is_empty() {
            let all = self.keys().filter(|(name, _)| self.certifies(name, now));
            lowest = all.map(|(name, _)| name).collect();
        }
        match lowest[..] {
            [one] => Ok(one.clone()),
            [] => Err(bad(
                "the profile asks for certificates and no key is an authority: make one with `keyledger ca create`"
                    .to_owned(),
            )),
            _ => {
                lowest.sort_unstable();
                let names: Vec<_> = lowest.iter().map(|name| name.as_str()).collect();
                Err(bad(format!(
                    "several keys are authorities, name one with --issuer: {}",
                    names.join(", ")
                )))
            }
        }
    }

    pub(super) fn decide_token(
        &self,
        target: &Target,
        command: &token::Command,
        facts: &Facts,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        use token::Command as C;
        let name = &target.name;
        let token = self.token(name).map(|e| &e.state);
        match command {
            C::Assign(c) => {
                self.check_acting(&c.principal)?;
            }
            C::Transfer(c) => {
                self.check_acting(&c.principal)?;
            }
            C::Release(c) => self.check_sound("seal_to", Fingerprint::of_nkey(&c.seal_to))?,
            C::Bind(c) => {
                let id = HistoryId::new(Aggregate::User, c.user.clone());
                let user = self
                    .user(&c.user)
                    .ok_or_else(|| Rejection::NotFound(id.clone()))?;
                if !user.state.is_live(facts.now) {
                    return Err(Rejection::Ended(id));
                }
            }
            _ => {}
        }
        let filing = match (&facts.made, token, command.task()) {
            (Made::Task(task, made), Some(token), Some(kind)) => {
                token::check_task(name, token, command, kind)?;
                if kind == TaskKind::Verify && token.phase == Phase::Quarantined {
                    self.check_trustworthy(name, token, command)?;
                }
                Some(self.filing(name, token, command, *task, made, facts.now)?)
            }
            _ => None,
        };
        let events = token::decide(name, token, command, filing, facts.now)?;
        let changes = !events.is_empty();
        decision.add(target, events, Event::Token);
        if let (C::Lose(_), Some(token), true) = (command, token, changes) {
            self.lose(token, facts.now, decision)?;
        }
        if let (C::Cancel(_), Some(token)) = (command, token) {
            self.end_too_early(token, None, facts.now, decision);
        }
        if let (C::Destroy(_), Some(token), true) = (command, token, changes) {
            for gone in token.all_keys() {
                self.destroy_key(&gone.key, facts.now, decision);
            }
        }
        Ok(())
    }

    fn filing(
        &self,
        name: &Name,
        token: &Token,
        command: &token::Command,
        task: uuid::Uuid,
        made: &token::TaskFacts,
        now: Timestamp,
    ) -> Result<Filing, Rejection> {
        let workstation = token::workstation_of(name, token, command)?;
        let agent = self.agent(workstation, now);
        let agent = agent.map_err(|gone| without_home(name, command, gone))?;
        let agent = agent.nkey.clone();
        let (mut holder, mut issuer) = (None, None);
        if let token::Command::Provision(provision) = command {
            let principal = token
                .principal
                .as_ref()
                .ok_or_else(|| Rejection::TokenNotAllowed {
                    token: name.clone(),
                    phase: token.phase,
                    verb: command.verb(),
                    remedy: "assign it to a principal first",
                })?;
            self.check_acting(principal)?;
            let title = self
                .principal(principal)
                .and_then(|e| e.state.title.clone());
            let title = title.unwrap_or_else(|| {
                Title::new(principal.as_str()).expect("a name is a line of text")
            });
            holder = Some(Holder {
                principal: principal.clone(),
                title,
                openpgp: self
                    .principal(principal)
                    .and_then(|e| e.state.openpgp.as_ref())
                    .map(|o| o.certificate.clone()),
                email: provision.email.clone().map(Title::from).or_else(|| {
                    self.principal(principal)
                        .and_then(|e| e.state.email.clone())
                }),
            });
            let slots = provision.profile.piv.values();
            let plans: Vec<_> = slots.filter_map(|p| p.certificate.as_ref()).collect();
            if let (Some(holder), false) = (&holder, plans.is_empty()) {
                check_email(holder)?;
                for plan in plans {
                    token::subject(&plan.subject, holder, name)?;
                }
                issuer = Some(self.authority_for(provision.issuer.as_ref(), now)?);
            }
        }
        Ok(Filing {
            task,
            agent,
            holder,
            issuer,
            made: made.clone(),
        })
    }

    /// A token in quarantine is trusted again only while none of its keys was revoked.
    fn check_trustworthy(
        &self,
        name: &Name,
        token: &Token,
        command: &token::Command,
    ) -> Result<(), Rejection> {
        use crate::key::State as S;
        let sound = token.keys.iter().all(|on_it| {
            let key = self.key(&on_it.key).map(|e| e.state.state);
            matches!(key, Some(S::Active | S::Suspended))
        });
        if sound {
            return Ok(());
        }
        Err(Rejection::TokenNotAllowed {
            token: name.clone(),
            phase: token.phase,
            verb: command.verb(),
            remedy: "its keys were revoked: reset it, or provision it anew",
        })
    }

    /// Everything on a lost token is revoked with it.
    fn lose(
        &self,
        token: &Token,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        for key in token.may_hold() {
            self.revoke_key(key, RevocationReason::KeyCompromise, now, decision);
        }
        let mut users: Vec<&Name> = token
            .users
            .iter()
            .filter(|name| {
                self.user(name)
                    .is_some_and(|u| u.state.revoked_at.is_none())
            })
            .collect();
        users.sort_unstable();
        // The loss is recorded whoever is bound to it: the last administrator stays, so that somebody can go on.
        let mut gone = Vec::with_capacity(users.len());
        for user in users {
            gone.push(user);
            if self.check_dispensable(&gone, now).is_err() {
                gone.pop();
            }
        }
        let users = gone;
        for name in &users {
            let Some(user) = self.user(name) else {
                continue;
            };
            let revoked = crate::user::Revoked {
                nkey: user.state.nkey.clone(),
                revoked_at: now,
            };
            let target = HistoryId::new(Aggregate::User, (*name).clone());
            decision.add(
                &target,
                vec![crate::user::Event::Revoked(revoked)],
                Event::User,
            );
        }
        self.add_revocations(&users, now, decision)
    }
}

/// What to do where the workstation that alone may be given a token's secrets has no agent any more.
fn without_home(name: &Name, command: &token::Command, gone: Rejection) -> Rejection {
    let way = match (command.task(), &gone) {
        (Some(TaskKind::Unblock), Rejection::BadValue { .. }) => {
            "have an approver release the PUK, and set a new PIN with `ykman piv access unblock-pin`: `keyledger token release"
        }
        (Some(TaskKind::RotateSecrets), Rejection::BadValue { .. }) => {
            "prove the token at another workstation first: `keyledger token verify"
        }
        _ => return gone,
    };
    match gone {
        Rejection::BadValue { field, fault } => Rejection::BadValue {
            field,
            fault: format!("{fault}; or {way} {name}`"),
        },
        other => other,
    }
}

/// A holder whose certificate could not be made is found out before the token is touched.
fn check_email(holder: &Holder) -> Result<(), Rejection> {
    let bad = |field, fault: String| Err(Rejection::BadValue { field, fault });
    let Some(email) = &holder.email else {
        return Ok(());
    };
    let text = email.as_str();
    let parts = text.split_once('@');
    let plain = text.bytes().all(|b| b.is_ascii_graphic());
    match parts {
        Some((local, domain))
            if plain && !local.is_empty() && domain.contains('.') && !domain.contains('@') =>
        {
            Ok(())
        }
        _ => bad(
            "email",
            format!(
                "{text:?} is no e-mail address: correct it with `principal describe`, or give another"
            ),
        ),
    }
}
