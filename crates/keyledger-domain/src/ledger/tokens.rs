//! Decisions about tokens that reach into other histories: their keys, their holders, the users bound to them.

use std::collections::BTreeMap;

use super::{Decision, Facts, Ledger, Made};
use crate::{
    algorithm::{Algorithm, Purpose, Purposes},
    command::Target,
    event::Event,
    key::{self, Certified, Custodian, Dates, Description, KeyFacts, Public, RevocationReason},
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
    stamp::Role,
    text::{Note, Reason, Title},
    time::Timestamp,
    token::{
        self, EvidenceFault, Filing, Findings, Holder, KeysMadeOn, Phase, Profile, Proved,
        Quarantined, Report, Reported, SecretsEscrowed, SecretsReleased, Slot, TaskEnded, TaskKind,
        Token, TokenKey,
    },
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
                "the agent of {workstation} was revoked or has expired: enrol it again under another name"
            )))
        }
    }

    /// The key whose certificates a task asks for: the one named, or the only one that is an authority.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadValue`] if it is no authority, or none or several are.
    pub fn authority_for(&self, named: Option<&Name>) -> Result<Name, Rejection> {
        let bad = |fault: String| Rejection::BadValue {
            field: "issuer",
            fault,
        };
        if let Some(name) = named {
            let issues = self.key(name).is_some_and(|key| issues(&key.state));
            return if issues {
                Ok(name.clone())
            } else {
                Err(bad(format!(
                    "key {name} is no authority: an active key of purpose certify, in custody, with a certificate of \
                     an authority (`keyledger key certify`)"
                )))
            };
        }
        let mut all = self.keys().filter(|(_, key)| issues(&key.state));
        // One that certifies authorities only, a root, is not meant to certify tokens.
        let mut lowest: Vec<&Name> = all
            .by_ref()
            .filter(|(_, key)| key.state.parent.is_some())
            .map(|(name, _)| name)
            .collect();
        if lowest.is_empty() {
            let all = self.keys().filter(|(_, key)| issues(&key.state));
            lowest = all.map(|(name, _)| name).collect();
        }
        match lowest[..] {
            [one] => Ok(one.clone()),
            [] => Err(bad(
                "the profile asks for certificates and no key is an authority: make one with `keyledger ca create`"
                    .to_owned(),
            )),
            _ => Err(bad("several keys are authorities: name one".to_owned())),
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
            (Made::Task(task, made), Some(token), Some(_)) => {
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
            self.end_too_early(token, facts.now, decision);
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
        let workstation = command.workstation().or(token.workstation.as_ref());
        let workstation = workstation.ok_or_else(|| Rejection::BadValue {
            field: "workstation",
            fault: format!("token {name} was never seen: name the workstation it is plugged into"),
        })?;
        let agent = self.agent(workstation, now)?.nkey.clone();
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
                email: provision.email.clone().or_else(|| {
                    self.principal(principal)
                        .and_then(|e| e.state.email.clone())
                }),
            });
            let certifies = provision
                .profile
                .piv
                .values()
                .any(|p| p.certificate.is_some());
            if certifies {
                issuer = Some(self.authority_for(provision.issuer.as_ref())?);
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

    /// Everything on a lost token is revoked with it.
    fn lose(
        &self,
        token: &Token,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        for on_it in token.all_keys() {
            self.revoke_key(&on_it.key, RevocationReason::KeyCompromise, now, decision);
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
        self.check_dispensable(&users, now)?;
        self.add_revocations(&users, now, decision);
        Ok(())
    }

    /// Decides what an agent's report adds to the ledger.
    pub(super) fn decide_report(
        &self,
        target: &Target,
        reported: &Reported,
        facts: &Facts,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        let now = facts.now;
        let refuse = |why: &str| Rejection::Unauthorised {
            why: why.to_owned(),
        };
        let workstation = self
            .user_of_nkey(&reported.agent)
            .filter(|name| self.agent(name, now).is_ok())
            .ok_or_else(|| refuse("its nkey is no live agent's"))?;
        let token = self.token(&target.name).map(|e| &e.state);
        if let Report::Announced(shown) = &reported.report {
            if token.is_none() {
                self.check_unclaimed(workstation)?;
            }
            let events = token::announce(token, workstation, shown)?;
            decision.add(target, events, Event::Token);
            return Ok(());
        }
        let open = token.and_then(|token| token.task.as_ref());
        let open = open.filter(|open| {
            Some(open.filed.task) == reported.task && open.filed.agent == reported.agent
        });
        let (Some(token), Some(open)) = (token, open) else {
            return Err(Rejection::TaskNotOpen {
                token: target.name.clone(),
            });
        };
        let nothing = ReportFacts::default();
        let found = match &facts.made {
            Made::Report(found) => found,
            _ => &nothing,
        };
        let task = open.filed.task;
        let serial = reported.report.serial();
        let events = match &reported.report {
            Report::Announced(_) => vec![],
            Report::Progressed(p) => token::progress(token, task, p.step),
            Report::SecretsSealed(_) => {
                let entry = found.entry.clone().ok_or_else(|| Rejection::BadValue {
                    field: "sealed",
                    fault: "the secrets were not taken into custody".to_owned(),
                })?;
                vec![token::Event::SecretsEscrowed(SecretsEscrowed {
                    task,
                    entry,
                })]
            }
            Report::SecretsWanted(wanted) => {
                let allowed =
                    matches!(open.filed.kind, TaskKind::Unblock | TaskKind::RotateSecrets);
                if !allowed || token.entry.is_none() {
                    return Err(refuse("this task is given no secrets"));
                }
                vec![token::Event::SecretsReleased(SecretsReleased {
                    seal_to: wanted.seal_to.clone(),
                    task: Some(task),
                })]
            }
            Report::KeysMade(_) => {
                let Some(profile) = open.filed.profile.as_ref() else {
                    return Err(refuse("this task makes no keys"));
                };
                match token::check_made(serial, profile, &found.findings) {
                    Ok(attested) => {
                        let attested: Vec<_> = attested
                            .into_iter()
                            .map(|(s, a)| (s, a.public_key.clone()))
                            .collect();
                        return self
                            .keys_made(target, token, profile, &attested, found, now, decision);
                    }
                    Err(fault) => {
                        return self.quarantine(target, token, &fault, now, decision);
                    }
                }
            }
            Report::Proved(evidence) => {
                return self.proved(target, token, evidence, &found.findings, now, decision);
            }
            Report::Failed(failure) => {
                self.end_too_early(token, now, decision);
                vec![token::fail(task, failure)]
            }
        };
        // The target's own events stand first.
        let others = std::mem::take(&mut decision.events);
        decision.add(target, events, Event::Token);
        decision.events.extend(others);
        Ok(())
    }

    fn check_unclaimed(&self, workstation: &Name) -> Result<(), Rejection> {
        let unclaimed = self
            .tokens()
            .filter(|(_, t)| t.state.phase == Phase::Seen)
            .filter(|(_, t)| t.state.workstation.as_ref() == Some(workstation))
            .count();
        if unclaimed < UNCLAIMED_TOKENS {
            Ok(())
        } else {
            Err(Rejection::LimitReached {
                what: "tokens that an agent announced and nobody enrolled",
                max: UNCLAIMED_TOKENS,
            })
        }
    }

    /// Keys were made and attested: they are registered, pre-active, with their certificates.
    #[expect(
        clippy::too_many_arguments,
        reason = "one step of decide_report, cut out for its length"
    )]
    fn keys_made(
        &self,
        target: &Target,
        token: &Token,
        profile: &Profile,
        attested: &[(Slot, Box<str>)],
        found: &ReportFacts,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        let Some(open) = &token.task else {
            return Ok(());
        };
        let mut keys = Vec::new();
        let mut others = Decision::default();
        let mut number = token.keys_ever;
        for (slot, public_key) in attested {
            let place = format!("piv.{slot}");
            let before = open.keys.iter().find(|k| *k.place == *place);
            if before.is_some_and(|k| k.public_key == *public_key) {
                continue; // said again
            }
            if let Some(before) = before {
                self.destroy_key(&before.key, now, &mut others);
            }
            number += 1;
            let key =
                Name::new(&format!("{}-{slot}-{number}", target.name)).expect("digits are a name");
            let id = HistoryId::new(Aggregate::Key, key.clone());
            if self.head(&id).is_some() {
                return Err(Rejection::NameTaken(id));
            }
            let plan = &profile.piv[slot];
            let certificate = found
                .certificates
                .get(slot)
                .filter(|c| c.public_key == *public_key);
            if plan.certificate.is_some() && certificate.is_none() {
                let fault = format!("no certificate was made for slot {slot}: try again");
                return Err(Rejection::BadValue {
                    field: "keys",
                    fault,
                });
            }
            if let Some(taken) = certificate.and_then(|c| self.certified(&c.certified.serial)) {
                let id = HistoryId::new(Aggregate::Key, taken.clone());
                return Err(Rejection::NameTaken(id));
            }
            let holder = open.filed.holder.as_ref();
            let created = registered(plan.algorithm, *slot, public_key, holder, certificate);
            others.add(&id, vec![key::Event::Registered(created)], Event::Key);
            if let Some(certificate) = certificate {
                let event = key::Event::Certified(certificate.certified.clone());
                others.add(&id, vec![event], Event::Key);
            }
            keys.push(TokenKey {
                place: place.into(),
                key,
                public_key: public_key.clone(),
            });
        }
        // The reset is behind the token: what was on it is gone.
        for gone in &token.keys {
            self.destroy_key(&gone.key, now, &mut others);
        }
        if keys.is_empty() {
            return Ok(());
        }
        let made = KeysMadeOn {
            task: open.filed.task,
            keys,
        };
        decision.add(target, vec![token::Event::KeysMade(made)], Event::Token);
        decision.events.extend(others.events);
        Ok(())
    }

    /// A task came to its end: what it claims is held against what was found.
    fn proved(
        &self,
        target: &Target,
        token: &Token,
        evidence: &token::Evidence,
        findings: &Findings,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        let Some(open) = &token.task else {
            return Ok(());
        };
        let filed = &open.filed;
        let ended = TaskEnded { task: filed.task };
        if filed.kind == TaskKind::Reset {
            return match token::check_reset(filed, evidence) {
                Err(fault) => self.quarantine(target, token, &fault, now, decision),
                Ok(()) => {
                    decision.add(target, vec![token::Event::WasReset(ended)], Event::Token);
                    for gone in &token.keys {
                        self.destroy_key(&gone.key, now, decision);
                    }
                    Ok(())
                }
            };
        }
        let keys = if filed.kind == TaskKind::Provision {
            &open.keys
        } else {
            &token.keys
        };
        let key_in = |slot: Slot| {
            let place = format!("piv.{slot}");
            keys.iter()
                .find(|k| *k.place == *place)
                .map(|k| &*k.public_key)
        };
        let profile = filed
            .profile
            .as_ref()
            .ok_or_else(|| Rejection::TaskNotOpen {
                token: target.name.clone(),
            })?;
        let root = match token::check_proved(filed, profile, evidence, findings, key_in) {
            Ok(root) => root,
            Err(fault) => return self.quarantine(target, token, &fault, now, decision),
        };
        let proved = Proved {
            task: filed.task,
            evidence: evidence.clone(),
            root: note(&root),
        };
        let event = match filed.kind {
            TaskKind::Provision => token::Event::Provisioned(proved),
            TaskKind::Unblock => token::Event::Unblocked(ended),
            TaskKind::RotateSecrets => token::Event::SecretsRotated(ended),
            TaskKind::Verify | TaskKind::Reset => token::Event::Verified(proved),
        };
        decision.add(target, vec![event], Event::Token);
        if filed.kind == TaskKind::Provision {
            for made in &open.keys {
                self.activate_key(&made.key, now, decision)?;
            }
        }
        Ok(())
    }

    /// The evidence does not fit. The token is not to be used, and nobody is to rely on its keys.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the end of functions that may be refused"
    )]
    fn quarantine(
        &self,
        target: &Target,
        token: &Token,
        fault: &EvidenceFault,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        let Some(open) = &token.task else {
            return Ok(());
        };
        let event = token::Event::Quarantined(Quarantined {
            task: open.filed.task,
            code: fault.code().into(),
            fault: note(&fault.to_string()),
        });
        decision.add(target, vec![event], Event::Token);
        for on_it in token.all_keys() {
            self.revoke_key(&on_it.key, RevocationReason::KeyCompromise, now, decision);
        }
        Ok(())
    }

    /// A task ended before its time: what it made, and what its reset destroyed, is nobody's any more.
    fn end_too_early(&self, token: &Token, now: Timestamp, decision: &mut Decision) {
        let Some(open) = &token.task else { return };
        for made in &open.keys {
            self.destroy_key(&made.key, now, decision);
        }
        if open.is_past_reset() {
            for gone in &token.keys {
                self.destroy_key(&gone.key, now, decision);
            }
        }
    }

    fn revoke_key(
        &self,
        name: &Name,
        reason: RevocationReason,
        now: Timestamp,
        decision: &mut Decision,
    ) {
        let revoke = key::Revoke {
            revocation_reason: reason,
            compromise_occurred_at: None,
            compromise_detected_at: None,
            reason: Reason::new("what is true of its token is true of it").expect("it is a line"),
            ticket: None,
        };
        self.add_to_key(name, &[key::Command::Revoke(revoke)], now, decision);
    }

    /// A key that is no longer on its token is gone for good.
    fn destroy_key(&self, name: &Name, now: Timestamp, decision: &mut Decision) {
        let why = || Reason::new("it is no longer on its token").expect("it is a line");
        let deactivate = key::Command::Deactivate(key::Deactivate {
            reason: Some(why()),
            ticket: None,
        });
        let destroy = key::Command::Destroy(key::Destroy {
            reason: why(),
            ticket: None,
        });
        self.add_to_key(name, &[deactivate, destroy], now, decision);
    }

    fn activate_key(
        &self,
        name: &Name,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        let activate = key::Command::Activate(key::Activate {
            reason: None,
            ticket: None,
        });
        let key = self.key(name).map(|e| &e.state);
        let events = key::decide(name, key, &activate, KeyFacts { now, fresh: None })?;
        let id = HistoryId::new(Aggregate::Key, name.clone());
        decision.add(&id, events, Event::Key);
        Ok(())
    }

    /// Adds what `commands`, one after the other, do to a key; what its state does not allow is left out.
    fn add_to_key(
        &self,
        name: &Name,
        commands: &[key::Command],
        now: Timestamp,
        decision: &mut Decision,
    ) {
        let Some(mut key) = self.key(name).map(|e| e.state.clone()) else {
            return;
        };
        let id = HistoryId::new(Aggregate::Key, name.clone());
        for command in commands {
            let facts = KeyFacts { now, fresh: None };
            let events = key::decide(name, Some(&key), command, facts).unwrap_or_default();
            for event in &events {
                key.evolve(event, now);
            }
            decision.add(&id, events, Event::Key);
        }
    }

    /// Decides on a certificate over a key in the ledger.
    pub(super) fn decide_certify(
        &self,
        target: &Target,
        certify: &key::Certify,
        facts: &Facts,
    ) -> Result<Decision, Rejection> {
        let id = HistoryId::new(Aggregate::Key, target.name.clone());
        let key = self.key(&target.name).map(|e| &e.state);
        let key = key.ok_or_else(|| Rejection::NotFound(id.clone()))?;
        let bad = |field, fault: &str| Rejection::BadValue {
            field,
            fault: fault.to_owned(),
        };
        if !matches!(key.state, key::State::PreActive | key::State::Active) {
            return Err(Rejection::NotAllowed {
                state: key.state,
                verb: "certify",
            });
        }
        let issuer = certify.issuer.as_ref().unwrap_or(&target.name);
        let signs = self.key(issuer).map(|e| &e.state);
        let signs = signs
            .ok_or_else(|| Rejection::NotFound(HistoryId::new(Aggregate::Key, issuer.clone())))?;
        if certify.issuer.is_none() && !can_certify(signs) {
            return Err(bad(
                "issuer",
                "a key that certifies itself must be active, in custody, p-256 or p-384, of purpose certify",
            ));
        }
        if certify.issuer.is_some() && !issues(signs) {
            return Err(bad(
                "issuer",
                "it is no authority: certify it first with `path_length`",
            ));
        }
        if certify.path_length.is_some() && !key.purposes.has(Purpose::Certify) {
            return Err(bad(
                "path_length",
                "only a key of purpose certify can be an authority",
            ));
        }
        if certify.path_length.is_some_and(|l| l > 4) {
            return Err(Rejection::OutOfRange {
                field: "path_length",
                value: i64::from(certify.path_length.unwrap_or_default()),
                min: 0,
                max: 4,
            });
        }
        if !(1..=7_300).contains(&certify.days) {
            return Err(Rejection::OutOfRange {
                field: "days",
                value: i64::from(certify.days),
                min: 1,
                max: 7_300,
            });
        }
        let Made::Certificate(certified) = &facts.made else {
            return Err(bad("issuer", "no certificate was made"));
        };
        if let Some(taken) = self.certified(&certified.serial) {
            return Err(Rejection::NameTaken(HistoryId::new(
                Aggregate::Key,
                taken.clone(),
            )));
        }
        let mut decision = Decision::default();
        let event = key::Event::Certified((**certified).clone());
        decision.add(target, vec![event], Event::Key);
        Ok(decision)
    }
}

/// True of a key that may sign certificates now.
fn can_certify(key: &key::Key) -> bool {
    key.state == key::State::Active
        && key.purposes.has(Purpose::Certify)
        && key.custodian == Custodian::Software
        && matches!(key.algorithm, Algorithm::P256 | Algorithm::P384)
}

/// True of an authority.
fn issues(key: &key::Key) -> bool {
    can_certify(key) && key.authority().is_some()
}

/// A key on a token, as its history begins.
fn registered(
    algorithm: Algorithm,
    slot: Slot,
    public_key: &str,
    holder: Option<&Holder>,
    certificate: Option<&NewCertificate>,
) -> key::Created {
    let purposes = match slot {
        Slot::SIGNATURE => Purposes::of(&[Purpose::Sign]),
        Slot::AUTHENTICATION | Slot::CARD_AUTHENTICATION => Purposes::of(&[Purpose::Authenticate]),
        Slot::KEY_MANAGEMENT if algorithm == Algorithm::Ed25519 => Purposes::of(&[Purpose::Sign]),
        Slot::KEY_MANAGEMENT => Purposes::of(&[Purpose::Encrypt]),
        _ if algorithm == Algorithm::X25519 => Purposes::of(&[Purpose::Derive]),
        _ => Purposes::of(&[Purpose::Certify]),
    };
    key::Created {
        algorithm,
        purposes,
        custodian: Custodian::Token,
        public: Public {
            public_key: Some(public_key.into()),
            nkey: None,
            check_value: None,
        },
        material: None,
        parent: None,
        description: Description {
            title: holder.map(|h| h.title.clone()),
            owner: holder.map(|h| h.principal.clone()),
            ..Description::default()
        },
        schedule: Dates {
            protect_stop_at: certificate.map(|c| c.certified.not_after),
            rotation_period_days: Some(key::MAX_PERIOD_DAYS),
            ..Dates::default()
        },
    }
}

/// A line out of any text: what cannot stand in one is left out.
fn note(text: &str) -> Note {
    let plain: String = text
        .chars()
        .filter(|c| !c.is_control() && c.is_ascii())
        .take(400)
        .collect();
    Note::new(&plain).unwrap_or_else(|_| Note::new("no words for it").expect("it is a line"))
}
