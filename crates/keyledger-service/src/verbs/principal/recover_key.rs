//! `principal.recover-key`: the secret half of a key in custody, sealed to whom the event names.

use keyledger_domain::{
    Event,
    principal::{self, RecoverKey, Recoverable},
    verb::SealedSecrets,
};

use crate::{
    delivery::Delivery,
    refused::Refused,
    tokens,
    verbs::{GiveFor, Giving, MakeFor, Making, Ready},
};

impl MakeFor<RecoverKey> for Option<Recoverable> {
    async fn make<'a>(verb: &'a RecoverKey, on: Making<'a>) -> Result<Ready<Self>, Refused> {
        let made = Some(Recoverable);
        on.try_out(verb, &made)?;
        // Refused before it is recorded that it was given.
        let name = &on.target.name;
        tokens::recover(on.shared, name, verb.key.as_ref(), &verb.seal_to).await?;
        Ok(Ready::of(made))
    }
}

impl GiveFor<RecoverKey> for SealedSecrets {
    async fn give<'a>(_verb: &'a RecoverKey, on: Giving<'a>) -> Result<Delivery, Refused> {
        let mut delivery = Delivery::default();
        let wrote = on.done.wrote.as_ref().map(|record| &record.event);
        if let Some(Event::Principal(principal::Event::KeyRecovered(recovered))) = wrote {
            let (name, key) = (&on.done.history.name, Some(&recovered.key));
            let secret = tokens::recover(on.shared, name, key, &recovered.seal_to).await?;
            delivery.secrets.push(secret);
        }
        Ok(delivery)
    }
}
