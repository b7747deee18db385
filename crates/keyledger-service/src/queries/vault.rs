//! How the vault of this instance is.

use keyledger_custody::MAX_OPEN_KEYS;
use keyledger_wire::{
    query::{Nothing, VaultState, VaultStatus},
    questions::Vault,
};

use super::{Answering, Asking};
use crate::refused::Refused;

impl Answering for Vault {
    async fn answer(on: Asking<'_>, (): (), _: Nothing) -> Result<VaultStatus, Refused> {
        let vault = &on.shared.vault;
        let root = vault.root();
        Ok(VaultStatus {
            instance: on.shared.instance.get().cloned().unwrap_or_default(),
            state: match root {
                Some(_) => VaultState::Open,
                None => VaultState::Sealed,
            },
            root_key: root.map(|root| root.to_string()),
            open_keys: vault.open_keys(),
            max_open_keys: MAX_OPEN_KEYS,
        })
    }
}
