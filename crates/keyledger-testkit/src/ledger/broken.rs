//! Ledgers that are not what was written, each made of the same genuine one by one change: what is done to a stream by
//! whoever may write to it, by whoever holds its disk, and by a disk that fails.
//!
//! Offline verification, a start and a running instance must refuse each of them.

use keyledger_domain::{
    Aggregate, Decision, Event, EventCid, LEDGER_SIGNING_KEY, Ledger, Record, Timestamp,
    VerifiedBy, key,
    key::{Public, Rotated},
    name::HistoryId,
    operator,
    record::{Ids, Why},
    verify::{StoredEvent, header},
};
use nkeys::{KeyPair, KeyPairType};
use uuid::Uuid;

use super::{
    BEGINNING, TestLedger, account_created, administrator, history, name, sign_event, spki, stamp,
    stored, title,
};

/// A ledger that must be refused.
#[derive(Debug, Clone)]
pub struct Broken {
    /// What was done to it.
    pub name: String,
    /// What the stream holds.
    pub events: Vec<StoredEvent>,
    /// Who can see it.
    pub shows: Shows,
}

/// Who can see that a ledger is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// Whoever knows the operator.
    Always,
    /// Whoever knows besides what the ledger was when it had [`Genuine::seen`] events: each event is genuine.
    ToWhoKnewIt,
}

/// The ledger of which the broken ones are made.
#[derive(Debug, Clone)]
pub struct Genuine {
    /// The ledger.
    pub ledger: TestLedger,
    /// How many of its events the trust bootstrap wrote.
    pub genesis: usize,
    /// How many there were when the snapshot was written, or when the stream was replaced under a running instance.
    pub seen: usize,
}

impl Genuine {
    /// Three keys' lives, with two rotations of the signing key.
    #[must_use]
    pub fn new() -> Self {
        let mut ledger = TestLedger::of(1);
        let genesis = ledger.events.len();
        let generate = r#"{"algorithm":"ed25519","activate":true}"#;
        ledger.command("key.generate", "a", generate);
        ledger.command("key.suspend", "a", r#"{"reason":"moved"}"#);
        ledger.command("key.generate", "b", generate);
        ledger.command("key.rotate", "b", "{}");
        ledger.command("key.describe", "b", r#"{"title":"signs orders"}"#);
        ledger.command("key.rotate", LEDGER_SIGNING_KEY, "{}");
        let seen = ledger.events.len();
        ledger.command("key.resume", "a", "{}");
        ledger.command("key.generate", "c", generate);
        let compromised = r#"{"revocation_reason":"key_compromise","reason":"laptop stolen"}"#;
        ledger.command("key.revoke", "b", compromised);
        ledger.command("key.rotate", LEDGER_SIGNING_KEY, "{}");
        ledger.command("key.describe", "c", r#"{"title":"seals backups"}"#);
        ledger.command("key.rotate", "c", "{}");
        ledger.command("key.deactivate", "a", r#"{"reason":"retired"}"#);
        Self {
            ledger,
            genesis,
            seen,
        }
    }

    /// The ledger as it was then.
    #[must_use]
    pub fn known(&self) -> &[StoredEvent] {
        &self.ledger.events[..self.seen]
    }

    /// Every broken ledger.
    #[must_use]
    pub fn broken(&self) -> Vec<Broken> {
        let mut all = All {
            genuine: self,
            cases: Vec::new(),
        };
        all.altered();
        all.mislabelled();
        all.missing();
        all.moved();
        all.written_again();
        all.wrongly_signed();
        all.taken_over();
        all.wrong_though_signed();
        all.foreign();
        all.rolled_back();
        all.cases
    }
}

impl Default for Genuine {
    fn default() -> Self {
        Self::new()
    }
}

/// A change of a record, and what it is called.
type Change = (&'static str, fn(&mut Record));

struct All<'a> {
    genuine: &'a Genuine,
    cases: Vec<Broken>,
}

/// Events of the bootstrap, known before, and new, by the ends of their subjects.
const OF_EACH_AGE: [(&str, &str); 3] = [
    ("genesis", "account.staff.created"),
    ("old", "key.a.suspended"),
    ("new", "key.b.revoked"),
];

impl All<'_> {
    fn add(&mut self, name: impl Into<String>, change: impl FnOnce(&mut Vec<StoredEvent>)) {
        self.push(name.into(), Shows::Always, change);
    }

    fn add_known(&mut self, name: impl Into<String>, change: impl FnOnce(&mut Vec<StoredEvent>)) {
        self.push(name.into(), Shows::ToWhoKnewIt, change);
    }

    fn push(&mut self, name: String, shows: Shows, change: impl FnOnce(&mut Vec<StoredEvent>)) {
        let mut events = self.genuine.ledger.events.clone();
        change(&mut events);
        assert_ne!(events, self.genuine.ledger.events, "{name} changes nothing");
        self.cases.push(Broken {
            name,
            events,
            shows,
        });
    }

    fn ledger(&self) -> TestLedger {
        self.genuine.ledger.clone()
    }

    /// Bits flipped, bytes replaced.
    fn altered(&mut self) {
        for (age, tail) in OF_EACH_AGE {
            for (what, half) in [("first", 0), ("middle", 1), ("last", 2)] {
                self.add(format!("a bit flipped: {what} byte, {age}"), |events| {
                    let payload = &mut find(events, tail).payload;
                    let at = (payload.len() - 1) * half / 2;
                    payload[at] ^= 4;
                });
            }
            self.add(format!("altered, with a CID that fits: {age}"), |events| {
                let event = find(events, tail);
                change(event, |record| {
                    record.why.reason = Some("mine".parse().expect("it is a line"));
                });
                let cid = EventCid::of(&event.payload).to_string();
                event.headers.insert(header::CID.to_owned(), cid);
            });
            self.add(format!("a payload cut off: {age}"), |events| {
                find(events, tail).payload.truncate(100);
            });
        }
    }

    /// Headers and subjects that say something else than the bytes.
    fn mislabelled(&mut self) {
        let of = &self.genuine.ledger.events[0].headers;
        let names: Vec<_> = of.keys().cloned().collect();
        for name in &names {
            self.add(format!("without its {name}"), |events| {
                find(events, "key.b.revoked").headers.remove(name);
            });
            self.add(format!("with another {name}"), |events| {
                let at = place(&*events, "key.b.revoked");
                let other = events[place(&*events, "key.a.suspended") - 1].headers[name].clone();
                let other = if other == events[at].headers[name] {
                    "2".to_owned()
                } else {
                    other
                };
                events[at].headers.insert(name.clone(), other);
            });
        }
        for name in ["Nats-Rollup", "Nats-TTL", "keyledger-cid"] {
            self.add(format!("with a header {name}"), |events| {
                let at = place(&*events, "key.b.revoked");
                events[at].headers.insert(name.to_owned(), "all".to_owned());
            });
        }
        for (age, tail) in OF_EACH_AGE {
            self.add(format!("a signature's bit flipped: {age}"), |events| {
                let at = place(&*events, tail);
                let signature = events[at].headers.get_mut(header::SIGNATURE);
                let signature = signature.expect("it is signed");
                let flipped = if signature.starts_with('A') { "B" } else { "A" };
                signature.replace_range(..1, flipped);
            });
            for subject in [
                "keys.events.key.c.revoked",
                "other.events.key.a.suspended",
                "keys.events.key.a.resumed",
            ] {
                self.add(format!("under {subject}: {age}"), |events| {
                    subject.clone_into(&mut find(events, tail).subject);
                });
            }
        }
    }

    /// Gaps, with the sequences left as they are.
    fn missing(&mut self) {
        for (age, tail) in OF_EACH_AGE {
            self.add(format!("one missing: {age}"), |events| {
                events.remove(place(&*events, tail));
            });
        }
        for (what, tail) in [("old", "key.a.suspended"), ("new", "key.c.generated")] {
            self.add(
                format!("one missing, the rest renumbered: {what}"),
                |events| {
                    events.remove(place(&*events, tail));
                    renumber(events);
                },
            );
        }
        self.add_known("one missing, the rest renumbered: genesis", |events| {
            events.remove(place(&*events, "account.staff.created"));
            renumber(events);
        });
        self.add("the first missing", |events| {
            events.remove(0);
        });
        let seen = self.genuine.seen;
        self.add("four missing around what was known", |events| {
            events.drain(seen - 2..seen + 2);
        });
        self.add("a gap before the last", |events| {
            events.remove(events.len() - 2);
        });
        self.add("the bootstrap missing", |events| {
            let genesis = place(&*events, "key.a.generated");
            events.drain(..genesis);
        });
    }

    /// The same events in another order.
    fn moved(&mut self) {
        for (first, second) in [
            ("key.a.generated", "key.a.suspended"),
            ("key.a.suspended", "key.a.resumed"),
            ("key.c.described", "key.c.rotated"),
            ("ledger-signing.generated", "ledger-signing.rotated"),
        ] {
            self.add(format!("{first} and {second} swapped"), |events| {
                let (a, b) = (place(&*events, first), place(&*events, second));
                events.swap(a, b);
                renumber(events);
            });
        }
        self.add_known("two of different histories swapped, renumbered", |events| {
            let at = place(&*events, "key.b.generated");
            events.swap(at - 1, at);
            renumber(events);
        });
    }

    /// Events that stand there twice.
    fn written_again(&mut self) {
        for (age, tail) in OF_EACH_AGE {
            self.add(format!("written again at the end: {age}"), |events| {
                let again = events[place(&*events, tail)].clone();
                append(events, again);
            });
        }
        self.add("the last written again", |events| {
            let again = events[events.len() - 1].clone();
            append(events, again);
        });
        self.add("the bootstrap replayed", |events| {
            let genesis = place(&*events, "key.a.generated");
            let bootstrap: Vec<_> = events[..genesis].into();
            for again in bootstrap {
                append(events, again);
            }
        });
        self.add("everything replayed", |events| {
            for again in events.clone() {
                append(events, again);
            }
        });
        let signer = self.genuine.ledger.newest();
        self.add("written again under another id, signed", |events| {
            let mut again = events[place(&*events, "key.b.revoked")].clone();
            change(&mut again, |record| record.id = Uuid::from_u128(7));
            relabel(&mut again, &signer);
            append(events, again);
        });
    }

    /// Events signed by somebody else.
    fn wrongly_signed(&mut self) {
        let ledger = self.ledger();
        for (age, tail) in OF_EACH_AGE {
            for (who, pair) in [
                ("a stranger", ledger.stranger(1)),
                ("a version to come", ledger.signing_key(9)),
                ("another organisation", TestLedger::of(2).signing_key(1)),
            ] {
                self.add(format!("signed by {who}: {age}"), |events| {
                    sign_event(find(events, tail), &pair);
                });
            }
        }
        self.add("signed by the operator after the bootstrap", |events| {
            sign_event(find(events, "key.b.revoked"), &ledger.operator());
        });
        self.add("the bootstrap signed by the ledger's own key", |events| {
            sign_event(
                find(events, "account.staff.created"),
                &ledger.signing_key(1),
            );
        });
        self.add("signed by the version that came later", |events| {
            sign_event(find(events, "key.a.suspended"), &ledger.signing_key(2));
        });
        for version in [1, 3] {
            self.add(
                format!("a rotation signed by version {version}"),
                |events| {
                    let at = last_place(&*events, "ledger-signing.rotated");
                    sign_event(&mut events[at], &ledger.signing_key(version));
                },
            );
        }
        self.add(
            "named as signed by the ledger's key, by a stranger",
            |events| {
                let event = find(events, "key.b.revoked");
                let signer = event.headers[header::SIGNER].clone();
                sign_event(event, &ledger.stranger(1));
                event.headers.insert(header::SIGNER.to_owned(), signer);
            },
        );
    }

    /// A stranger rotates the ledger's signing key to one of his own, and goes on from there.
    fn taken_over(&mut self) {
        let ledger = self.ledger();
        let stranger = ledger.stranger(1);
        let newest = ledger.newest();
        for version in [1, 2, 3, 4, u32::MAX] {
            let rotation = rotation(&ledger.ledger, version, &stranger);
            self.add(
                format!("a stranger's rotation to version {version}"),
                |events| {
                    let rotation = forged(&ledger.ledger, rotation.clone(), &stranger);
                    append(events, rotation);
                },
            );
            self.add(
                format!("a stranger takes over by version {version}"),
                |events| {
                    let account = ledger.account(20).public_key();
                    for event in take_over(&ledger.ledger, version, &account, &stranger) {
                        append(events, event);
                    }
                },
            );
            if version != 4 {
                self.add(
                    format!("a rotation to version {version}, signed"),
                    |events| {
                        append(events, forged(&ledger.ledger, rotation.clone(), &newest));
                    },
                );
            }
        }
        let nkey = stranger.public_key();
        self.add(
            "the stranger is the first version of the bootstrap",
            |events| {
                let event = find(events, "ledger-signing.generated");
                change(event, |record| {
                    if let Event::Key(key::Event::Generated(created)) = &mut record.event {
                        created.public.nkey = Some(nkey.as_str().into());
                    }
                });
                relabel(event, &stranger);
            },
        );
        self.add(
            "a rotation in the past is replaced by a stranger's",
            |events| {
                let at = place(&*events, "ledger-signing.rotated");
                change(&mut events[at], |record| {
                    if let Event::Key(key::Event::Rotated(rotated)) = &mut record.event {
                        rotated.public.nkey = Some(nkey.as_str().into());
                    }
                });
                relabel(&mut events[at], &stranger);
            },
        );
    }

    /// What the ledger's own key signed, and is no ledger all the same.
    fn wrong_though_signed(&mut self) {
        let ledger = self.ledger();
        let newest = ledger.newest();
        let changes: [Change; 4] = [
            ("links to another past", |r| {
                r.prev = Some(EventCid::of(b"{}"))
            }),
            ("links to nothing", |r| r.prev = None),
            ("a revision skipped", |r| r.revision += 1),
            ("backdated", |r| r.occurred_at = BEGINNING),
        ];
        for (what, how) in changes {
            self.add(format!("{what}, signed"), |events| {
                let at = place(&*events, "key.a.deactivated");
                change(&mut events[at], how);
                relabel(&mut events[at], &newest);
            });
        }
        let ended = Event::Key(key::Event::Deactivated(key::Deactivated {
            deactivated_at: BEGINNING,
        }));
        let created = Event::Operator(operator::Event::Created(operator::Created {
            title: title("Mine"),
            nkey: newest.public_key().into(),
            key: name("operator-mine"),
            system_account: "A".into(),
            jwt: "eyJ".into(),
        }));
        for (what, id, event) in [
            (
                "a history that begins with nothing",
                history(Aggregate::Key, "d"),
                ended,
            ),
            (
                "a second operator",
                history(Aggregate::Operator, "mine"),
                created,
            ),
        ] {
            self.add(format!("{what}, signed"), |events| {
                append(events, forged(&ledger.ledger, (id, event), &newest));
            });
        }
        let c = rotated(&ledger.ledger, "c", 1, None);
        self.add(
            "another key's version that is not the next, signed",
            |events| {
                append(events, forged(&ledger.ledger, c, &newest));
            },
        );
        for (who, pair) in [
            ("the ledger", &newest),
            ("the operator", &ledger.operator()),
        ] {
            let title = title("Late");
            let event = Event::Operator(operator::Event::Described(operator::Described { title }));
            self.add(
                format!("a late event of the bootstrap, signed by {who}"),
                |events| {
                    let id = history(Aggregate::Operator, "test");
                    let mut late = forged(&ledger.ledger, (id, event), pair);
                    change(&mut late, |r| r.principal = stamp(VerifiedBy::Genesis));
                    relabel(&mut late, pair);
                    append(events, late);
                },
            );
        }
        let mut compromised = self.ledger();
        compromised.happen([(
            history(Aggregate::Key, LEDGER_SIGNING_KEY),
            Event::Key(key::Event::Revoked(key::Revoked {
                revocation_reason: key::RevocationReason::KeyCompromise,
                revoked_at: BEGINNING,
                compromise_occurred_at: None,
                compromise_detected_at: None,
            })),
        )]);
        compromised.command("key.generate", "late", r#"{"algorithm":"ed25519"}"#);
        self.add("signed by a key that was compromised before", |events| {
            *events = compromised.events;
        });
    }

    /// What is no event at all, or one of another ledger.
    fn foreign(&mut self) {
        for payload in ["{}", "", "hello", "[1,2]", "null"] {
            self.add(format!("a message {payload:?}"), |events| {
                let headers = Default::default();
                let (subject, payload) = ("keys.events.key.a.described".to_owned(), payload.into());
                append(
                    events,
                    StoredEvent {
                        sequence: 0,
                        subject,
                        headers,
                        payload,
                    },
                );
            });
        }
        let newest = self.genuine.ledger.newest();
        for (what, from, to) in [
            (
                "of an unknown type",
                "key.v1.deactivated",
                "key.v9.deactivated",
            ),
            (
                "with an unknown member",
                "\"data\":{",
                "\"more\":1,\"data\":{",
            ),
            (
                "with a member twice",
                "\"revision\":",
                "\"revision\":1,\"revision\":",
            ),
        ] {
            self.add(format!("an event {what}, signed"), |events| {
                let at = place(&*events, "key.a.deactivated");
                let text = String::from_utf8(events[at].payload.clone()).expect("JSON is text");
                events[at].payload = text.replacen(from, to, 1).into_bytes();
                sign_event(&mut events[at], &newest);
            });
        }
        let mut other = TestLedger::of(2);
        other.command("key.generate", "x", r#"{"algorithm":"ed25519"}"#);
        let theirs = other.events;
        let tail = theirs.last().cloned().expect("it has events");
        self.add("another organisation's ledger", |events| {
            events.clone_from(&theirs)
        });
        self.add("another organisation's ledger behind this one", |events| {
            for event in theirs.clone() {
                append(events, event);
            }
        });
        self.add("another organisation's event", |events| {
            append(events, tail)
        });
        self.add("this ledger behind another organisation's", |events| {
            let mut all = theirs;
            for event in events.drain(..) {
                append(&mut all, event);
            }
            *events = all;
        });
    }

    /// Genuine events, and fewer or others than there were.
    fn rolled_back(&mut self) {
        let (seen, genesis) = (self.genuine.seen, self.genuine.genesis);
        for (what, count) in [
            ("by one event", seen - 1),
            ("by three events", seen - 3),
            ("to the bootstrap", genesis),
        ] {
            self.add_known(format!("rolled back {what}"), |events| {
                events.truncate(count)
            });
        }
        self.add_known("cut off within the bootstrap", |events| {
            events.truncate(genesis - 1)
        });
        self.add_known("one history left out, the rest renumbered", |events| {
            events.retain(|event| !event.subject.contains(".key.b."));
            renumber(events);
        });
        for (what, more) in [("as long as it was", 6), ("longer than it was", 40)] {
            let mut grown = TestLedger::of(1);
            grown.command(
                "key.generate",
                "a",
                r#"{"algorithm":"ed25519","activate":true}"#,
            );
            for n in 0..more {
                let json = format!(r#"{{"title":"title {n}"}}"#);
                grown.command("key.describe", "a", &json);
            }
            self.add_known(format!("rolled back, and grown {what}"), |events| {
                *events = grown.events;
            });
        }
    }
}

fn place(events: &[StoredEvent], tail: &str) -> usize {
    let found = events.iter().position(|e| e.subject.ends_with(tail));
    found.unwrap_or_else(|| panic!("no event {tail}"))
}

fn find<'a>(events: &'a mut [StoredEvent], tail: &str) -> &'a mut StoredEvent {
    let at = place(events, tail);
    &mut events[at]
}

fn last_place(events: &[StoredEvent], tail: &str) -> usize {
    let found = events.iter().rposition(|e| e.subject.ends_with(tail));
    found.unwrap_or_else(|| panic!("no event {tail}"))
}

fn renumber(events: &mut [StoredEvent]) {
    (1..).zip(events).for_each(|(n, event)| event.sequence = n);
}

fn append(events: &mut Vec<StoredEvent>, mut event: StoredEvent) {
    event.sequence = events.last().map_or(0, |last| last.sequence) + 1;
    events.push(event);
}

/// Changes the record of an event, and nothing else.
fn change(event: &mut StoredEvent, how: impl FnOnce(&mut Record)) {
    let mut record = Record::read(&event.payload).expect("it is an event");
    how(&mut record);
    event.payload = record.to_bytes();
}

/// Gives a changed event the headers, the CID and the signature that fit.
fn relabel(event: &mut StoredEvent, signer: &KeyPair) {
    let record = Record::read(&event.payload).expect("it is an event");
    for (name, value) in header::of_record(&record) {
        event.headers.insert(name.to_owned(), value);
    }
    sign_event(event, signer);
}

/// An event that would stand next in its history, signed by `signer`. It stands nowhere yet: its sequence is 0.
///
/// # Panics
///
/// If the pair has no secret half.
#[must_use]
pub fn forged(ledger: &Ledger, event: (HistoryId, Event), signer: &KeyPair) -> StoredEvent {
    let decision = Decision {
        events: vec![event],
    };
    let ids = Ids::root(Uuid::now_v7());
    let principal = stamp(VerifiedBy::RequestInfo);
    let now = ledger.latest().unwrap_or(BEGINNING);
    let now = Timestamp::from_ms(now.ms() + 1_000);
    let why = Why::default();
    let sealed = ledger.seal(decision, ids, &principal, &why, now, Uuid::now_v7);
    stored(0, &sealed[0], signer)
}

/// What whoever may write to a stream needs to take over: the ledger's signing key is rotated to an nkey of a stranger's,
/// under this version; the account with the nkey `account` gets a signing key of the stranger's; and that issues an
/// administrator.
///
/// # Panics
///
/// If the pair has no secret half.
#[must_use]
pub fn take_over(ledger: &Ledger, version: u32, account: &str, by: &KeyPair) -> Vec<StoredEvent> {
    let now = ledger.latest().unwrap_or(BEGINNING);
    let pair = |kind, n| KeyPair::new_from_raw(kind, [n; 32]).expect("32 bytes are a seed");
    let signing = pair(KeyPairType::Account, 77);
    let created = account_created(account, &signing, "account-mine", now);
    [
        rotation(ledger, version, by),
        (history(Aggregate::Account, "mine"), created),
        (
            history(Aggregate::User, "mallory"),
            administrator("mine", &pair(KeyPairType::User, 78), &signing, now),
        ),
    ]
    .map(|event| forged(ledger, event, by))
    .into()
}

/// The event that gives the ledger's signing key the nkey of `to` as version `version`.
fn rotation(ledger: &Ledger, version: u32, to: &KeyPair) -> (HistoryId, Event) {
    rotated(
        ledger,
        LEDGER_SIGNING_KEY,
        version,
        Some(to.public_key().into()),
    )
}

fn rotated(ledger: &Ledger, key: &str, version: u32, nkey: Option<Box<str>>) -> (HistoryId, Event) {
    let now = ledger.latest().unwrap_or(BEGINNING);
    let rotated = Rotated {
        version,
        public: Public {
            public_key: Some(spki(99)),
            nkey,
            check_value: None,
        },
        material: None,
        rotated_at: now,
        protect_stop_at: now.plus_days(365),
        process_stop_at: None,
        rotation_due_at: now.plus_days(365),
    };
    (
        history(Aggregate::Key, key),
        Event::Key(key::Event::Rotated(rotated)),
    )
}
