//! `key.generate`: its first version, and the certificate over it.

use keyledger_domain::{
    key::{Certification, Certified, Generate, GeneratedKey, NewVersion},
    verb::Certificate,
};

use super::{
    delivered,
    version::{MakesVersion, VersionKind, WantedVersion, version},
};
use crate::{
    delivery::Delivery,
    refused::Refused,
    verbs::{GiveFor, Giving, MakeFor, Making, Ready},
};

impl MakesVersion for Generate {
    fn certification(&self) -> Option<&Certification> {
        self.certify.as_deref()
    }

    fn made(version: NewVersion, certified: Option<Certified>) -> Self::Made {
        Some(GeneratedKey {
            version,
            certified: certified.map(Box::new),
        })
    }
}

impl MakeFor<Generate> for Option<GeneratedKey> {
    async fn make<'a>(verb: &'a Generate, on: Making<'a>) -> Result<Ready<Self>, Refused> {
        let wanted = WantedVersion {
            kind: VersionKind::Key(verb.algorithm),
            number: 1,
            purposes: verb.purposes.unwrap_or(verb.algorithm.usual()),
        };
        version(verb, on, |_| Ok(Some(wanted))).await
    }
}

impl GiveFor<Generate> for Certificate {
    async fn give<'a>(verb: &'a Generate, on: Giving<'a>) -> Result<Delivery, Refused> {
        Ok(match &verb.certify {
            Some(wanted) => delivered(&on, Some(wanted)),
            None => Delivery::default(),
        })
    }
}
