//! A small ledger that verifies, made by the domain's own rules and signed by keys that are the same in every run; and
//! the [`broken`] ones that can be made of it.

pub mod broken;

use std::sync::Arc;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use keyledger_domain::{
    Aggregate, Command, Decision, Event, EventCid, LEDGER_SIGNING_KEY, Ledger, Name, Prepared,
    Role, Stamp, Timestamp, VerifiedBy,
    account::{self, NkeyMade, Purpose, SigningKey, intent::Intent},
    key::{self, GeneratedKey, Material, NewVersion, Public},
    ledger::Sealed,
    name::HistoryId,
    operator,
    record::{Ids, Why},
    template::TemplateVersion,
    text::Title,
    user,
    verify::{HeadDigest, SignedHead, StoredEvent, header},
};
use nkeys::{KeyPair, KeyPairType};
use uuid::Uuid;

/// 2026-01-01T00:00:00Z: when every such ledger begins.
pub const BEGINNING: Timestamp = Timestamp::from_ms(1_767_225_600_000);

/// The prefix of its subjects.
pub const PREFIX: &str = "keys";

/// A ledger with the keys that sign it.
#[derive(Debug, Clone)]
pub struct TestLedger {
    /// Tells the keys of one organisation from those of another.
    organisation: u8,
    /// The fold of what was written.
    pub ledger: Ledger,
    /// What was written, as a stream holds it.
    pub events: Vec<StoredEvent>,
    now: Timestamp,
    ids: u64,
}

impl TestLedger {
    /// The trust bootstrap of organisation number `organisation`: an operator, the ledger's signing key, the account
    /// `staff` and the administrator `root`.
    ///
    /// # Panics
    ///
    /// If the domain refuses its own bootstrap.
    #[must_use]
    pub fn of(organisation: u8) -> Self {
        let mut ledger = Self {
            organisation,
            ledger: Ledger::new(),
            events: Vec::new(),
            now: BEGINNING,
            ids: 0,
        };
        let events = ledger.bootstrap();
        ledger.write(Decision { events }, VerifiedBy::Genesis);
        ledger
    }

    /// The operator's identity.
    #[must_use]
    pub fn operator(&self) -> KeyPair {
        self.pair(KeyPairType::Operator, 1)
    }

    /// Version `version` of the key that signs the ledger.
    #[must_use]
    pub fn signing_key(&self, version: u8) -> KeyPair {
        self.pair(KeyPairType::User, 10 + version)
    }

    /// A key of nobody the ledger knows.
    #[must_use]
    pub fn stranger(&self, n: u8) -> KeyPair {
        self.pair(KeyPairType::User, 200 + n)
    }

    /// Writes what a command comes to, `aggregate.verb` for `name`, a second later.
    ///
    /// # Panics
    ///
    /// If the command is refused.
    pub fn command(&mut self, verb: &str, name: &str, json: &str) {
        self.now = Timestamp::from_ms(self.now.ms() + 1_000);
        let (aggregate, verb) = verb.split_once('.').expect("aggregate.verb");
        let aggregate = Aggregate::parse(aggregate).expect("an aggregate");
        let target = history(aggregate, name);
        let (command, _) = Command::parse(aggregate, verb, json.as_bytes()).expect("well-formed");
        let prepared = self.prepared(&target, command);
        let decision = self.ledger.decide(&target, &prepared, self.now).result;
        let decision = decision.unwrap_or_else(|no| panic!("{verb} {name}: {no}"));
        self.write(decision, VerifiedBy::RequestInfo);
    }

    /// Writes events that no command makes, signed by the ledger's newest key.
    pub fn happen(&mut self, events: impl IntoIterator<Item = (HistoryId, Event)>) {
        let events = events.into_iter().collect();
        self.write(Decision { events }, VerifiedBy::RequestInfo);
    }

    /// A signed head over the first `count` events.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    #[must_use]
    pub fn head(&self, count: usize) -> SignedHead {
        let mut digest = HeadDigest::new();
        for event in &self.events[..count] {
            digest.push(&EventCid::of(&event.payload));
        }
        let pair = self.signing_key(1);
        let (nkey, last) = (pair.public_key(), count as u64);
        let head = SignedHead::unsigned(PREFIX, &digest, last, self.now, &nkey);
        let signature = sign(&pair, &head.message());
        head.with_signature(&signature)
    }

    fn write(&mut self, decision: Decision, verified_by: VerifiedBy) {
        let ids = Ids::root(self.id());
        let (ledger, now) = (self.ledger.clone(), self.now);
        let principal = stamp(verified_by);
        let sealed = ledger.seal(decision, ids, &principal, &Why::default(), now, || {
            self.id()
        });
        for sealed in sealed {
            let signer = match verified_by {
                VerifiedBy::Genesis => self.operator(),
                _ => self.newest(),
            };
            let sequence = self.events.len() as u64 + 1;
            let applied = self.ledger.apply(&sealed.record, sealed.cid, sequence);
            applied.expect("what the domain decides follows");
            self.events.push(stored(sequence, &sealed, &signer));
        }
    }

    /// The newest version of the ledger's signing key.
    fn newest(&self) -> KeyPair {
        let key = self.ledger.key(&name(LEDGER_SIGNING_KEY));
        let versions = key.map_or(1, |key| key.state.versions.len());
        self.signing_key(u8::try_from(versions).expect("few versions"))
    }

    /// A command with what custody would make for it.
    fn prepared(&self, target: &HistoryId, command: Command) -> Prepared {
        match command {
            Command::Key(key::Command::Generate(generate)) => {
                let made = GeneratedKey {
                    version: self.fresh(1, None),
                    certified: None,
                };
                (generate, Some(made)).into()
            }
            Command::Key(key::Command::Rotate(rotate)) => {
                let key = self.ledger.key(&target.name);
                let next = key.map_or(1, |key| key.state.versions.len()) + 1;
                let next = u8::try_from(next).expect("few versions");
                let is_own = target.name.as_str() == LEDGER_SIGNING_KEY;
                let nkey = is_own.then(|| self.signing_key(next).public_key());
                (rotate, Some(self.fresh(next.into(), nkey))).into()
            }
            bare @ (Command::Key(
                key::Command::Register(_)
                | key::Command::Activate(_)
                | key::Command::Suspend(_)
                | key::Command::Resume(_)
                | key::Command::Deactivate(_)
                | key::Command::Revoke(_)
                | key::Command::Destroy(_)
                | key::Command::Archive(_)
                | key::Command::Recover(_)
                | key::Command::Describe(_)
                | key::Command::Schedule(_)
                | key::Command::Certify(_)
                | key::Command::Install(_)
                | key::Command::RevokeCertificate(_)
                | key::Command::Note(_),
            )
            | Command::Principal(_)
            | Command::Operator(_)
            | Command::Account(_)
            | Command::User(_)
            | Command::Token(_)
            | Command::Report(_)) => bare.bare(),
        }
    }

    fn fresh(&self, version: u32, nkey: Option<String>) -> NewVersion {
        NewVersion {
            version,
            public: Public {
                public_key: Some(spki(self.ids)),
                nkey: nkey.map(Into::into),
                check_value: None,
            },
            material: Some(Material::Entry(format!("entry-{}", self.ids).into())),
        }
    }

    fn pair(&self, kind: KeyPairType, n: u8) -> KeyPair {
        let mut seed = [n; 32];
        seed[0] = self.organisation;
        KeyPair::new_from_raw(kind, seed).expect("32 bytes are a seed")
    }

    /// A `UUIDv7` of the time and a counter.
    fn id(&mut self) -> Uuid {
        self.ids += 1;
        let ms = u64::try_from(self.now.ms()).expect("after 1970");
        let mut random = [self.organisation; 10];
        random[2..].copy_from_slice(&self.ids.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid()
    }

    fn bootstrap(&self) -> Vec<(HistoryId, Event)> {
        let (operator, now) = (self.operator(), self.now);
        let (staff, signing) = (self.account(20), self.account(21));
        let mut events = nkey("operator-test", &operator, true, now);
        let created = operator::Event::Created(operator::Created {
            title: title("Test"),
            nkey: operator.public_key().into(),
            key: name("operator-test"),
            system_account: self.account(30).public_key().into(),
            jwt: "eyJ".into(),
        });
        events.push((
            history(Aggregate::Operator, "test"),
            Event::Operator(created),
        ));
        events.extend(nkey(LEDGER_SIGNING_KEY, &self.signing_key(1), false, now));
        events.extend(nkey("account-staff", &staff, false, now));
        events.extend(nkey("account-staff-signing", &signing, false, now));
        events.push((
            history(Aggregate::Account, "staff"),
            account_created(&staff.public_key(), &signing, "account-staff", now),
        ));
        events.push((
            history(Aggregate::User, "root"),
            administrator("staff", &self.pair(KeyPairType::User, 40), &signing, now),
        ));
        events
    }

    fn account(&self, n: u8) -> KeyPair {
        self.pair(KeyPairType::Account, n)
    }
}

/// The event that makes an account whose administrators `signing` issues.
fn account_created(nkey: &str, signing: &KeyPair, key: &str, now: Timestamp) -> Event {
    Event::Account(account::Event::Created(account::Created {
        title: title("Staff"),
        purpose: Purpose::Client,
        nkey: nkey.into(),
        key: name(key),
        signing_keys: vec![SigningKey {
            key: name(&format!("{key}-signing")),
            nkey: signing.public_key().into(),
            role: Some(Role::Administrator),
            scope: None,
        }],
        intent: Intent::new(TemplateVersion::NEWEST),
        issuer: "O".into(),
        issued_at: now.seconds(),
    }))
}

/// The event that makes an administrator.
fn administrator(account: &str, user: &KeyPair, issuer: &KeyPair, now: Timestamp) -> Event {
    Event::User(user::Event::Issued(user::Issued {
        account: name(account),
        nkey: user.public_key().into(),
        generated: false,
        role: Some(Role::Administrator),
        issuer: issuer.public_key().into(),
        principal: None,
        issued_at: now.seconds(),
        expires_at: now.plus_days(365).seconds(),
        keys: vec![],
        publish: None,
        subscribe: None,
    }))
}

/// The events of a key that is an nkey.
fn nkey(key: &str, pair: &KeyPair, offline: bool, now: Timestamp) -> Vec<(HistoryId, Event)> {
    let made = NkeyMade {
        key: name(key),
        public: Public {
            public_key: Some(spki(u64::from(key.as_bytes()[0]))),
            nkey: Some(pair.public_key().into()),
            check_value: None,
        },
        material: (!offline).then(|| Material::Entry(key.into())),
    };
    let events = made.events(title("trust"), None, now).into_iter();
    events
        .map(|event| (history(Aggregate::Key, key), Event::Key(event)))
        .collect()
}

/// An event as the stream holds it, signed by `signer`.
fn stored(sequence: u64, sealed: &Sealed, signer: &KeyPair) -> StoredEvent {
    let record = &sealed.record;
    let HistoryId { aggregate, name } = &record.history;
    let past = record.event.past();
    let mut event = StoredEvent {
        sequence,
        subject: format!("{PREFIX}.events.{aggregate}.{name}.{past}"),
        headers: header::of_record(record)
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        payload: sealed.bytes.clone(),
    };
    sign_event(&mut event, signer);
    event
}

/// Gives an event the CID of its bytes, and a signature over it.
fn sign_event(event: &mut StoredEvent, signer: &KeyPair) {
    let cid = EventCid::of(&event.payload);
    let signature = BASE64URL_NOPAD.encode(&sign(signer, &cid.to_bytes()));
    for (name, value) in [
        (header::CID, cid.to_string()),
        (header::SIGNATURE, signature),
        (header::SIGNER, signer.public_key()),
    ] {
        event.headers.insert(name.to_owned(), value);
    }
}

fn sign(pair: &KeyPair, message: &[u8]) -> [u8; 64] {
    let signature = pair.sign(message).expect("it has a secret half");
    signature
        .try_into()
        .expect("Ed25519 signatures have 64 bytes")
}

fn stamp(verified_by: VerifiedBy) -> Arc<Stamp> {
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

fn history(aggregate: Aggregate, id: &str) -> HistoryId {
    HistoryId::new(aggregate, name(id))
}

fn name(text: &str) -> Name {
    Name::new(text).expect("it is a name")
}

fn title(text: &str) -> Title {
    Title::new(text).expect("it is a title")
}

/// Base64 of a well-formed Ed25519 `SubjectPublicKeyInfo`.
fn spki(n: u64) -> Box<str> {
    let mut der = HEXLOWER
        .decode(b"302a300506032b6570032100")
        .expect("it is hexadecimal");
    der.extend([0; 24]);
    der.extend(n.to_be_bytes());
    BASE64.encode(&der).into()
}
