//! `key.register`: the certificate with which the key comes to be, and whether its point lies on its curve.

use data_encoding::BASE64;
use keyledger_domain::{
    key::{Certified, Register, spki},
    verb::Certificate,
};

use super::{delivered, version::check_point};
use crate::{
    delivery::Delivery,
    pki,
    refused::{Refused, custody_failed},
    verbs::{GiveFor, Giving, MakeFor, Making, Ready},
};

impl MakeFor<Register> for Option<Box<Certified>> {
    async fn make<'a>(verb: &'a Register, on: Making<'a>) -> Result<Ready<Self>, Refused> {
        check_point(verb.algorithm, &verb.public_key)?;
        if verb.certify.is_none() && verb.install.is_none() {
            return Ok(Ready::nothing());
        }
        let (shared, name) = (on.shared, &on.target.name);
        // A name that is taken: the decision says so.
        if shared.live.ledger.read().key(name).is_some() {
            return Ok(Ready::nothing());
        }
        let spki = spki::normalised(verb.algorithm, &verb.public_key)?;
        let spki = BASE64.decode(spki.as_bytes());
        let spki = spki.map_err(custody_failed)?;
        let certified = match (&verb.certify, &verb.install) {
            (Some(wanted), _) => {
                on.try_out_certified(verb, wanted)?;
                pki::certify(shared, name, wanted, &spki, on.now).await?
            }
            (None, Some(install)) => pki::installed(shared, name, install, &spki, on.now)?,
            (None, None) => return Ok(Ready::nothing()),
        };
        Ok(Ready::of(Some(Box::new(certified))))
    }
}

impl GiveFor<Register> for Certificate {
    async fn give<'a>(verb: &'a Register, on: Giving<'a>) -> Result<Delivery, Refused> {
        Ok(match (&verb.certify, &verb.install) {
            (None, None) => Delivery::default(),
            (wanted, _) => delivered(&on, wanted.as_deref()),
        })
    }
}
