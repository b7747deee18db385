//! A ledger with everything around it that the domain does not have: a clock, ids, custody, signatures.

#![allow(dead_code)] // each test binary uses its own part of it

mod organisation;
mod steps;
mod tokens;

use std::sync::Arc;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use keyledger_domain::{
    Aggregate, Algorithm, Command, Decision, Event, EventCid, LEDGER_SIGNING_KEY, Ledger, Name,
    Prepared, Record, Rejection, Stamp, Timestamp, VerifiedBy, account,
    key::{self, GeneratedKey, Material, NewVersion, Public},
    ledger::{Outcome, Sealed},
    name::HistoryId,
    operator,
    principal::{self, Recoverable},
    record::{Ids, Why},
    token::{self, Releasable},
    user::{self, GeneratedUser},
    verify::StoredEvent,
};
use nkeys::{KeyPair, KeyPairType};
use uuid::Uuid;

pub(crate) use steps::*;
pub(crate) use tokens::*;

/// 2026-01-01T00:00:00Z: when every test begins.
pub(crate) const BEGINNING: Timestamp = Timestamp::from_ms(1_767_225_600_000);

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn history(aggregate: Aggregate, id: &str) -> HistoryId {
    HistoryId::new(aggregate, name(id))
}

/// The key pair number `n` of a kind: the same in every run.
pub(crate) fn key_pair(kind: KeyPairType, n: u8) -> KeyPair {
    KeyPair::new_from_raw(kind, [n; 32]).unwrap()
}

/// A public curve key (`X…`).
pub(crate) fn curve_key() -> String {
    nkeys::XKey::new_from_raw([9; 32]).public_key()
}

/// Base64 of a well-formed Ed25519 `SubjectPublicKeyInfo`.
pub(crate) fn spki(n: u64) -> String {
    let mut der = data_encoding::HEXLOWER
        .decode(b"302a300506032b6570032100")
        .unwrap();
    der.extend([0; 24]);
    der.extend(n.to_be_bytes());
    BASE64.encode(&der)
}

/// A ledger, and what was written into it.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) ledger: Ledger,
    pub(crate) now: Timestamp,
    pub(crate) written: Vec<Written>,
    pub(crate) made: u64,
    ids: u64,
}

/// An event that was written, with the signature under it.
#[derive(Clone)]
pub(crate) struct Written {
    pub(crate) sealed: Sealed,
    pub(crate) signer: String,
    pub(crate) signature: Vec<u8>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            ledger: Ledger::new(),
            now: BEGINNING,
            written: Vec::new(),
            made: 0,
            ids: 0,
        }
    }

    /// Runs a command as the service would, and gives what it wrote.
    pub(crate) fn run(&mut self, step: &Step) -> Result<Vec<Record>, Rejection> {
        match step {
            Step::Command { target, verb, json } => {
                let payload = json.to_string();
                let (command, why) = Command::parse(target.aggregate, verb, payload.as_bytes())?;
                let prepared = self.prepared(target, command);
                let decision = self.ledger.decide(target, &prepared, self.now).result?;
                Ok(self.write(decision, &stamp(VerifiedBy::RequestInfo), &why))
            }
            Step::Outcome(outcome) => {
                let decision = self.ledger.decide_outcome(outcome, self.now).result;
                Ok(self.write(decision, &stamp(VerifiedBy::Service), &Why::default()))
            }
            Step::Told(told) => {
                let decision = self.told(told)?;
                let why = Why::default();
                Ok(self.write(decision, &stamp(VerifiedBy::Subject), &why))
            }
            Step::Later(days) => {
                self.now = self.now.plus_days(*days);
                Ok(Vec::new())
            }
            Step::Tick => {
                let due: Vec<_> = self.ledger.due(self.now).cloned().collect();
                let ticks = due.into_iter().map(|key| Step::Outcome(Outcome::Due(key)));
                ticks
                    .collect::<Vec<_>>()
                    .iter()
                    .try_fold(Vec::new(), |mut all, tick| {
                        all.extend(self.run(tick)?);
                        Ok(all)
                    })
            }
        }
    }

    /// Seals, signs and folds a decision.
    pub(crate) fn write(
        &mut self,
        decision: Decision,
        principal: &Arc<Stamp>,
        why: &Why,
    ) -> Vec<Record> {
        let ids = Ids::root(self.id());
        let now = self.now;
        let ledger = self.ledger.clone();
        let sealed = ledger.seal(decision, ids, principal, why, now, || self.id());
        for sealed in &sealed {
            let signer = self.signer(principal.verified_by);
            let sequence = self.written.len() as u64 + 1;
            self.ledger
                .apply(&sealed.record, sealed.cid, sequence)
                .unwrap();
            self.written.push(Written {
                sealed: sealed.clone(),
                signature: signer.sign(&sealed.cid.to_bytes()).unwrap(),
                signer: signer.public_key(),
            });
        }
        sealed.into_iter().map(|s| s.record).collect()
    }

    /// Everything written, as the stream would hold it.
    pub(crate) fn stored(&self) -> Vec<StoredEvent> {
        (1..)
            .zip(&self.written)
            .map(|(sequence, written)| stored(sequence, written))
            .collect()
    }

    /// The records of everything written, as views take them.
    pub(crate) fn records(&self) -> Vec<(Record, EventCid, u64)> {
        (1..)
            .zip(&self.written)
            .map(|(sequence, w)| (w.sealed.record.clone(), w.sealed.cid, sequence))
            .collect()
    }

    pub(crate) fn key(&self, id: &str) -> &key::Key {
        &self.ledger.key(&name(id)).unwrap().state
    }

    pub(crate) fn state(&self, id: &str) -> key::State {
        self.key(id).state
    }

    /// The key pair that signs the next event: the operator's in the bootstrap, then the ledger's newest.
    fn signer(&self, verified_by: VerifiedBy) -> KeyPair {
        let versions = self
            .ledger
            .key(&name(LEDGER_SIGNING_KEY))
            .map_or(1, |e| e.state.versions.len());
        match verified_by {
            VerifiedBy::Genesis => key_pair(KeyPairType::Operator, 1),
            _ => ledger_key(u8::try_from(versions).unwrap()),
        }
    }

    /// A command with what custody would make for it.
    pub(crate) fn prepared(&mut self, target: &HistoryId, command: Command) -> Prepared {
        match command {
            Command::Key(command) => match command {
                key::Command::Generate(generate) => {
                    let certified = generate.certify.as_ref();
                    let made = GeneratedKey {
                        version: self.fresh(generate.algorithm, 1, None),
                        certified: certified.map(|wanted| self.as_wanted(target, wanted)),
                    };
                    (generate, Some(made)).into()
                }
                key::Command::Register(register) => {
                    let made = match (&register.certify, &register.install) {
                        (Some(wanted), _) => Some(self.as_wanted(target, wanted)),
                        (None, Some(install)) => {
                            let issuer = install.issuer.as_ref().unwrap_or(&target.name);
                            Some(Box::new(self.found(issuer, &install.certificate)))
                        }
                        (None, None) => None,
                    };
                    (register, made).into()
                }
                key::Command::Rotate(rotate) => {
                    let key = self.ledger.key(&target.name).map(|e| &e.state);
                    let algorithm = key.map_or(Algorithm::Ed25519, |k| k.algorithm);
                    let next = key.map_or(1, |k| k.versions.len()) + 1;
                    let next = u8::try_from(next).unwrap();
                    let nkey = (target.name.as_str() == LEDGER_SIGNING_KEY)
                        .then(|| ledger_key(next).public_key());
                    (rotate, Some(self.fresh(algorithm, next.into(), nkey))).into()
                }
                key::Command::Certify(certify) => {
                    let made = self.as_wanted(target, &certify.certification());
                    (certify, Some(made)).into()
                }
                key::Command::Install(install) => {
                    let issuer = install.issuer.as_ref().unwrap_or(&target.name);
                    let made = Box::new(self.found(issuer, &install.certificate));
                    (install, Some(made)).into()
                }
                other => Command::Key(other).bare(),
            },
            Command::Account(account::Command::Create(create)) => {
                (create, Some(Box::new(self.account_facts()))).into()
            }
            Command::User(user::Command::Issue(issue)) => {
                self.made += 1;
                let n = 100 + u8::try_from(self.made % 100).unwrap();
                let made = GeneratedUser {
                    nkey: key_pair(KeyPairType::User, n).public_key(),
                    issued_at: self.now,
                };
                (issue, Some(made)).into()
            }
            Command::Operator(operator::Command::Trust(trust)) => {
                let made = vec![operator::AttestationAuthority {
                    subject: "CN=Yubico PIV Attestation Z 1".into(),
                    sha256: "5a".repeat(32).into(),
                    certificate: "MIIC".into(),
                }];
                (trust, made).into()
            }
            Command::Token(command) => {
                let made = Some(task_made(self.next_id())); // the command's own
                match command {
                    token::Command::Provision(verb) => (verb, made).into(),
                    token::Command::Verify(verb) => (verb, made).into(),
                    token::Command::Reset(verb) => (verb, made).into(),
                    token::Command::Unblock(verb) => (verb, made).into(),
                    token::Command::RotateSecrets(verb) => (verb, made).into(),
                    token::Command::Release(verb) => (verb, Some(Releasable)).into(),
                    other => Command::Token(other).bare(),
                }
            }
            Command::Principal(principal::Command::RecoverKey(recover)) => {
                (recover, Some(Recoverable)).into()
            }
            other => other.bare(),
        }
    }

    pub(crate) fn fresh(
        &mut self,
        algorithm: Algorithm,
        version: u32,
        nkey: Option<String>,
    ) -> NewVersion {
        self.made += 1;
        let n = self.made;
        let symmetric = algorithm.is_symmetric();
        NewVersion {
            version,
            public: Public {
                public_key: (!symmetric).then(|| spki(n).into()),
                nkey: nkey.map(Into::into),
                check_value: symmetric.then(|| format!("{n:016x}").into()),
            },
            material: Some(Material::Entry(format!("entry-{n}").into())),
        }
    }

    /// A `UUIDv7` of the clock and a counter.
    fn id(&mut self) -> Uuid {
        let id = self.next_id();
        self.ids += 1;
        id
    }

    fn next_id(&self) -> Uuid {
        let ms = u64::try_from(self.now.ms()).unwrap();
        let mut random = [0; 10];
        random[2..].copy_from_slice(&(self.ids + 1).to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid()
    }
}

/// Version `n` of the ledger's signing key.
pub(crate) fn ledger_key(n: u8) -> KeyPair {
    key_pair(KeyPairType::Account, 10 + n)
}

pub(crate) fn stamp(verified_by: VerifiedBy) -> Arc<Stamp> {
    Arc::new(Stamp {
        account: "ACLIENT".into(),
        user: "UALICE".into(),
        name: Some("alice".into()),
        role: None,
        host: Some("127.0.0.1".into()),
        verified_by,
        key: None,
    })
}

pub(crate) fn stored(sequence: u64, written: &Written) -> StoredEvent {
    let Sealed { record, bytes, cid } = &written.sealed;
    let HistoryId { aggregate, name } = &record.history;
    StoredEvent {
        sequence,
        subject: format!("keys.events.{aggregate}.{name}.{}", record.event.past()),
        headers: [
            ("Nats-Msg-Id", record.id.to_string()),
            ("CIM-Correlation-Id", record.ids.correlation.to_string()),
            ("CIM-Causation-Id", record.ids.causation.to_string()),
            ("CIM-Event-Type", record.event.type_name().to_owned()),
            ("CIM-Aggregate-Id", name.to_string()),
            ("CIM-Schema-Version", "1".to_owned()),
            ("Keyledger-Cid", cid.to_string()),
            (
                "Keyledger-Signature",
                BASE64URL_NOPAD.encode(&written.signature),
            ),
            ("Keyledger-Signer", written.signer.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into(),
        payload: bytes.clone(),
    }
}

/// Decisions that no command makes.
pub(crate) fn decision(events: impl IntoIterator<Item = (HistoryId, Event)>) -> Decision {
    Decision {
        events: events.into_iter().collect(),
    }
}
