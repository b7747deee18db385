//! The trust bootstrap of a small organisation, as `init` writes it.

use keyledger_domain::{
    Aggregate, Event, LEDGER_SIGNING_KEY, Name, Role, Timestamp, VerifiedBy,
    account::{self, AccountFacts, NkeyMade, Purpose, SigningKey, intent::Intent},
    key::{Material, Public},
    name::HistoryId,
    operator,
    record::Why,
    template::TemplateVersion,
    text::Title,
    user,
};
use nkeys::{KeyPair, KeyPairType};

use super::{World, decision, history, key_pair, ledger_key, name, spki, stamp};

/// An nkey as custody would report it.
fn made(key: &str, pair: &KeyPair, offline: bool) -> NkeyMade {
    NkeyMade {
        key: name(key),
        public: Public {
            public_key: Some(spki(0).into()),
            nkey: Some(pair.public_key().into()),
            check_value: None,
        },
        material: (!offline).then(|| Material::Entry(key.into())),
    }
}

fn key_events(made: &NkeyMade, now: Timestamp) -> Vec<(HistoryId, Event)> {
    let title = Title::new("trust").unwrap();
    let events = made.events(title, None, now).into_iter();
    events
        .map(|e| {
            (
                HistoryId::new(Aggregate::Key, made.key.clone()),
                Event::Key(e),
            )
        })
        .collect()
}

impl World {
    /// A ledger after the bootstrap: operator `acme`, accounts `sys`, `keys` and `staff`, and an administrator `root`
    /// in `staff`.
    pub(crate) fn organisation() -> Self {
        let mut world = Self::new();
        world.bootstrap(
            TemplateVersion::NEWEST,
            &[
                (20, "sys", Purpose::System),
                (22, "keys", Purpose::Agents),
                (24, "staff", Purpose::Client),
            ],
        );
        world
    }

    /// The same as an earlier version of the service made it, with all accounts that others import from.
    pub(crate) fn organisation_made_before() -> Self {
        let mut world = Self::new();
        world.bootstrap(
            TemplateVersion::V1,
            &[
                (20, "sys", Purpose::System),
                (60, "keys", Purpose::Service),
                (63, "views", Purpose::Views),
                (22, "agents", Purpose::Agents),
                (24, "staff", Purpose::Client),
            ],
        );
        world
    }

    /// Writes the bootstrap of an organisation with these accounts.
    fn bootstrap(&mut self, template: TemplateVersion, accounts: &[(u8, &str, Purpose)]) {
        let world = self;
        let now = world.now;
        let identity = key_pair(KeyPairType::Operator, 1);
        let operator_key = made("operator-acme", &identity, true);
        let created = operator::Event::Created(operator::Created {
            title: Title::new("Acme").unwrap(),
            nkey: identity.public_key().into(),
            key: operator_key.key.clone(),
            system_account: key_pair(KeyPairType::Account, 20).public_key().into(),
            jwt: "eyJ".into(),
        });
        let mut events = key_events(&operator_key, now);
        events.push((
            history(Aggregate::Operator, "acme"),
            Event::Operator(created),
        ));
        events.extend(key_events(
            &made(LEDGER_SIGNING_KEY, &ledger_key(1), false),
            now,
        ));
        for &(n, id, purpose) in accounts {
            let (facts, _) = account(n, id, purpose);
            for made in facts.signing_made.iter().chain([&facts.identity]) {
                events.extend(key_events(made, now));
            }
            let created = account::Event::Created(account::Created {
                title: Title::new(id).unwrap(),
                purpose,
                nkey: facts.identity.public.nkey.clone().unwrap(),
                key: facts.identity.key.clone(),
                signing_keys: facts.signing_keys.clone(),
                intent: Intent::new(template),
                issuer: facts.issuer.clone(),
                issued_at: now.seconds(),
            });
            events.push((history(Aggregate::Account, id), Event::Account(created)));
        }
        let root = user::Event::Issued(user::Issued {
            account: name("staff"),
            nkey: key_pair(KeyPairType::User, 30).public_key().into(),
            generated: false,
            role: Some(Role::Administrator),
            issuer: key_pair(KeyPairType::Account, 25).public_key().into(),
            principal: None,
            issued_at: now.seconds(),
            expires_at: now.plus_days(365).seconds(),
            keys: vec![],
            publish: None,
            subscribe: None,
        });
        events.push((history(Aggregate::User, "root"), Event::User(root)));
        world.write(
            decision(events),
            &stamp(VerifiedBy::Genesis),
            &Why::default(),
        );
    }

    /// What custody would make for a new account.
    pub(crate) fn account_facts(&mut self) -> AccountFacts {
        self.made += 1;
        let n = 40 + 2 * u8::try_from(self.made % 100).unwrap();
        account(n, &format!("made{n}"), Purpose::Plain).0
    }
}

/// An account's keys: the identity is pair `n`, the signing keys are `n + 1` without role or by role.
fn account(n: u8, id: &str, purpose: Purpose) -> (AccountFacts, Name) {
    let identity = made(
        &format!("account-{id}"),
        &key_pair(KeyPairType::Account, n),
        false,
    );
    let roles = match purpose {
        Purpose::Client => vec![Some(Role::Administrator), Some(Role::Service)],
        Purpose::Agents => vec![None, Some(Role::Agent)],
        _ => vec![None],
    };
    let pairs: Vec<_> = roles
        .into_iter()
        .enumerate()
        .map(|(at, role)| {
            let n = n + 1 + u8::try_from(at).unwrap();
            let pair = key_pair(KeyPairType::Account, n);
            (
                made(&format!("account-{id}-signing-{at}"), &pair, false),
                role,
            )
        })
        .collect();
    let key = identity.key.clone();
    let facts = AccountFacts {
        identity,
        signing_keys: pairs
            .iter()
            .map(|(made, role)| SigningKey {
                key: made.key.clone(),
                nkey: made.public.nkey.clone().unwrap(),
                role: *role,
                scope: None,
            })
            .collect(),
        signing_made: pairs.into_iter().map(|(made, _)| made).collect(),
        purpose,
        intent: Intent::new(TemplateVersion::NEWEST),
        issuer: key_pair(KeyPairType::Operator, 2).public_key().into(),
    };
    (facts, key)
}
