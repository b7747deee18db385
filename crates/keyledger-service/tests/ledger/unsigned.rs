//! What becomes of commands while nobody signs their events.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use keyledger_custody::VaultSealed;
use keyledger_domain::{Name, Timestamp, account::RenewalCause, ledger::Outcome};
use keyledger_service::{
    SignerError,
    handler::{CurrentSigner, Failure, Handler, Parts, Signer},
    store::{Pending, Store},
};
use keyledger_testkit::{
    PATIENCE,
    ledger::{BEGINNING, broken::Genuine},
};
use keyledger_wire::Prefix;

use crate::support::{TestSigner, begin, genesis, principal, register, store};

/// An account of every organisation.
const ACCOUNT: &str = "staff";

/// Signs, or says that its vault is sealed.
struct InAVault {
    signer: TestSigner,
    is_sealed: Arc<AtomicBool>,
}

impl Signer for InAVault {
    fn nkey(&self) -> &str {
        self.signer.nkey()
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Pending<'a, Result<[u8; 64], SignerError>> {
        match self.is_sealed.load(Ordering::SeqCst) {
            true => Box::pin(async { Err(VaultSealed.into()) }),
            false => self.signer.sign(message),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unsigned_command_is_refused_and_what_happened_waits_until_it_is_signed() {
    let genuine = Genuine::new();
    let memory = store(&genuine.ledger.events);
    let live = begin(&memory, None, &genesis(&genuine)).await.unwrap().live;
    let is_sealed = Arc::new(AtomicBool::new(true));
    let signer = InAVault {
        signer: TestSigner::of(&genuine.ledger, 3),
        is_sealed: Arc::clone(&is_sealed),
    };
    let (news, _) = tokio::sync::mpsc::unbounded_channel();
    let parts = Parts {
        store: Arc::new(memory.clone()),
        prefix: Prefix::default(),
        signer: Arc::new(CurrentSigner::new(Arc::new(signer))),
        clock: Arc::new(|| Timestamp::from_ms(BEGINNING.ms() + 3_600_000)),
        news,
        reserve: None,
    };
    let handler = Handler::start(parts, Arc::new(live)).await.unwrap();
    let before = memory.last_sequence().await.unwrap();

    let refused = register(&handler, "orders").await.unwrap_err();
    let is_unsigned = matches!(refused, Failure::Unsigned(SignerError::Sealed(_)));
    assert!(is_unsigned, "{refused}");
    let many = (0..20).map(|n| {
        let handler = &handler;
        async move { register(handler, &format!("k{n}")).await }
    });
    for refused in futures::future::join_all(many).await {
        assert!(matches!(refused, Err(Failure::Unsigned(_))), "{refused:?}");
    }
    let issued_at = || {
        let ledger = handler.live().ledger.read();
        let account = ledger.account(&Name::new(ACCOUNT).unwrap()).unwrap();
        account.state.issued_at
    };
    let above = issued_at() + 1_000;
    let renew = Outcome::Renew {
        account: Name::new(ACCOUNT).unwrap(),
        above,
        cause: RenewalCause::Lost,
    };
    handler.outcome(renew, principal()).await;
    assert_eq!(memory.last_sequence().await.unwrap(), before);

    is_sealed.store(false, Ordering::SeqCst);
    let done = tokio::time::timeout(PATIENCE, register(&handler, "orders")).await;
    done.expect("it is done in time").unwrap();
    let renewed = async {
        while issued_at() <= above {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let renewed = tokio::time::timeout(PATIENCE, renewed).await;
    renewed.expect("what happened is recorded in time");
    assert_eq!(handler.live().broken(), None);
}
