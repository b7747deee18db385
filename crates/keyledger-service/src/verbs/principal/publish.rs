//! `principal.publish`: what the OpenPGP certificate says.

use keyledger_domain::principal::{OpenpgpPublished, Publish};

use crate::{
    refused::Refused,
    tokens,
    verbs::{MakeFor, Making, Ready},
};

impl MakeFor<Publish> for Option<Box<OpenpgpPublished>> {
    async fn make<'a>(verb: &'a Publish, on: Making<'a>) -> Result<Ready<Self>, Refused> {
        let published = tokens::published(on.shared, &on.target.name, &verb.openpgp)?;
        Ok(Ready::of(published.map(Box::new)))
    }
}
