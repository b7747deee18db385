//! Erases the material of destroyed keys and the superseded secrets of tokens, and says when it was looked for in vain.

use std::{sync::Arc, time::Duration};

use keyledger_domain::{Name, Stamp, ledger::Outcome};
use tokio::sync::mpsc;

use crate::{fault_point::fault_point, shared::Shared};

/// How often keys are looked for whose material should be gone and is not known to be.
const SWEEP: Duration = Duration::from_secs(30);

/// Erases what `names` bring, and what earlier runs left.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut names: mpsc::UnboundedReceiver<Name>,
    principal: Arc<Stamp>,
) {
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        let due = tokio::select! {
            name = names.recv() => match name {
                Some(name) => vec![name],
                None => return,
            },
            _ = sweep.tick() => {
                erase_secrets(&shared, &principal).await;
                left_over(&shared)
            }
        };
        for name in due {
            if erase(&shared, &name).await {
                shared
                    .handler
                    .outcome(Outcome::Erased(name), Arc::clone(&principal))
                    .await;
            }
        }
    }
}

fn left_over(shared: &Shared) -> Vec<Name> {
    let ledger = shared.live.ledger.read();
    let open = ledger
        .keys()
        .filter(|(_, k)| k.state.state.is_destroyed() && !k.state.erased);
    open.map(|(name, _)| name.clone()).collect()
}

/// What opened a token before, and no longer does.
async fn erase_secrets(shared: &Shared, principal: &Arc<Stamp>) {
    let superseded: Vec<(Name, Vec<Box<str>>)> = {
        let ledger = shared.live.ledger.read();
        let tokens = ledger.tokens();
        tokens
            .filter(|(_, token)| !token.state.superseded_entries.is_empty())
            .map(|(name, token)| (name.clone(), token.state.superseded_entries.clone()))
            .collect()
    };
    'tokens: for (token, entries) in superseded {
        for entry in &entries {
            if let Err(error) = shared.materials.erase(entry).await {
                tracing::warn!(%error, %token, "superseded secrets were not erased yet");
                continue 'tokens;
            }
        }
        let erased = Outcome::SecretsErased { token, entries };
        shared.handler.outcome(erased, Arc::clone(principal)).await;
    }
}

async fn erase(shared: &Shared, name: &Name) -> bool {
    fault_point("effect", name);
    let entries: Vec<String> = {
        let ledger = shared.live.ledger.read();
        let Some(key) = ledger.key(name) else {
            return false;
        };
        if !key.state.state.is_destroyed() {
            return false;
        }
        key.state.entries().map(str::to_owned).collect()
    };
    for entry in entries {
        if let Err(error) = shared.materials.erase(&entry).await {
            tracing::warn!(%error, key = %name, "material was not erased yet");
            return false;
        }
    }
    true
}
