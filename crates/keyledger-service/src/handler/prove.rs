//! Proving the stream anew with each connection: until it was held against what is folded, nothing is sent, nothing that
//! comes from it is folded, and nothing is acknowledged.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;

use super::{
    Failure,
    engine::Engine,
    hold::{Known, NotHeld, hold},
    proof::Proven,
    tail::Tailed,
    work::{Written, refuse},
};

/// The pause before a store that does not answer is asked again.
const PAUSE: Duration = Duration::from_millis(100);

impl Engine {
    pub(super) fn is_proven(&self) -> bool {
        self.proof.connection == Some(self.parts.store.connection())
    }

    /// True while events of the stream are taken; a broken ledger takes none, and lets them pass.
    pub(super) fn takes_events(&self) -> bool {
        self.broken.is_some() || self.is_proven()
    }

    /// The store answered an append.
    pub(super) fn answered(&mut self, written: Written) {
        if self.broken.is_some() || self.is_proven() {
            self.written(written);
        } else {
            self.proof.answered.push(written);
        }
    }

    /// An event came.
    pub(super) fn came(&mut self, tailed: Tailed) {
        if self.takes_events() {
            self.tailed(tailed);
        } else {
            self.proof.came.push_back(tailed);
        }
    }

    /// Asks whether the stream holds what is folded, unless that is asked already.
    pub(super) fn prove(&mut self) {
        if self.proof.asking.is_some() {
            return;
        }
        let (store, live) = (Arc::clone(&self.parts.store), Arc::clone(&self.live));
        let known = Known {
            end: live.known().end.max(self.acknowledged),
            ..live.known()
        };
        let pause = if self.proof.unanswered.is_some() {
            PAUSE
        } else {
            Duration::ZERO
        };
        self.proof.asking = Some(
            async move {
                tokio::time::sleep(pause).await;
                let connection = store.connection();
                let held = hold(&*store, known, |doubt| {
                    tracing::warn!(%doubt, "asking again where the ledger stands");
                    live.set_doubt(Some(doubt.to_string()));
                });
                (connection, held.await)
            }
            .boxed(),
        );
    }

    /// The store said where it stands.
    pub(super) fn proven(&mut self, (connection, held): Proven) {
        self.proof.asking = None;
        self.proof.unanswered = held.as_ref().err().map(ToString::to_string);
        match held {
            Ok(standing) => {
                self.live.set_doubt(None);
                self.proof.connection = Some(connection);
                self.look_again.notify_one();
                for tailed in std::mem::take(&mut self.proof.came) {
                    self.came(tailed);
                }
                for written in std::mem::take(&mut self.proof.answered) {
                    self.answered(written);
                }
                if self.appender.is_behind() {
                    self.fold_up_to(standing.last);
                }
            }
            // Commands wait for an answer as they wait for a leader.
            Err(NotHeld::Unavailable(said)) => {
                tracing::warn!(%said, "the store does not say whether it holds what it held");
                self.expire(&said);
            }
            Err(apart @ NotHeld::Apart(_)) => {
                let said = apart.to_string();
                tracing::warn!(%said, "the store does not agree whether it holds what it held");
                self.expire(&said);
                self.live.set_doubt(Some(said));
            }
            Err(NotHeld::Contradicted(contradiction)) => {
                self.break_off(&format!("it was rolled back or replaced: {contradiction}"));
                for (batch, _) in std::mem::take(&mut self.proof.answered) {
                    refuse(batch, &Failure::Broken(contradiction.to_string()));
                }
                self.proof.came.clear();
            }
        }
    }
}
