//! Decisions about tokens that reach into other histories: their keys, their holders, the users bound to them.

mod certify;
mod escrow;
mod given;
mod install;
mod keys;
mod made;
mod reports;
mod revoke_certificate;

pub(crate) use certify::Born;
pub use certify::KEPT_ELSEWHERE;
pub use made::OPENPGP_FINGERPRINT;

use super::{Deciding, Decision, Reader};
use crate::{
    key::{self, RevocationReason},
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
    stamp::Role,
    text::Title,
    time::Timestamp,
    token::{
        self, FilesTask, Holder, OfToken, Phase, TaskFiled, TaskKind, TaskMade, ToProvision, Token,
    },
    user::User,
};

/// How many tokens an agent may announce that nobody has enrolled.
pub const UNCLAIMED_TOKENS: usize = 64;

impl<'a> Reader<'a> {
    /// The agent of a workstation, if it may work at `now`.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadValue`] if there is none, or it was revoked.
    pub fn agent(&self, workstation: &Name, now: Timestamp) -> Result<&'a User, Rejection> {
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
        let mut all = self.authorities();
        all.retain(|(name, _)| self.certifies(name, now));
        // One that certifies authorities only, a root, is not meant to certify tokens.
        let below = |(name, key): &(&'a Name, &key::Key)| key.parent.is_some().then_some(*name);
        let mut lowest: Vec<&Name> = all.iter().filter_map(below).collect();
        if lowest.is_empty() {
            lowest = all.into_iter().map(|(name, _)| name).collect();
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

    /// A token in quarantine is trusted again only while none of its keys was revoked.
    fn check_trustworthy<V: FilesTask>(&self, name: &Name, token: &Token) -> Result<(), Rejection> {
        use crate::key::State as S;
        let sound = token.keys.iter().all(|on_it| {
            let key = self.key(&on_it.key).map(|e| e.state.state);
            matches!(key, Some(S::Active | S::Suspended))
        });
        if sound {
            return Ok(());
        }
        Err(V::refused(
            name,
            token,
            "its keys were revoked: reset it, or provision it anew",
        ))
    }

    /// Everything on a lost token is revoked with it.
    pub(crate) fn lose(
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
            .filter(|name| self.goes_on(name))
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
            decision.add(&target, vec![crate::user::Event::Revoked(revoked)]);
        }
        self.add_revocations(&users, now, decision)
    }
}

impl Deciding<'_> {
    /// Files a task for a workstation's agent.
    pub(crate) fn file_task<V: FilesTask>(
        &self,
        command: &V,
        made: Option<&TaskMade>,
    ) -> Result<Decision, Rejection> {
        let (name, token) = (self.name(), self.token()?);
        token::check_task(name, token, command)?;
        if V::KIND == TaskKind::Verify && token.phase == Phase::Quarantined {
            self.ledger.check_trustworthy::<V>(name, token)?;
        }
        let refused = |remedy| V::refused(name, token, remedy);
        let made = made.ok_or_else(|| refused("nothing was made for it: try again"))?;
        let workstation = token::workstation_of(name, token, command)?;
        let agent = self.ledger.agent(workstation, self.now);
        let agent = agent.map_err(|gone| without_home(name, V::KIND, gone))?;
        let (mut holder, mut issuer) = (None, None);
        if let Some(provision) = command.provision() {
            let principal = token.principal.as_ref();
            let principal = principal.ok_or_else(|| refused("assign it to a principal first"))?;
            let of_task = self.holder(principal, provision)?;
            issuer = self.issuer(&of_task, provision)?;
            holder = Some(of_task);
        }
        Ok(self.writes([token::Event::TaskFiled(TaskFiled {
            task: made.task,
            kind: V::KIND,
            workstation: workstation.clone(),
            agent: agent.nkey.clone(),
            holder,
            profile: token::profile_of(token, command).cloned(),
            issuer,
            nonce: made.nonce.clone(),
            seal_to: made.seal_to.clone(),
            challenges: made.challenges.clone(),
        })]))
    }

    /// Who is to hold the token.
    fn holder(&self, principal: &Name, provision: ToProvision<'_>) -> Result<Holder, Rejection> {
        self.acting(principal)?;
        let state = self.ledger.principal(principal).map(|entry| &entry.state);
        let title = state.and_then(|state| state.title.clone());
        let title = title
            .unwrap_or_else(|| Title::new(principal.as_str()).expect("a name is a line of text"));
        let email = provision.email.cloned().map(Title::from);
        let openpgp = state.and_then(|state| state.openpgp.as_ref());
        Ok(Holder {
            principal: principal.clone(),
            title,
            openpgp: openpgp.map(|openpgp| openpgp.certificate.clone()),
            email: email.or_else(|| state.and_then(|state| state.email.clone())),
        })
    }

    /// Who is to certify the keys of the token's slots, if the profile asks for certificates.
    fn issuer(
        &self,
        holder: &Holder,
        provision: ToProvision<'_>,
    ) -> Result<Option<Name>, Rejection> {
        let slots = provision.profile.piv.values();
        let mut plans = slots
            .filter_map(|slot| slot.certificate.as_ref())
            .peekable();
        if plans.peek().is_none() {
            return Ok(None);
        }
        check_email(holder)?;
        for plan in plans {
            token::subject(&plan.subject, holder, self.name())?;
        }
        self.ledger
            .authority_for(provision.issuer, self.now)
            .map(Some)
    }
}

/// What to do where the workstation that alone may be given a token's secrets has no agent any more.
fn without_home(name: &Name, kind: TaskKind, gone: Rejection) -> Rejection {
    let way = match kind {
        TaskKind::Unblock => {
            "have an approver release the PUK, and set a new PIN with `ykman piv access unblock-pin`: `keyledger token release"
        }
        TaskKind::RotateSecrets => {
            "prove the token at another workstation first: `keyledger token verify"
        }
        TaskKind::Provision | TaskKind::Verify | TaskKind::Reset => return gone,
    };
    let Rejection::BadValue { field, fault } = gone else {
        return gone;
    };
    Rejection::BadValue {
        field,
        fault: format!("{fault}; or {way} {name}`"),
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
