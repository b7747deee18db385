//! The genesis events: operator, accounts, users and the keys behind them, signed by the operator's identity.

mod keys;
mod plan;
mod written;

use std::collections::BTreeMap;

use keyledger_claims::{OperatorClaims, encode};
use keyledger_custody::{Custody, NkeyKind, NkeySigner, UserSeed};
use keyledger_domain::{
    Aggregate, Event, LEDGER_SIGNING_KEY, Name, Role, Timestamp,
    account::{
        Purpose,
        intent::{Intent, Limit, Storage},
    },
    name::HistoryId,
    operator,
    template::TemplateVersion,
    text::Title,
    user,
};
use keyledger_wire::Prefix;

use self::keys::{AccountKeys, Key};
pub(super) use self::{
    plan::{USERS, UserPlan},
    written::check,
};
use super::{
    init_error::InitError,
    jwt::ClaimsSigner,
    names::{self, ADMIN, AGENTS, APPROVERS, AUDITORS, SERVICE, SERVICES, SYSTEM, VIEWS, name},
    templates::Grants,
};

/// Everything secret and public that the bootstrap makes.
pub(super) struct Genesis {
    identity: Key,
    signing: Key,
    ledger: Key,
    accounts: [AccountKeys; 8],
    seeds: BTreeMap<&'static str, UserSeed>,
    events: Vec<(HistoryId, Event)>,
}
impl Genesis {
    /// Makes all keys, and the events that tell of them.
    pub(super) fn make(
        custody: &Custody,
        prefix: &Prefix,
        title: Title,
        template: TemplateVersion,
        now: Timestamp,
    ) -> Result<Self, InitError> {
        let operator =
            |key: &str, offline| Key::make(custody, &name(key), NkeyKind::Operator, offline);
        let identity = operator(names::OPERATOR, true)?
            .titled("identity of the NATS operator".to_owned(), None);
        let signing = operator(names::OPERATOR_SIGNING, false)?.titled(
            "signing key of the NATS operator".to_owned(),
            Some(&identity),
        );
        // A user's nkey: it vouches for nobody, whatever it is put into.
        let ledger = Key::make(custody, &name(LEDGER_SIGNING_KEY), NkeyKind::User, false)?
            .titled("signing key of the ledger".to_owned(), Some(&identity));
        let roles = Role::OF_CLIENTS.map(Some);
        let accounts = [
            AccountKeys::make(custody, SYSTEM, Purpose::System, &[None])?,
            AccountKeys::make(custody, SERVICE, Purpose::Service, &[None])?,
            AccountKeys::make(custody, VIEWS, Purpose::Views, &[None])?,
            AccountKeys::make(custody, AGENTS, Purpose::Agents, &[None, Some(Role::Agent)])?,
            AccountKeys::make(custody, ADMIN, Purpose::Client, &roles)?,
            // Roles of different trust share no account, unless an administrator puts them into one.
            AccountKeys::make(custody, APPROVERS, Purpose::Client, &[Some(Role::Approver)])?,
            AccountKeys::make(custody, AUDITORS, Purpose::Client, &[Some(Role::Auditor)])?,
            AccountKeys::make(custody, SERVICES, Purpose::Client, &[Some(Role::Service)])?,
        ];
        let mut seeds = BTreeMap::new();
        for plan in &USERS {
            seeds.insert(plan.name, UserSeed::generate()?);
        }
        let mut genesis = Self {
            identity,
            signing,
            ledger,
            accounts,
            seeds,
            events: Vec::new(),
        };
        genesis.events = genesis.tell(prefix, title, template, now)?;
        Ok(genesis)
    }

    /// The events, in an order in which each stands on what came before.
    fn tell(
        &self,
        prefix: &Prefix,
        title: Title,
        template: TemplateVersion,
        now: Timestamp,
    ) -> Result<Vec<(HistoryId, Event)>, InitError> {
        let mut events: Vec<_> = self.identity.events(now).collect();
        let operator = HistoryId::new(Aggregate::Operator, name(names::OPERATOR));
        let created = operator::Event::Created(operator::Created {
            nkey: self.identity.nkey().into(),
            key: self.identity.made.key.clone(),
            system_account: self.account(SYSTEM).identity.nkey().into(),
            jwt: self.operator_jwt(&title, now)?.into(),
            title,
        });
        events.push((operator.clone(), Event::Operator(created)));
        events.extend(self.signing.events(now));
        let added = operator::Event::SigningKeyAdded(operator::SigningKey {
            key: self.signing.made.key.clone(),
            nkey: self.signing.nkey().into(),
        });
        events.push((operator, Event::Operator(added)));
        events.extend(self.ledger.events(now));
        for account in &self.accounts {
            for key in account
                .signing
                .iter()
                .map(|(_, key)| key)
                .chain([&account.identity])
            {
                events.extend(key.events(now));
            }
            let history = HistoryId::new(Aggregate::Account, name(account.name));
            let intent = intent(account.name, template);
            events.push((history, account.created(&self.signing, intent, now)));
        }
        for plan in &USERS {
            let history = HistoryId::new(Aggregate::User, name(plan.name));
            events.push((history, self.issued(plan, prefix, now)));
        }
        Ok(events)
    }

    fn operator_jwt(&self, title: &Title, now: Timestamp) -> Result<String, InitError> {
        let mut claims = OperatorClaims::new(self.identity.nkey(), now.seconds());
        title.as_str().clone_into(&mut claims.name);
        claims.nats.signing_keys = vec![self.signing.nkey().to_owned()];
        self.account(SYSTEM)
            .identity
            .nkey()
            .clone_into(&mut claims.nats.system_account);
        claims.nats.strict_signing_key_usage = true;
        Ok(encode(&claims, &ClaimsSigner(&self.identity.signer))?)
    }

    fn issued(&self, plan: &UserPlan, prefix: &Prefix, now: Timestamp) -> Event {
        let boxed = |subjects: Vec<String>| subjects.into_iter().map(Into::into).collect();
        let nkey = self.seed(plan.name).public_nkey();
        let grants = plan.grants.map(|grants| grants(prefix, nkey));
        let (publish, subscribe) = match grants {
            Some(Grants { publish, subscribe }) => (Some(boxed(publish)), Some(boxed(subscribe))),
            None => (None, None),
        };
        let expires_at = plan
            .expires_days
            .map_or(0, |days| now.plus_days(days).seconds());
        Event::User(user::Event::Issued(user::Issued {
            account: name(plan.account),
            nkey: nkey.into(),
            generated: true,
            role: plan.role,
            issuer: self.signing(plan.account, plan.role).public_nkey().into(),
            principal: None,
            issued_at: now.seconds(),
            expires_at,
            keys: Vec::new(),
            publish,
            subscribe,
        }))
    }
    pub(super) fn operator_nkey(&self) -> &str {
        self.identity.nkey()
    }

    pub(super) fn operator_signing(&self) -> &NkeySigner {
        &self.signing.signer
    }

    /// Every key with sealed material.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        let accounts = self.accounts.iter().flat_map(|account| {
            account
                .signing
                .iter()
                .map(|(_, key)| key)
                .chain([&account.identity])
        });
        [&self.identity, &self.signing, &self.ledger]
            .into_iter()
            .chain(accounts)
    }

    /// The key that signs an account's users of a role.
    pub(super) fn signing(&self, account: &str, role: Option<Role>) -> &NkeySigner {
        let mut signing = self.account(account).signing.iter();
        let (_, key) = signing
            .find(|(of, _)| *of == role)
            .expect("the plan names its keys");
        &key.signer
    }

    /// The key of this name, of those that sign for accounts.
    pub(super) fn signer(&self, key: &Name) -> Option<&NkeySigner> {
        let mut keys = self.keys();
        keys.find(|it| it.made.key == *key).map(|it| &it.signer)
    }

    pub(super) fn seed(&self, user: &str) -> &UserSeed {
        self.seeds.get(user).expect("every planned user has a seed")
    }

    fn account(&self, known: &str) -> &AccountKeys {
        let mut accounts = self.accounts.iter();
        accounts
            .find(|a| a.name == known)
            .expect("the bootstrap makes it")
    }
}

/// What an account of the bootstrap is to be, where its purpose does not say it.
fn intent(account: &str, template: TemplateVersion) -> Intent {
    let mut intent = Intent::new(template);
    match account {
        SERVICE => intent.limits.storage = Storage::unlimited(),
        // One stream, in memory.
        VIEWS => {
            intent.limits.storage = Storage {
                disk_bytes: Limit::NONE,
                streams: Limit::AtMost(1),
                ..Storage::unlimited()
            };
        }
        // The last who could help must not find it full.
        ADMIN => intent.limits.connections = Some(Limit::Unlimited),
        _ => {}
    }
    intent
}
