//! A ledger in memory with the real start and the real handler on it.

use std::{sync::Arc, time::Duration};

use keyledger_custody::{Custody, RootKey};
use keyledger_domain::{
    Command, EventCid, Name, Stamp, Timestamp, VerifiedBy,
    command::Target,
    name::Aggregate,
    record::{Ids, Why},
    verify,
};
use keyledger_service::{
    Beginning, Begun, KnownGenesis, SignerError, Snapshot,
    handler::{
        Clock, CurrentSigner, Done, Failure, Handler, Live, LoadError, Order, Parts, Signer,
    },
    store::{MemoryStore, Pending, Store, StoredEvent},
};
use keyledger_testkit::ledger::{BEGINNING, TestLedger, broken::Genuine};
use keyledger_wire::Prefix;
use nkeys::KeyPair;
use tempfile::TempDir;
use uuid::Uuid;

/// A store that holds these events.
pub(crate) fn store(events: &[verify::StoredEvent]) -> MemoryStore {
    let store = MemoryStore::new();
    store.replace(events.iter().map(stored).collect());
    store
}

pub(crate) fn stored(event: &verify::StoredEvent) -> StoredEvent {
    let headers = event.headers.iter();
    StoredEvent {
        sequence: event.sequence,
        subject: event.subject.clone(),
        headers: headers.map(|(n, v)| (n.clone(), v.clone())).collect(),
        payload: event.payload.clone().into(),
    }
}

/// What an organisation's directory knows of the bootstrap.
pub(crate) fn genesis(genuine: &Genuine) -> KnownGenesis {
    let events = genuine.ledger.events[..genuine.genesis].iter();
    KnownGenesis {
        operator: genuine.ledger.operator().public_key(),
        events: events.map(|event| EventCid::of(&event.payload)).collect(),
    }
}

/// A snapshot file, and the key under which it is ours.
pub(crate) struct File {
    folder: TempDir,
    custody: Custody,
}

impl File {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            custody: Custody::open(RootKey::generate().unwrap()),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let key = self.custody.mac_key("snapshot");
        Snapshot::new(self.path(), key)
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("snapshot")
    }

    /// A snapshot of these events.
    pub(crate) async fn of(events: &[verify::StoredEvent], genesis: &KnownGenesis) -> Self {
        let file = Self::new();
        let begun = begin(&store(events), None, genesis).await.unwrap();
        file.snapshot().save(&begun.live).unwrap();
        assert!(file.path().exists());
        file
    }
}

pub(crate) async fn begin(
    store: &MemoryStore,
    snapshot: Option<&Snapshot>,
    genesis: &KnownGenesis,
) -> Result<Begun, LoadError> {
    let prefix = Prefix::default();
    let beginning = Beginning {
        store,
        prefix: &prefix,
        snapshot,
        genesis: Some(genesis),
        accept_rollback: false,
    };
    beginning.begin().await
}

pub(crate) struct TestSigner(KeyPair, String);

impl TestSigner {
    /// Version `version` of the ledger's key.
    pub(crate) fn of(ledger: &TestLedger, version: u8) -> Self {
        let pair = ledger.signing_key(version);
        let nkey = pair.public_key();
        Self(pair, nkey)
    }
}

impl Signer for TestSigner {
    fn nkey(&self) -> &str {
        &self.1
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Pending<'a, Result<[u8; 64], SignerError>> {
        let signature = self.0.sign(message).unwrap().try_into().unwrap();
        Box::pin(async move { Ok(signature) })
    }
}

/// An instance that signs with version `version` of the ledger's key, at an hour after its beginning.
pub(crate) async fn serve(
    ledger: &TestLedger,
    version: u8,
    store: Arc<dyn Store>,
    live: Live,
) -> Result<Handler, LoadError> {
    let clock: Clock = Arc::new(|| Timestamp::from_ms(BEGINNING.ms() + 3_600_000));
    serve_at(ledger, version, store, live, clock).await
}

pub(crate) async fn serve_at(
    ledger: &TestLedger,
    version: u8,
    store: Arc<dyn Store>,
    live: Live,
    clock: Clock,
) -> Result<Handler, LoadError> {
    let (news, _) = tokio::sync::mpsc::unbounded_channel();
    let signer = TestSigner::of(ledger, version);
    let parts = Parts {
        store,
        prefix: Prefix::default(),
        signer: Arc::new(CurrentSigner::new(Arc::new(signer))),
        clock,
        news,
        reserve: None,
    };
    Handler::start(parts, Arc::new(live)).await
}

/// Who sends everything.
pub(crate) fn principal() -> Arc<Stamp> {
    Arc::new(Stamp {
        account: "A".into(),
        user: "U".into(),
        name: None,
        role: None,
        host: None,
        verified_by: VerifiedBy::Service,
        key: None,
    })
}

/// Registers the key `name`.
pub(crate) async fn register(handler: &Handler, name: &str) -> Result<Done, Failure> {
    let public_key = "MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=";
    let json = format!(r#"{{"algorithm":"ed25519","public_key":"{public_key}"}}"#);
    let (command, why): (Command, Why) =
        Command::parse(Aggregate::Key, "register", json.as_bytes()).unwrap();
    let order = Order {
        target: Target::new(Aggregate::Key, Name::new(name).unwrap()),
        command: command.bare(),
        why,
        ids: Ids::root(Uuid::now_v7()),
        principal: principal(),
        issuer: None,
        signer: None,
    };
    handler.order(order).await
}

/// Waits until a running instance accepts nothing any more; says why.
pub(crate) async fn broken_within(handler: &Handler, patience: Duration) -> Option<String> {
    let broken = async {
        loop {
            if let Some(said) = handler.live().broken() {
                return said;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(patience, broken).await.ok()
}
