//! `key.install`: what the certificate says that was signed elsewhere.

use keyledger_domain::{
    key::{Certified, Install},
    verb::Certificate,
};

use super::delivered;
use crate::{
    delivery::Delivery,
    pki,
    refused::Refused,
    verbs::{GiveFor, Giving, MakeFor, Making, Ready},
};

impl MakeFor<Install> for Option<Box<Certified>> {
    async fn make<'a>(verb: &'a Install, on: Making<'a>) -> Result<Ready<Self>, Refused> {
        let (shared, name) = (on.shared, &on.target.name);
        let spki = pki::public_key(&shared.live.ledger.read(), name)?;
        let certified = pki::installed(shared, name, &verb.installation(), &spki, on.now)?;
        Ok(Ready::of(Some(Box::new(certified))))
    }
}

impl GiveFor<Install> for Certificate {
    async fn give<'a>(_verb: &'a Install, on: Giving<'a>) -> Result<Delivery, Refused> {
        Ok(delivered(&on, None))
    }
}
