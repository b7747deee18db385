//! The simulated world.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use keyledger_domain::{
    Command, Name, Stamp, Timestamp, VerifiedBy,
    command::Target,
    name::Aggregate,
    record::{Ids, Why},
    verify,
};
use keyledger_service::{
    SignerError,
    handler::{CurrentSigner, Handler, Live, Order, Parts, Signer},
    store::{Append, AppendError, Disturbed, MemoryStore, Pending, ReadError, Store, StoredEvent},
};
use keyledger_testkit::ledger::TestLedger;
use keyledger_wire::Prefix;
use parking_lot::Mutex;
use uuid::Uuid;

/// Repeatable numbers (`SplitMix64`, Steele et al. 2014): the seed is the bug report.
#[derive(Clone)]
pub(crate) struct Random(Arc<Mutex<u64>>);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed)))
    }

    pub(crate) fn fork(&self) -> Self {
        Self::new(self.next())
    }

    pub(crate) fn next(&self) -> u64 {
        let mut state = self.0.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&self, end: u64) -> u64 {
        self.next() % end
    }
}

/// A store that misbehaves as the world does, over one that keeps its promises.
#[derive(Clone)]
pub(crate) struct Unreliable {
    inner: MemoryStore,
    random: Random,
    calm: Arc<AtomicBool>,
}

impl Disturbed for Unreliable {
    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    fn append(
        &self,
        batch: Vec<Append>,
        last: Option<u64>,
    ) -> Pending<'_, Result<u64, AppendError>> {
        Box::pin(async move {
            if self.calm.load(Ordering::Relaxed) {
                return self.inner.append(batch, last).await;
            }
            let (fate, delay) = (self.random.below(10), self.random.below(30));
            tokio::time::sleep(Duration::from_millis(delay)).await;
            match fate {
                // The message is lost on its way.
                0 => Err(AppendError::Unacknowledged("lost".to_owned())),
                // The acknowledgement is lost on its way back.
                1 => {
                    let _ = self.inner.append(batch, last).await;
                    Err(AppendError::Unacknowledged("ack lost".to_owned()))
                }
                // The acknowledgement is given up; the message arrives later.
                2 => {
                    let inner = self.inner.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        let _ = inner.append(batch, last).await;
                    });
                    Err(AppendError::Unacknowledged("late".to_owned()))
                }
                // The acknowledgement is slow: the event comes by in the tail first.
                3..=5 => {
                    let appended = self.inner.append(batch, last).await;
                    tokio::time::sleep(Duration::from_millis(25)).await;
                    appended
                }
                _ => self.inner.append(batch, last).await,
            }
        })
    }

    fn last_sequence(&self) -> Pending<'_, Result<u64, ReadError>> {
        Box::pin(async move {
            if !self.calm.load(Ordering::Relaxed) && self.random.below(10) == 0 {
                return Err(ReadError::Unavailable("away".to_owned()));
            }
            let last = self.inner.last_sequence().await;
            // The answer is slow: more is appended and comes by before it.
            if !self.calm.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(self.random.below(40))).await;
            }
            last
        })
    }
}

/// Signs with a key of its own.
struct TestSigner {
    nkey: String,
    pair: nkeys::KeyPair,
}

impl Signer for TestSigner {
    fn nkey(&self) -> &str {
        &self.nkey
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Pending<'a, Result<[u8; 64], SignerError>> {
        let signature = self.pair.sign(message).expect("it has a secret half");
        let signature = signature
            .try_into()
            .expect("Ed25519 signatures have 64 bytes");
        Box::pin(async move { Ok(signature) })
    }
}

/// One store, any number of instances.
pub(crate) struct World {
    pub(crate) store: Unreliable,
    organisation: TestLedger,
    random: Random,
}

impl World {
    pub(crate) fn new(random: Random) -> Self {
        let calm = Arc::new(AtomicBool::new(false));
        let organisation = TestLedger::of(1);
        let inner = MemoryStore::new();
        inner.replace(organisation.events.iter().map(stored).collect());
        Self {
            organisation,
            store: Unreliable {
                inner,
                random: random.fork(),
                calm,
            },
            random,
        }
    }

    /// From now on the store behaves.
    pub(crate) fn calm(&self) {
        self.store.calm.store(true, Ordering::Relaxed);
    }

    /// A new instance, with a clock that is off and jumps.
    pub(crate) async fn instance(&self) -> Handler {
        let pair = self.organisation.signing_key(1);
        let random = self.random.fork();
        let (news, _) = tokio::sync::mpsc::unbounded_channel();
        let store: Arc<dyn Store> = Arc::new(self.store.clone());
        let parts = Parts {
            store,
            prefix: Prefix::default(),
            signer: Arc::new(CurrentSigner::new(Arc::new(TestSigner {
                nkey: pair.public_key(),
                pair,
            }))),
            clock: Arc::new(move || {
                let jump = i64::try_from(random.below(20_000)).expect("small") - 10_000;
                Timestamp::from_ms(1_800_000_000_000 + jump)
            }),
            news,
            reserve: None,
        };
        // The first start may meet a store that is away.
        loop {
            let parts = Parts {
                store: Arc::clone(&parts.store),
                prefix: parts.prefix.clone(),
                signer: Arc::clone(&parts.signer),
                clock: Arc::clone(&parts.clock),
                news: parts.news.clone(),
                reserve: None,
            };
            if let Ok(handler) = Handler::start(parts, Arc::new(Live::default())).await {
                return handler;
            }
        }
    }
}

/// An event of the bootstrap as the store holds it.
fn stored(event: &verify::StoredEvent) -> StoredEvent {
    let headers = event.headers.iter();
    StoredEvent {
        sequence: event.sequence,
        subject: event.subject.clone(),
        headers: headers.map(|(n, v)| (n.clone(), v.clone())).collect(),
        payload: event.payload.clone().into(),
    }
}

/// A random command for one of twelve keys.
pub(crate) fn order(random: &Random, place: u64) -> Order {
    let name = Name::new(&format!("key-{}", random.below(12))).expect("it is a name");
    let (verb, payload) = match random.below(8) {
        0..=2 => ("register", register(random, place)),
        3 => ("activate", "{}".to_owned()),
        4 => ("suspend", r#"{"reason":"simulated"}"#.to_owned()),
        5 => ("resume", "{}".to_owned()),
        6 => ("describe", format!(r#"{{"title":"title {place}"}}"#)),
        _ => (
            "revoke",
            r#"{"reason":"simulated","revocation_reason":"superseded"}"#.to_owned(),
        ),
    };
    let (command, why): (Command, Why) =
        Command::parse(Aggregate::Key, verb, payload.as_bytes()).expect("it is well-formed");
    let id = Uuid::from_u128((u128::from(random.next()) << 64) | u128::from(place) | 1);
    let principal = Stamp {
        account: "A".into(),
        user: "U".into(),
        name: None,
        role: None,
        host: None,
        verified_by: VerifiedBy::Service,
        key: None,
    };
    Order {
        target: Target::new(Aggregate::Key, name),
        command: command.bare(),
        why,
        ids: Ids::root(id),
        principal: Arc::new(principal),
        issuer: None,
        signer: None,
    }
}

/// An Ed25519 public key that nobody has the other half of.
fn register(random: &Random, place: u64) -> String {
    let mut der = data_encoding::HEXLOWER
        .decode(b"302a300506032b6570032100")
        .expect("hex");
    for _ in 0..4 {
        der.extend_from_slice(&random.next().to_le_bytes());
    }
    let public_key = data_encoding::BASE64.encode(&der);
    let activate = place.is_multiple_of(2);
    format!(r#"{{"algorithm":"ed25519","public_key":"{public_key}","activate":{activate}}}"#)
}
