//! `account.create`.

use crate::{
    account::{self, AMPLE_JWT_BYTES, Account, AccountFacts, Created},
    command::body,
    event::Event,
    ledger::{Deciding, Decision},
    rejection::Rejection,
    senders::Senders,
    text::Title,
    verb::{Nothing, Urgency, Verb},
};

body! { Account "create", optional reason;
    /// Create a NATS account with an online signing key, and push its JWT to the servers
    Create {
        /// What people call it.
        title: Option<Title>,
        /// True if it imports this service, so that its users can command their own keys: all have the role `service`.
        imports_keyledger: Option<bool>,
        /// True if its users may store in `JetStream`, within limits.
        jetstream: Option<bool>,
        /// MiB that they may store on disk, all replicas counted: 1,024 if absent and they may store.
        jetstream_disk_mib: Option<u32>,
        /// MiB that they may store in memory, all replicas counted: none if absent.
        jetstream_memory_mib: Option<u32>,
    }
}

impl Verb for Create {
    type Made = Option<Box<AccountFacts>>;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;
    const CHANGES_ACCOUNT_JWTS: bool = true;

    fn decide(
        &self,
        on: &Deciding<'_>,
        made: &Option<Box<AccountFacts>>,
    ) -> Result<Decision, Rejection> {
        on.check_new()?;
        let made = made.as_ref().ok_or_else(|| Rejection::NoMaterial {
            key: on.name().clone(),
            why: "custody generated nothing",
        })?;
        let title = match &self.title {
            Some(title) => title.clone(),
            None => Title::new(on.name().as_str()).expect("a name is a line of text"),
        };
        let created = account::Event::Created(Created {
            title,
            purpose: made.purpose,
            nkey: made.identity.public.nkey.clone().unwrap_or_default(),
            key: made.identity.key.clone(),
            signing_keys: made.signing_keys.clone(),
            intent: made.intent.clone(),
            issuer: made.issuer.clone(),
            issued_at: on.now.seconds(),
        });
        let bytes = Account::create(&created, on.now).map_or(0, |account| account.jwt_bytes(0));
        // Half of it is for revocations.
        if bytes > AMPLE_JWT_BYTES {
            return Err(Rejection::LimitReached {
                what: "bytes of an account's JWT before anybody is revoked",
                max: AMPLE_JWT_BYTES,
            });
        }
        let mut decision = on.writes([created]);
        on.ledger
            .trust_keys(on.name(), made, on.now, &mut decision)?;
        Ok(decision)
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Account(account::Event::Created(_)))
    }
}
