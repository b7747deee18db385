//! Erases the material of destroyed keys and the superseded secrets of tokens, and records that it is gone.

use std::time::Duration;

use keyledger_domain::{Event, Name, Record, key, ledger::Outcome};

use super::{effect::Effect, ground::Ground};
use crate::{fault_point::fault_point, material::MaterialError};

/// See the module.
pub(super) struct Eraser(pub(super) Ground);

/// What is to be erased.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum ToErase {
    /// The material of a destroyed key.
    Key(Name),
    /// What opened a token before, and no longer does.
    SupersededSecrets(Name),
}

impl Effect for Eraser {
    type Task = ToErase;
    type Error = MaterialError;

    const NAME: &'static str = "erase material";
    const SWEEP: Duration = Duration::from_secs(30);

    fn wakes(record: &Record) -> Option<ToErase> {
        let Event::Key(key::Event::Destroyed(_)) = &record.event else {
            return None;
        };
        Some(ToErase::Key(record.history.name.clone()))
    }

    async fn pending(&self) -> Result<Vec<ToErase>, MaterialError> {
        let ledger = self.0.ledger();
        let keys = ledger
            .keys()
            .filter(|(_, key)| key.state.state.is_destroyed() && !key.state.erased)
            .map(|(name, _)| ToErase::Key(name.clone()));
        let tokens = ledger
            .tokens()
            .filter(|(_, token)| !token.state.superseded_entries.is_empty())
            .map(|(name, _)| ToErase::SupersededSecrets(name.clone()));
        Ok(keys.chain(tokens).collect())
    }

    async fn run(&self, task: &ToErase) -> Result<(), MaterialError> {
        match task {
            ToErase::Key(name) => self.erase_key(name).await,
            ToErase::SupersededSecrets(token) => self.erase_superseded(token).await,
        }
    }
}

impl Eraser {
    async fn erase_key(&self, name: &Name) -> Result<(), MaterialError> {
        fault_point("effect", name);
        let entries: Vec<String> = {
            let ledger = self.0.ledger();
            let key = ledger.key(name).map(|key| &key.state);
            let Some(key) = key.filter(|key| key.state.is_destroyed()) else {
                return Ok(());
            };
            key.entries().map(str::to_owned).collect()
        };
        self.0.shared.signers.forget(name).await;
        for entry in entries {
            self.0.shared.materials.erase(&entry).await?;
        }
        self.0.record(Outcome::Erased(name.clone())).await;
        Ok(())
    }

    async fn erase_superseded(&self, token: &Name) -> Result<(), MaterialError> {
        let entries = {
            let ledger = self.0.ledger();
            let token = ledger.token(token).map(|token| &token.state);
            token.map_or_else(Vec::new, |token| token.superseded_entries.clone())
        };
        if entries.is_empty() {
            return Ok(());
        }
        for entry in &entries {
            self.0.shared.materials.erase(entry).await?;
        }
        let token = token.clone();
        self.0
            .record(Outcome::SecretsErased { token, entries })
            .await;
        Ok(())
    }
}
