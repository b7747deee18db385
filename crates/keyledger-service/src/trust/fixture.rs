//! The accounts of an organisation with keys that are always the same, for tests of what is rendered.

use std::collections::BTreeMap;

use keyledger_claims::{AccountClaims, KeyPairSigner, encode};
use keyledger_domain::{
    Name, Role, Timestamp,
    account::{Account, Created, Event, Exporters, Purpose, SigningKey, intent::Intent},
    template::TemplateVersion,
    text::Title,
};
use keyledger_wire::Prefix;
use nkeys::{KeyPair, KeyPairType};

use super::{jwt::rendered, names::signing_of};

/// The `iat` of their JWTs.
pub(super) const AT: i64 = 1_700_000_000;

/// The accounts, by name: what each is for, and the roles of its signing keys.
const ACCOUNTS: [(&str, Purpose, &[Option<Role>]); 6] = [
    (
        "admin",
        Purpose::Client,
        &[
            Some(Role::Administrator),
            Some(Role::Approver),
            Some(Role::Auditor),
            Some(Role::Service),
        ],
    ),
    ("agents", Purpose::Agents, &[None, Some(Role::Agent)]),
    ("keys", Purpose::Service, &[None]),
    ("orders", Purpose::Plain, &[None]),
    ("sys", Purpose::System, &[None]),
    ("views", Purpose::Views, &[None]),
];

pub(super) struct Fixture {
    prefix: Prefix,
    accounts: BTreeMap<&'static str, Account>,
    signers: BTreeMap<Name, KeyPairSigner>,
}

impl Fixture {
    pub(super) fn new(prefix: &Prefix, version: TemplateVersion) -> Self {
        let mut fixture = Self {
            prefix: prefix.clone(),
            accounts: BTreeMap::new(),
            signers: BTreeMap::new(),
        };
        let mut numbers = 1..;
        let mut pair = |kind| {
            let number = numbers.next().unwrap_or_default();
            KeyPair::new_from_raw(kind, [number; 32]).unwrap()
        };
        let issuer = pair(KeyPairType::Operator).public_key();
        for (account, purpose, roles) in ACCOUNTS {
            let identity = pair(KeyPairType::Account).public_key();
            let signing_keys = roles.iter().map(|role| {
                let (key, pair) = (signing_of(account, *role), pair(KeyPairType::Account));
                let nkey = pair.public_key().into();
                fixture
                    .signers
                    .insert(key.clone(), KeyPairSigner::new(pair));
                let (role, scope) = (*role, None);
                SigningKey {
                    key,
                    nkey,
                    role,
                    scope,
                }
            });
            let created = Event::Created(Created {
                title: Title::new(account).unwrap(),
                purpose,
                nkey: identity.into(),
                key: Name::new(account).unwrap(),
                signing_keys: signing_keys.collect(),
                intent: Intent::new(version),
                issuer: issuer.as_str().into(),
                issued_at: AT,
            });
            let made = Account::create(&created, Timestamp::from_seconds(AT)).unwrap();
            fixture.accounts.insert(account, made);
        }
        fixture
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.accounts.keys().copied()
    }

    pub(super) fn account(&self, name: &str) -> &Account {
        &self.accounts[name]
    }

    pub(super) fn account_mut(&mut self, name: &str) -> &mut Account {
        self.accounts.get_mut(name).unwrap()
    }

    /// Its claims, with the leave that its exporters give.
    pub(super) fn claims(&self, name: &str) -> AccountClaims {
        self.claims_of(self.account(name))
    }

    /// The claims of an account, likewise.
    pub(super) fn claims_of(&self, account: &Account) -> AccountClaims {
        let rendered = rendered(account, &self.prefix, self).unwrap();
        rendered
            .signed(|leave| encode(&leave.claims, &self.signers[&leave.key]))
            .unwrap()
    }
}

impl Exporters for Fixture {
    fn exporter(&self, name: &Name) -> Option<&Account> {
        self.accounts.get(name.as_str())
    }
}
