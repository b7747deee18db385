//! `key.certify`: the certificate, signed in custody.

use keyledger_domain::{
    key::{Certified, Certify},
    verb::Certificate,
};

use super::delivered;
use crate::{
    delivery::Delivery,
    pki,
    refused::Refused,
    verbs::{GiveFor, Giving, MakeFor, Making, Ready},
};

impl MakeFor<Certify> for Option<Box<Certified>> {
    async fn make<'a>(verb: &'a Certify, on: Making<'a>) -> Result<Ready<Self>, Refused> {
        let (shared, name) = (on.shared, &on.target.name);
        let spki = pki::public_key(&shared.live.ledger.read(), name)?;
        let wanted = verb.certification();
        // For what would be rejected, custody signs nothing.
        on.try_out_certified(verb, &wanted)?;
        let certified = pki::certify(shared, name, &wanted, &spki, on.now).await?;
        Ok(Ready::of(Some(Box::new(certified))))
    }
}

impl GiveFor<Certify> for Certificate {
    async fn give<'a>(verb: &'a Certify, on: Giving<'a>) -> Result<Delivery, Refused> {
        Ok(delivered(&on, Some(&verb.certification())))
    }
}
