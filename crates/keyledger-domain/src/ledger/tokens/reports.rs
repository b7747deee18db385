//! What agents' reports add to the ledger.

use super::UNCLAIMED_TOKENS;
use crate::{
    command::Target,
    key::{Escrowed, RevocationReason},
    ledger::{Deciding, Decision, Reader},
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
    stamp::Role,
    text::Note,
    time::Timestamp,
    token::{
        self, Evidence, EvidenceFault, FailureCode, Findings, MAX_DOUBTFUL_SECRETS, OpenTask,
        Phase, Proved, Quarantined, Report, ReportFacts, Reported, SecretsEscrowed, Step,
        TaskEnded, TaskKind, Token,
    },
};

impl Deciding<'_> {
    /// Decides what an agent's report adds to the ledger, with what was found out about it.
    pub(crate) fn report(
        &self,
        reported: &Reported,
        found: Option<&ReportFacts>,
    ) -> Result<Decision, Rejection> {
        let (ledger, target, now) = (&self.ledger, self.target, self.now);
        let workstation = ledger
            .user_of_nkey(&reported.agent)
            .filter(|name| ledger.agent(name, now).is_ok())
            .ok_or_else(|| refuse("its nkey is no live agent's"))?;
        if reported.report.serial().name() != target.name {
            return Err(bad(
                "serial",
                "it is another token's than the one it is about",
            ));
        }
        token::check_size(&reported.report)?;
        let token = ledger.token(&target.name).map(|e| &e.state);
        if let Report::Announced(shown) = &reported.report {
            let is_nobodys = |token: &Token| token.phase == Phase::Seen;
            let is_here = |token: &Token| token.workstation.as_ref() == Some(workstation);
            if token.is_none_or(|token| is_nobodys(token) && !is_here(token)) {
                ledger.check_unclaimed(workstation)?;
            }
            return Ok(self.writes(token::announce(token, workstation, shown)));
        }
        let open = token.and_then(|token| token.task.as_deref());
        let open = open.filter(|open| {
            Some(open.filed.task) == reported.task && open.filed.agent == reported.agent
        });
        let (Some(token), Some(open)) = (token, open) else {
            return Err(Rejection::TaskNotOpen {
                token: target.name.clone(),
            });
        };
        let nothing = ReportFacts::default();
        let walk = Walk {
            ledger,
            target,
            token,
            open,
            now,
        };
        let mut decision = Decision::default();
        walk.decide(&reported.report, found.unwrap_or(&nothing), &mut decision)?;
        Ok(decision)
    }
}

impl Reader<'_> {
    fn check_unclaimed(&self, workstation: &Name) -> Result<(), Rejection> {
        let seen = self.seen_at(workstation).into_iter();
        let unclaimed = seen.filter(|(_, token)| token.phase == Phase::Seen);
        if unclaimed.count() < UNCLAIMED_TOKENS {
            Ok(())
        } else {
            Err(Rejection::LimitReached {
                what: "tokens that an agent announced and nobody enrolled",
                max: UNCLAIMED_TOKENS,
            })
        }
    }

    /// Tasks of agents that are no more are cancelled: nobody else can walk them.
    pub(crate) fn cancel_tasks_of(&self, users: &[&Name], now: Timestamp, decision: &mut Decision) {
        let gone = users.iter().filter_map(|name| self.user(name));
        // Only an agent is given tasks.
        let agents = gone.filter(|user| user.state.role == Some(Role::Agent));
        let tokens = agents.flat_map(|agent| self.tasks_of(&agent.state.nkey));
        let mut waiting: Vec<_> = tokens
            .filter_map(|(name, token)| Some((name, token, token.task.as_ref()?)))
            .collect();
        waiting.sort_unstable_by_key(|(name, ..)| *name);
        for (name, token, open) in waiting {
            let ended = TaskEnded {
                task: open.filed.task,
            };
            let target = HistoryId::new(Aggregate::Token, name.clone());
            decision.add(&target, vec![token::Event::TaskCancelled(ended)]);
            self.end_too_early(token, None, now, decision);
        }
    }

    /// A task ended before its time: what it made, and what its reset may have destroyed, is nobody's any more.
    pub(crate) fn end_too_early(
        &self,
        token: &Token,
        why: Option<FailureCode>,
        now: Timestamp,
        decision: &mut Decision,
    ) {
        let Some(open) = &token.task else { return };
        let gone = open.ends_wiped(why).then_some(&token.keys);
        for key in open.keys.iter().chain(gone.into_iter().flatten()) {
            self.destroy_key(&key.key, now, decision);
        }
    }
}

/// A task that an agent walks, and what its reports stand on.
pub(super) struct Walk<'a> {
    pub(super) ledger: &'a Reader<'a>,
    pub(super) target: &'a Target,
    pub(super) token: &'a Token,
    pub(super) open: &'a OpenTask,
    pub(super) now: Timestamp,
}

impl Walk<'_> {
    fn decide(
        &self,
        report: &Report,
        found: &ReportFacts,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        let (task, kind) = (self.open.filed.task, self.open.filed.kind);
        match report {
            Report::Announced(_) => Ok(()), // no task's
            Report::Progressed(p) => {
                self.progress(p.step, decision);
                Ok(())
            }
            Report::AttesterShown(_) => match &found.findings.attester {
                Some(why) => Err(bad("attester", why)),
                None => Ok(()),
            },
            Report::SecretsSealed(_) => {
                if !sets_secrets(kind) {
                    return Err(refuse("this task sets no secrets"));
                }
                if self.token.doubtful_entries.len() + self.open.escrows() >= MAX_DOUBTFUL_SECRETS {
                    return Err(Rejection::LimitReached {
                        what: "secrets of which nobody knows whether they open the token (reset it first)",
                        max: MAX_DOUBTFUL_SECRETS,
                    });
                }
                let entry = found.entry.clone();
                let entry = entry
                    .ok_or_else(|| bad("sealed", "the secrets were not taken into custody"))?;
                self.add(
                    token::Event::SecretsEscrowed(SecretsEscrowed { task, entry }),
                    decision,
                );
                Ok(())
            }
            Report::SecretsWanted(wanted) => self.secrets_wanted(wanted, decision),
            Report::EscrowWanted(wanted) => self.escrow_wanted(wanted, found, decision),
            Report::KeysMade(made) => {
                let profile = self.open.filed.profile.as_ref();
                let profile = profile
                    .filter(|_| kind == TaskKind::Provision)
                    .ok_or_else(|| refuse("this task makes no keys"))?;
                if self.open.made >= MAX_MADE {
                    return Err(Rejection::LimitReached {
                        what: "times that a task makes keys",
                        max: usize::from(MAX_MADE),
                    });
                }
                self.check_holder_acts()?;
                let checked =
                    token::check_made(made.serial, profile, &found.findings).and_then(|attested| {
                        token::check_made_openpgp(profile, &made.openpgp, self.given())
                            .map(|()| attested)
                    });
                match checked {
                    Ok(attested) => self.keys_made(profile, &attested, made, found, decision),
                    Err(fault) => {
                        self.quarantine(&fault, decision);
                        Ok(())
                    }
                }
            }
            Report::Proved(evidence) if kind == TaskKind::Reset => {
                self.reset(evidence, decision);
                Ok(())
            }
            Report::Proved(evidence) => self.proved(evidence, &found.findings, decision),
            Report::Failed(failure) => {
                self.add(token::fail(task, failure), decision);
                let why = Some(failure.code);
                self.ledger
                    .end_too_early(self.token, why, self.now, decision);
                Ok(())
            }
        }
    }

    /// The key of custody that was given for this task.
    pub(super) fn given(&self) -> Option<&Escrowed> {
        let imported = self.token.imported.as_ref();
        let imported = imported.filter(|imported| imported.0 == self.open.filed.task);
        imported.map(|imported| &imported.1)
    }

    /// Adds to the token's own history. Its events stand before all others, and behind each other.
    pub(super) fn add(&self, event: token::Event, decision: &mut Decision) {
        decision.add(self.target, vec![event]);
    }

    fn progress(&self, step: Step, decision: &mut Decision) {
        let events = token::progress(self.token, self.open.filed.task, step);
        let mut after = self.token.clone();
        for event in &events {
            after.evolve(event, self.now);
        }
        decision.add(self.target, events);
        // The reset is over: what was on it is gone.
        for gone in self.token.keys.iter().filter(|k| !after.keys.contains(k)) {
            self.ledger.destroy_key(&gone.key, self.now, decision);
        }
    }

    /// A reset came to its end.
    fn reset(&self, evidence: &Evidence, decision: &mut Decision) {
        let filed = &self.open.filed;
        match token::check_reset(filed, evidence) {
            Err(fault) => self.quarantine(&fault, decision),
            Ok(()) => {
                let ended = TaskEnded { task: filed.task };
                self.add(token::Event::WasReset(ended), decision);
                for gone in self.token.all_keys() {
                    self.ledger.destroy_key(&gone.key, self.now, decision);
                }
            }
        }
    }

    /// A task came to its end: what it claims is held against what was found.
    fn proved(
        &self,
        evidence: &Evidence,
        findings: &Findings,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        let filed = &self.open.filed;
        let keys = match filed.kind {
            TaskKind::Provision => &self.open.keys,
            _ => &self.token.keys,
        };
        let key_at = |place: &str| {
            let key = keys.iter().find(|k| *k.place == *place);
            key.map(|k| &*k.public_key)
        };
        let profile = filed.profile.as_ref();
        let profile = profile.ok_or_else(|| refuse("this task has no profile to prove"))?;
        if sets_secrets(filed.kind) && self.open.entry.is_none() {
            let fault = "the token's secrets are not in custody: report `secrets_sealed` first";
            return Err(bad("report", fault));
        }
        self.check_holder_acts()?;
        let imported = self.token.imported.as_ref().map(|imported| &imported.1);
        if filed.kind == TaskKind::Provision
            && let Some(imported) = imported
            && profile.escrows()
            && !self.ledger.is_active(&imported.key)
        {
            let why = "the key of custody that it was given is not active any more: cancel, and provision it again";
            return Err(refuse(why));
        }
        let root = match token::check_proved(filed, profile, evidence, findings, imported, key_at) {
            Ok(root) => root,
            Err(fault) => {
                self.quarantine(&fault, decision);
                return Ok(());
            }
        };
        let task = filed.task;
        let proved = Proved {
            task,
            evidence: evidence.clone(),
            root: note(&root),
        };
        self.add(
            match filed.kind {
                TaskKind::Provision => token::Event::Provisioned(proved),
                TaskKind::Unblock => token::Event::Unblocked(TaskEnded { task }),
                TaskKind::RotateSecrets => token::Event::SecretsRotated(TaskEnded { task }),
                TaskKind::Verify | TaskKind::Reset => token::Event::Verified(proved),
            },
            decision,
        );
        if filed.kind == TaskKind::Verify && self.token.phase == Phase::Quarantined {
            for on_it in &self.token.keys {
                self.ledger.resume_key(&on_it.key, self.now, decision);
            }
        }
        if filed.kind == TaskKind::Provision {
            for gone in &self.token.keys {
                self.ledger.destroy_key(&gone.key, self.now, decision);
            }
            let is_imported = |key: &Name| imported.is_some_and(|imported| imported.key == *key);
            for made in self.open.keys.iter().filter(|made| !is_imported(&made.key)) {
                self.ledger.activate_key(&made.key, self.now, decision)?;
            }
        }
        Ok(())
    }

    /// Nothing is made for who has left.
    fn check_holder_acts(&self) -> Result<(), Rejection> {
        let holder = self.open.filed.holder.as_ref();
        holder.map_or(Ok(()), |h| {
            self.ledger.check_acting(&h.principal).map(|_| ())
        })
    }

    /// The evidence does not fit. The token is not to be used, and nobody is to rely on its keys: those that the task made are
    /// revoked, those that were proved before are suspended, since a lying workstation is no reason to give them up for good.
    pub(super) fn quarantine(&self, fault: &EvidenceFault, decision: &mut Decision) {
        let event = token::Event::Quarantined(Quarantined {
            task: self.open.filed.task,
            code: fault.code().into(),
            fault: note(&fault.to_string()),
        });
        self.add(event, decision);
        let why = RevocationReason::KeyCompromise;
        let proved = |key: &Name| self.token.keys.iter().any(|k| k.key == *key);
        for key in self.token.may_hold() {
            if !proved(key) {
                self.ledger.revoke_key(key, why, self.now, decision);
            } else if !self.ledger.is_escrowed(key) {
                // One of custody is on its holder's other tokens too.
                self.ledger.suspend_key(key, self.now, decision);
            }
        }
    }
}

/// How often a task may make keys: again after each pull of the token at a bad moment.
const MAX_MADE: u8 = 16;

/// True of tasks at whose end the token has secrets that it did not have before.
const fn sets_secrets(kind: TaskKind) -> bool {
    matches!(kind, TaskKind::Provision | TaskKind::RotateSecrets)
}

pub(super) fn refuse(why: &str) -> Rejection {
    Rejection::Unauthorised {
        why: why.to_owned(),
    }
}

pub(super) fn bad(field: &'static str, fault: &str) -> Rejection {
    Rejection::BadValue {
        field,
        fault: fault.to_owned(),
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
