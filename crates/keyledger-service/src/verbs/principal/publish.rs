//! `principal.publish`: what the OpenPGP certificate says.

use keyledger_domain::principal::{Publish, ReadCertificate};

use crate::{
    openpgp,
    refused::Refused,
    verbs::{MakeFor, Making, Ready},
};

impl MakeFor<Publish> for Option<Box<ReadCertificate>> {
    async fn make<'a>(verb: &'a Publish, on: Making<'a>) -> Result<Ready<Self>, Refused> {
        let published = openpgp::published(on.shared, &on.target.name, &verb.openpgp)?;
        Ok(Ready::of(published.map(Box::new)))
    }
}
