//! `key.certify`: the certificate, signed in custody.

use keyledger_domain::{
    key::{Certified, Certify},
    verb::Certificate,
};

use super::delivered;
use crate::{
    delivery::Delivery,
    refused::Refused,
    tokens,
    verbs::{GiveFor, Giving, MakeFor, Making, Ready},
};

impl MakeFor<Certify> for Option<Box<Certified>> {
    async fn make<'a>(verb: &'a Certify, on: Making<'a>) -> Result<Ready<Self>, Refused> {
        let (shared, name) = (on.shared, &on.target.name);
        let spki = tokens::public_key(&shared.live.ledger.read(), name)?;
        let wanted = verb.certification();
        // For what would be rejected, custody signs nothing.
        let placeholder = on.placeholder(&wanted)?;
        on.try_out(verb, &Some(Box::new(placeholder)))?;
        let certified = tokens::certify(shared, name, &wanted, &spki, on.now).await?;
        Ok(Ready::of(Some(Box::new(certified))))
    }
}

impl GiveFor<Certify> for Certificate {
    async fn give<'a>(verb: &'a Certify, on: Giving<'a>) -> Result<Delivery, Refused> {
        Ok(delivered(&on, Some(&verb.certification())))
    }
}
