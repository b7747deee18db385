//! `key.rotate`: the next version, if the key is in custody; a registered key's comes with the command.

use keyledger_domain::{
    Ledger,
    key::{Certification, Certified, NewVersion, Rotate},
};

use super::version::{MakesVersion, VersionKind, WantedVersion, check_point, version};
use crate::{
    refused::Refused,
    verbs::{MakeFor, Making, Ready},
};

impl MakesVersion for Rotate {
    fn certification(&self) -> Option<&Certification> {
        None
    }

    fn made(version: NewVersion, _certified: Option<Certified>) -> Self::Made {
        Some(version)
    }
}

impl MakeFor<Rotate> for Option<NewVersion> {
    async fn make<'a>(verb: &'a Rotate, on: Making<'a>) -> Result<Ready<Self>, Refused> {
        let name = &on.target.name;
        let wanted = |ledger: &Ledger| {
            let Some(key) = ledger.key(name).map(|e| &e.state) else {
                return Ok(None);
            };
            if let Some(public_key) = &verb.public_key {
                check_point(key.algorithm, public_key)?;
            }
            if !key.custodian.is_here() {
                return Ok(None);
            }
            // Of the keys that are nkeys only the ledger's own is rotated by this command.
            let is_nkey = key.newest().is_some_and(|v| v.nkey.is_some());
            Ok(Some(WantedVersion {
                kind: match is_nkey {
                    true => VersionKind::LedgerNkey,
                    false => VersionKind::Key(key.algorithm),
                },
                number: key.versions.last().map_or(1, |v| v.number + 1),
                purposes: key.purposes,
            }))
        };
        version(verb, on, wanted).await
    }
}
