//! `token.release`: the token's secrets, sealed to whom the event names.

use keyledger_domain::{
    Event, Rejection,
    token::{self, Releasable, Release},
    verb::SealedSecrets,
};

use crate::{
    delivery::Delivery,
    refused::Refused,
    tokens,
    verbs::{GiveFor, Giving, MakeFor, Making, Ready},
};

impl MakeFor<Release> for Option<Releasable> {
    async fn make<'a>(verb: &'a Release, on: Making<'a>) -> Result<Ready<Self>, Refused> {
        let made = Some(Releasable);
        on.try_out(verb, &made)?;
        // Refused before it is recorded that they were given.
        tokens::release(on.shared, &on.target.name, &verb.seal_to).await?;
        Ok(Ready::of(made))
    }
}

impl GiveFor<Release> for SealedSecrets {
    async fn give<'a>(_verb: &'a Release, on: Giving<'a>) -> Result<Delivery, Refused> {
        let mut delivery = Delivery::default();
        let (done, id) = (on.done, on.id);
        let wrote = done.wrote.as_ref().map(|record| &record.event);
        if let Some(Event::Token(token::Event::SecretsReleased(released))) = wrote {
            let (all, receiver) = (tokens::Given::Everything, &released.seal_to);
            let name = &done.history.name;
            let given = tokens::release_at(on.shared, name, done.revision, all, receiver).await?;
            // The retry came so late that these secrets open nothing any more.
            let reused = || Rejection::MessageIdReused {
                id,
                by: done.history.clone(),
            };
            delivery.secrets = given.ok_or_else(reused)?;
        }
        Ok(delivery)
    }
}
