//! The accounts that others import from, as the renderer of JWTs asks for them.

use super::Ledger;
use crate::{
    account::{Account, Exporters},
    name::Name,
};

impl Exporters for Ledger {
    fn exporter(&self, name: &Name) -> Option<&Account> {
        self.account(name).map(|entry| &entry.state)
    }
}
