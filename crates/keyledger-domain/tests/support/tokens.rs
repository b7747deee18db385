//! Agents and tokens: what an honest agent would report, and how a report is forged.

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use keyledger_domain::{
    Aggregate, Algorithm, Decision, Name, Prepared, Rejection,
    key::{Certification, Certified, Escrowed},
    ledger::{NewCertificate, NewEscrow, ReportFacts},
    name::HistoryId,
    token::{
        Announcement, Applet, Attested, AttesterShown, EscrowWanted, Evidence, Failure,
        FailureCode, Firmware, FormFactor, KeyMade, KeysMade, OpenTask, OpenpgpKeyMade,
        OpenpgpProof, OpenpgpRole, PinPolicy, Profile, Progress, Report, Reported, SecretsSealed,
        SecretsWanted, Serial, Slot, SlotFinding, SlotProof, SlotShown, Step as Stage, TaskMade,
        Token, TouchPolicy,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Step, World, command, curve_key, install, issue, key, name, person, then};

/// The token of most tests.
pub(crate) const SERIAL: u32 = 12_345_678;

/// What an agent says of a token.
#[derive(Debug, Clone)]
pub(crate) enum Say {
    /// It is plugged in.
    Announce,
    /// A step begins.
    Begin(Stage),
    /// Who vouches for it.
    Attester,
    /// Its secrets, sealed.
    Seal,
    /// Its secrets are needed.
    Want,
    /// The key of custody that it is to hold.
    Escrow,
    /// Its keys were made, in the run of this number; with the OpenPGP keys or without.
    Make(u8, bool),
    /// Everything is on it; or nothing, after a reset.
    Prove,
    /// It cannot go on.
    Fail(FailureCode),
}

/// A report of the agent of a workstation.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) serial: u32,
    pub(crate) workstation: &'static str,
    pub(crate) say: Say,
    /// What is changed about it before it is sent.
    pub(crate) forge: fn(&mut Reported, &mut ReportFacts),
}

/// The agent of `desk` says this of the token of most tests.
pub(crate) fn say(say: Say) -> Step {
    forged(say, |_, _| {})
}

/// The same, changed.
pub(crate) fn forged(say: Say, forge: fn(&mut Reported, &mut ReportFacts)) -> Step {
    Step::Told(Told {
        serial: SERIAL,
        workstation: "desk",
        say,
        forge,
    })
}

/// A command about the token of most tests.
pub(crate) fn token(verb: &'static str, json: Value) -> Step {
    token_of(SERIAL, verb, json)
}

pub(crate) fn token_of(serial: u32, verb: &'static str, json: Value) -> Step {
    let mut body = json!({ "reason": "because" });
    let more = json.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    command(Aggregate::Token, verb, &serial.to_string(), body)
}

/// The agent of a workstation.
pub(crate) fn agent(workstation: &str) -> Step {
    issue(workstation, "keys", json!({ "role": "agent" }))
}

/// Base64 of a well-formed P-256 `SubjectPublicKeyInfo`.
fn far_public_key() -> String {
    let head = b"3059301306072a8648ce3d020106082a8648ce3d03010703420004";
    let head = HEXLOWER.decode(head).unwrap();
    BASE64.encode(&[head, vec![7; 64]].concat())
}

/// A key that could be an authority, and whose secret half is kept elsewhere.
pub(crate) fn far_key(id: &str) -> Step {
    let body = json!({
        "algorithm": "p-256", "public_key": far_public_key(), "purposes": ["certify"], "activate": true,
    });
    key("register", id, body)
}

/// An authority whose secret half is kept elsewhere.
pub(crate) fn far_authority(id: &str) -> [Step; 2] {
    let serial = json!({ "serial": format!("ca{}", id.len()), "until": 3_650 });
    [far_key(id), install(id, None, serial)]
}

/// An authority that certifies the keys of tokens.
pub(crate) fn authority(id: &str) -> [Step; 2] {
    let root = json!({ "algorithm": "p-256", "purposes": ["certify"], "activate": true });
    let certify = json!({ "subject": "Acme CA", "days": 3_650, "path_length": 0 });
    [key("generate", id, root), key("certify", id, certify)]
}

/// What a token needs around it: two workstations, an authority, people.
pub(crate) fn surroundings() -> Vec<Step> {
    let steps = [agent("desk"), agent("till"), person("ann"), person("bob")];
    steps.into_iter().chain(authority("ca")).collect()
}

/// A token that is ann's.
pub(crate) fn assigned() -> Vec<Step> {
    let mut steps = surroundings();
    steps.extend([
        say(Say::Announce),
        token("enrol", json!({ "title": "ann's" })),
        token("assign", json!({ "principal": "ann" })),
    ]);
    steps
}

/// Provision it with a shipped profile.
pub(crate) fn provision(profile: &str) -> Step {
    let profile = serde_json::to_value(Profile::shipped(profile).unwrap()).unwrap();
    token(
        "provision",
        json!({ "workstation": "desk", "profile": profile }),
    )
}

/// A token under provision, before the agent has begun.
pub(crate) fn under_way() -> Vec<Step> {
    then(assigned(), [provision("service")])
}

/// Everything that an agent reports of a provision, in run `n`, up to the evidence.
pub(crate) fn walked(n: u8) -> Vec<Step> {
    vec![
        say(Say::Begin(Stage::Taken)),
        say(Say::Begin(Stage::Reset)),
        say(Say::Begin(Stage::Secrets)),
        say(Say::Seal),
        say(Say::Begin(Stage::Keys)),
        say(Say::Make(n, true)),
        say(Say::Begin(Stage::Proof)),
    ]
}

/// A token that is ann's, provisioned with a shipped profile.
pub(crate) fn provisioned(profile: &str) -> Vec<Step> {
    let mut steps = assigned();
    steps.push(provision(profile));
    if Profile::shipped(profile).unwrap().escrows() {
        steps.push(say(Say::Escrow));
    }
    steps.extend(walked(1));
    steps.push(say(Say::Prove));
    steps
}

/// Base64 of the public key that the token `serial` makes at a place in a run.
pub(crate) fn key_on(algorithm: Algorithm, serial: u32, place: &str, run: u8) -> Box<str> {
    let (prefix, length) = match algorithm {
        Algorithm::Ed25519 => ("302a300506032b6570032100", 44),
        Algorithm::X25519 => ("302a300506032b656e032100", 44),
        Algorithm::P256 => ("3059301306072a8648ce3d020106082a8648ce3d03010703420004", 91),
        Algorithm::P384 => ("3076301006072a8648ce3d020106052b8104002203620004", 120),
        Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 | Algorithm::Aes256 => {
            panic!("no test makes one on a token")
        }
    };
    let mut der = HEXLOWER.decode(prefix.as_bytes()).unwrap();
    let tail = format!("{serial} {place} {run}");
    der.resize(length - tail.len(), 0);
    der.extend(tail.as_bytes());
    BASE64.encode(&der).into()
}

pub(crate) fn task_made(task: Uuid) -> TaskMade {
    TaskMade {
        task,
        nonce: BASE64URL_NOPAD
            .encode(&[task.as_bytes(), &[7; 16][..]].concat())
            .into(),
        seal_to: curve_key().into(),
        challenges: [Algorithm::P256, Algorithm::X25519]
            .map(|a| key_on(a, 0, "challenge", 0))
            .to_vec(),
    }
}

pub(crate) fn announcement(serial: u32) -> Announcement {
    Announcement {
        serial: Serial::new(serial).unwrap(),
        firmware: Firmware::new(5, 7, 1),
        form_factor: FormFactor::UsbCKeychain,
        applets: vec![Applet::Piv, Applet::Openpgp],
        slots: vec![SlotShown {
            slot: Slot::CARD_AUTHENTICATION,
            algorithm: Some(Algorithm::P256),
            generated: true,
            pin: PinPolicy::Never,
            touch: TouchPolicy::Cached,
            public_key: key_on(Algorithm::P256, serial, "piv.9e", 0),
        }],
        pin_tries: Some(3),
        puk_tries: Some(3),
        factory_pin: Some(true),
        restrictions: Vec::new(),
    }
}

impl World {
    pub(crate) fn token(&self) -> &Token {
        self.token_of(SERIAL)
    }

    pub(crate) fn token_of(&self, serial: u32) -> &Token {
        &self.ledger.token(&name(&serial.to_string())).unwrap().state
    }

    /// A certificate that custody would sign.
    pub(crate) fn certified(&mut self, issuer: &Name, days: u16, authority: bool) -> Certified {
        self.made += 1;
        Certified {
            issuer: issuer.clone(),
            serial: format!("{:016x}", self.made).into(),
            not_before: self.now,
            not_after: self.now.plus_days(days.into()),
            authority,
            certificate: BASE64.encode(&self.made.to_be_bytes()).into(),
        }
    }

    /// The certificate that `certify` asks for, signed; never longer than its issuer's.
    pub(crate) fn as_wanted(
        &mut self,
        target: &HistoryId,
        wanted: &Certification,
    ) -> Box<Certified> {
        let issuer = wanted.issuer.clone().unwrap_or(target.name.clone());
        let mut made = self.certified(&issuer, 0, wanted.path_length.is_some());
        made.not_after = wanted.end(self.now).unwrap_or(self.now);
        let above = self.ledger.key(&issuer);
        let above = above.and_then(|e| e.state.authority_at(self.now));
        if let Some(above) = above.filter(|_| issuer != target.name) {
            made.not_after = made.not_after.min(above.not_after);
        }
        Box::new(made)
    }

    /// What the service finds in a certificate that was signed elsewhere, as [`install`](super::install) writes it.
    pub(crate) fn found(&self, issuer: &Name, certificate: &str) -> Certified {
        let said: serde_json::Value = serde_json::from_str(certificate).unwrap();
        let day = |field: &str| self.now.plus_days(said[field].as_i64().unwrap());
        Certified {
            issuer: issuer.clone(),
            serial: said["serial"].as_str().unwrap().into(),
            not_before: day("from"),
            not_after: day("until"),
            authority: said["authority"].as_bool().unwrap(),
            certificate: BASE64.encode(certificate.as_bytes()).into(),
        }
    }

    /// What comes of an announcement by the agent of a workstation.
    pub(crate) fn announced(
        &mut self,
        workstation: &str,
        shown: Announcement,
    ) -> Result<Decision, Rejection> {
        let reported = Reported {
            agent: self
                .ledger
                .user(&name(workstation))
                .unwrap()
                .state
                .nkey
                .clone(),
            task: None,
            report: Report::Announced(shown),
        };
        let serial = reported.report.serial().name();
        self.decide_report(serial, reported, ReportFacts::default())
    }

    /// What comes of a report about the token that it names.
    pub(crate) fn report(
        &self,
        reported: Reported,
        found: ReportFacts,
    ) -> Result<Decision, Rejection> {
        let serial = reported.report.serial().name();
        self.decide_report(serial, reported, found)
    }

    pub(crate) fn told(&mut self, told: &Told) -> Result<Decision, Rejection> {
        let (mut reported, mut found) = self.honest(told.serial, told.workstation, &told.say);
        (told.forge)(&mut reported, &mut found);
        self.decide_report(name(&told.serial.to_string()), reported, found)
    }

    fn decide_report(
        &self,
        serial: Name,
        reported: Reported,
        found: ReportFacts,
    ) -> Result<Decision, Rejection> {
        let target = HistoryId::new(Aggregate::Token, serial);
        let prepared = Prepared::Report(Box::new(reported), Some(Box::new(found)));
        self.ledger.decide(&target, &prepared, self.now).result
    }

    /// What an honest agent says, and what is found about it.
    pub(crate) fn honest(
        &mut self,
        serial: u32,
        workstation: &str,
        say: &Say,
    ) -> (Reported, ReportFacts) {
        let serial = Serial::new(serial).unwrap();
        let state = self.ledger.token(&serial.name()).map(|e| e.state.clone());
        let open = state.as_ref().and_then(|t| t.task.as_deref().cloned());
        let mut found = ReportFacts::default();
        let report = match say {
            Say::Announce => Report::Announced(announcement(serial.number())),
            Say::Begin(step) => Report::Progressed(Progress {
                serial,
                step: *step,
                prompt: None,
                at: None,
            }),
            Say::Seal => {
                self.made += 1;
                found.entry = Some(format!("token.{serial}.{:032x}", self.made).into());
                Report::SecretsSealed(SecretsSealed {
                    serial,
                    sender: curve_key().into(),
                    sealed: "c2VhbGVk".into(),
                })
            }
            Say::Want => Report::SecretsWanted(SecretsWanted {
                serial,
                seal_to: curve_key().into(),
            }),
            Say::Attester => Report::AttesterShown(AttesterShown {
                serial,
                attester: "Zjk=".into(),
            }),
            Say::Escrow => {
                let holder = open.as_ref().and_then(|open| open.filed.holder.as_ref());
                let known = holder.and_then(|h| self.ledger.reader().escrowed_for(&h.principal));
                if known.is_none() {
                    let made = self.ledger.principals();
                    let made = made.map(|(_, p)| p.state.escrowed.len()).sum::<usize>();
                    found.escrow = Some(new_escrow(made as u64 + 1));
                }
                escrow_wanted(serial, open.as_ref(), &mut found)
            }
            Say::Make(run, openpgp) => {
                self.keys_made(serial, open.as_ref(), *run, *openpgp, &mut found)
            }
            Say::Prove => {
                Report::Proved(self.evidence(serial, state.as_ref(), open.as_ref(), &mut found))
            }
            Say::Fail(code) => Report::Failed(Failure {
                serial,
                code: *code,
                detail: "as it is told".parse().unwrap(),
            }),
        };
        let user = self.ledger.user(&name(workstation));
        let announced = matches!(report, Report::Announced(_));
        let reported = Reported {
            agent: user.map_or("UNOBODY".into(), |user| user.state.nkey.clone()),
            task: open.map(|open| open.filed.task).filter(|_| !announced),
            report,
        };
        (reported, found)
    }

    fn keys_made(
        &mut self,
        serial: Serial,
        open: Option<&OpenTask>,
        run: u8,
        openpgp: bool,
        found: &mut ReportFacts,
    ) -> Report {
        let mut made = KeysMade {
            serial,
            attester: "Zjk=".into(),
            keys: vec![],
            openpgp: vec![],
        };
        let profile = open.and_then(|open| open.filed.profile.as_ref());
        for (slot, plan) in profile.iter().flat_map(|p| &p.piv) {
            let public_key = key_on(plan.algorithm, serial.number(), &slot.place(), run);
            let request = plan.certificate.as_ref().map(|_| Box::from("cmVxdWVzdA=="));
            let finding = SlotFinding {
                attested: Ok(attested(serial, profile.unwrap(), *slot, &public_key)),
                requested: request.as_ref().map(|_| Ok(public_key.clone())),
                proved: None,
            };
            found.findings.slots.insert(*slot, finding);
            made.keys.push(KeyMade {
                slot: *slot,
                attestation: "YXR0ZXN0YXRpb24=".into(),
                request,
            });
            let issuer = open.and_then(|open| open.filed.issuer.clone());
            if let (Some(plan), Some(issuer)) = (&plan.certificate, issuer) {
                let certified = self.certified(&issuer, plan.days, false);
                let certificate = NewCertificate {
                    certified,
                    public_key,
                };
                found.certificates.insert(*slot, certificate);
            }
        }
        let plan = profile.and_then(|p| p.openpgp.as_ref()).filter(|_| openpgp);
        for role in plan.iter().flat_map(|_| OpenpgpRole::ALL) {
            let algorithm = plan.unwrap().subkey(role).algorithm;
            made.openpgp.push(OpenpgpKeyMade {
                role,
                algorithm,
                public_key: key_on(algorithm, serial.number(), &role.place(), run),
                created_at: 1_767_225_600,
                fingerprint: format!("{:040x}", run).into(),
                bind: None,
            });
        }
        let token = self.ledger.token(&serial.name());
        if let Some(imported) = token.and_then(|t| t.state.imported.as_deref()) {
            let encrypts = |key: &&mut OpenpgpKeyMade| key.role == OpenpgpRole::Encrypt;
            if let Some(key) = made.openpgp.iter_mut().find(encrypts) {
                key.public_key.clone_from(&imported.1.public_key);
                key.fingerprint.clone_from(&imported.1.fingerprint);
                key.created_at = imported.1.created_at;
            }
        }
        Report::KeysMade(made)
    }

    /// The evidence of the open task: of the keys that are there, or of nothing after a reset.
    fn evidence(
        &self,
        serial: Serial,
        state: Option<&Token>,
        open: Option<&OpenTask>,
        found: &mut ReportFacts,
    ) -> Evidence {
        let profile = open.and_then(|open| open.filed.profile.as_ref());
        let made = open
            .filter(|open| !open.keys.is_empty())
            .map(|open| &open.keys);
        let keys = made.or(state.map(|t| &t.keys));
        let key_at = |place: &str| {
            let key = keys.and_then(|keys| keys.iter().find(|k| *k.place == *place));
            key.map_or_else(
                || key_on(Algorithm::P256, serial.number(), place, 0),
                |k| k.public_key.clone(),
            )
        };
        let mut slots = vec![];
        for slot in profile.iter().flat_map(|p| p.piv.keys()) {
            let finding = SlotFinding {
                attested: Ok(attested(
                    serial,
                    profile.unwrap(),
                    *slot,
                    &key_at(&slot.place()),
                )),
                requested: None,
                proved: Some(true),
            };
            found.findings.slots.insert(*slot, finding);
            let key = keys.and_then(|keys| keys.iter().find(|k| *k.place == *slot.place()));
            let key = key.and_then(|k| self.ledger.key(&k.key));
            let certificate = key.and_then(|k| k.state.certificates().next_back());
            let sha256 = certificate.map(|c| Box::from(format!("{:0>64}", c.serial)));
            found
                .findings
                .certificates
                .extend(sha256.clone().map(|s| (*slot, s)));
            slots.push(SlotProof {
                slot: *slot,
                attestation: "YXR0ZXN0YXRpb24=".into(),
                proof: "cHJvb2Y=".into(),
                certificate_sha256: sha256,
            });
        }
        let plan = profile.and_then(|p| p.openpgp.as_ref());
        let imported = state.and_then(|t| t.imported.as_deref());
        let openpgp = plan.iter().flat_map(|_| OpenpgpRole::ALL).map(|role| {
            found.findings.openpgp.insert(role, true);
            OpenpgpProof {
                role,
                fingerprint: imported
                    .filter(|_| role == OpenpgpRole::Encrypt)
                    .map_or_else(|| format!("{:040x}", 1).into(), |i| i.1.fingerprint.clone()),
                touch: plan.unwrap().subkey(role).touch,
                public_key: key_at(&role.place()),
                proof: "cHJvb2Y=".into(),
            }
        });
        let provisioned = profile.is_some();
        Evidence {
            serial,
            firmware: Firmware::new(5, 7, 1),
            nonce: open.map_or_else(Default::default, |open| open.filed.nonce.clone()),
            attester: "Zjk=".into(),
            openpgp: openpgp.collect(),
            slots,
            factory_pin_refused: provisioned,
            factory_puk_refused: provisioned,
            factory_management_key_refused: provisioned,
        }
    }
}

/// An agent asks for the key of custody, and a key of its token vouches for it.
fn escrow_wanted(serial: Serial, open: Option<&OpenTask>, found: &mut ReportFacts) -> Report {
    let profile = open.and_then(|open| open.filed.profile.as_ref());
    let vouching = profile.and_then(|profile| Some((profile, profile.vouches()?)));
    let slot = vouching.map_or(Slot::AUTHENTICATION, |(_, (slot, _))| slot);
    if let Some((profile, (slot, plan))) = vouching {
        let public_key = key_on(plan.algorithm, serial.number(), &slot.place(), 1);
        let finding = SlotFinding {
            attested: Ok(attested(serial, profile, slot, &public_key)),
            requested: None,
            proved: Some(true),
        };
        found.findings.slots.insert(slot, finding);
    }
    Report::EscrowWanted(EscrowWanted {
        serial,
        seal_to: curve_key().into(),
        slot,
        attester: "Zjk=".into(),
        attestation: "YXR0ZXN0YXRpb24=".into(),
        proof: "cHJvb2Y=".into(),
    })
}

/// A key that custody would make.
pub(crate) fn new_escrow(number: u64) -> NewEscrow {
    let key = format!("openpgp-{number:016x}");
    NewEscrow {
        entry: format!("{key}.1.entry").into(),
        escrowed: Escrowed {
            key: name(&key),
            public_key: key_on(Algorithm::X25519, 0, "custody", number as u8),
            fingerprint: format!("{number:040x}").into(),
            created_at: 1_767_225_600,
        },
    }
}

/// What the attestation of an honest token says.
fn attested(serial: Serial, profile: &Profile, slot: Slot, public_key: &str) -> Attested {
    Attested {
        slot,
        serial,
        firmware: Firmware::new(5, 7, 1),
        pin: profile.piv[&slot].pin,
        touch: profile.piv[&slot].touch,
        public_key: public_key.into(),
        root: "a test root".into(),
    }
}

/// The attestation of a slot, to forge it.
pub(crate) fn attestation(found: &mut ReportFacts, slot: Slot) -> &mut Attested {
    let finding = found.findings.slots.get_mut(&slot).unwrap();
    finding.attested.as_mut().unwrap()
}

/// The announcement in a report, to forge it.
pub(crate) fn shown(reported: &mut Reported) -> &mut Announcement {
    match &mut reported.report {
        Report::Announced(shown) => shown,
        other => panic!("{} is no announcement", other.name()),
    }
}

/// The evidence in a report, to forge it.
pub(crate) fn evidence(reported: &mut Reported) -> &mut Evidence {
    match &mut reported.report {
        Report::Proved(evidence) => evidence,
        other => panic!("{} is no evidence", other.name()),
    }
}
