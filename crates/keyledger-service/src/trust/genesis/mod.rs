//! The genesis events: operator, accounts, users and the keys behind them, signed by the operator's identity.

use std::{collections::BTreeMap, sync::Arc};

use data_encoding::BASE64URL_NOPAD;
use keyledger_claims::{AccountBody, OperatorClaims, account::JetStreamLimits, encode};
use keyledger_custody::{Custody, MaterialContext, NkeyKind, NkeySigner, UserSeed};
use keyledger_domain::{
    Aggregate, Decision, Event, LEDGER_SIGNING_KEY, Ledger, Name, Purpose as KeyPurpose, Purposes,
    Role, Stamp, Timestamp, VerifiedBy,
    account::{self, NkeyMade, Purpose, SigningKey},
    key::Material,
    ledger::Sealed,
    name::HistoryId,
    operator,
    record::{Ids, Why},
    text::{Reason, Title},
    user,
    verify::{HeadDigest, Options, SignedHead, StoredEvent, export},
};
use keyledger_wire::{Prefix, header};
use uuid::Uuid;

use super::{
    bootstrap::InitError,
    jwt::ClaimsSigner,
    names::{self, ADMIN, SERVICE, SYSTEM, VIEWS, name},
    templates::{self, Exporter, Grants},
};

/// A user that the bootstrap issues.
pub(super) struct UserPlan {
    pub(super) name: &'static str,
    pub(super) account: &'static str,
    pub(super) role: Option<Role>,
    pub(super) about: &'static str,
    grants: Option<fn(&Prefix) -> Grants>,
    expires_days: Option<i64>,
}

pub(super) const USERS: [UserPlan; 4] = [
    UserPlan {
        name: "service",
        account: SERVICE,
        role: None,
        about: "the running service",
        grants: Some(templates::service_grants),
        expires_days: None,
    },
    UserPlan {
        name: "setup",
        account: SERVICE,
        role: None,
        about: "makes streams and buckets",
        grants: Some(templates::setup_grants),
        expires_days: None,
    },
    UserPlan {
        name: "system",
        account: SYSTEM,
        role: None,
        about: "pushes account JWTs to the servers",
        grants: Some(|_| templates::system_grants()),
        expires_days: None,
    },
    UserPlan {
        name: "admin",
        account: ADMIN,
        role: Some(Role::Administrator),
        about: "the first administrator",
        grants: None,
        expires_days: Some(365),
    },
];

/// A trust key that was made.
pub(super) struct Key {
    pub(super) made: NkeyMade,
    pub(super) sealed: Vec<u8>,
    signer: NkeySigner,
    title: String,
    parent: Option<Name>,
}

impl Key {
    fn make(
        custody: &Custody,
        key: &Name,
        kind: NkeyKind,
        offline: bool,
    ) -> Result<Self, InitError> {
        let purposes = Purposes::of(&[KeyPurpose::Certify]);
        let context = MaterialContext {
            key: key.clone(),
            version: 1,
            purposes,
        };
        let generated = custody.generate_nkey(kind, &context)?;
        let signer = custody.open_signer(&generated.sealed, &context)?;
        let entry = format!("{key}.1");
        let material = (!offline).then(|| Material {
            entry: entry.into(),
        });
        let made = NkeyMade {
            key: key.clone(),
            public: generated.public,
            material,
        };
        Ok(Self {
            made,
            sealed: generated.sealed,
            signer,
            title: String::new(),
            parent: None,
        })
    }

    fn titled(self, title: String, parent: Option<&Self>) -> Self {
        Self {
            title,
            parent: parent.map(|p| p.made.key.clone()),
            ..self
        }
    }

    fn nkey(&self) -> &str {
        self.signer.public_nkey()
    }

    fn events(&self, now: Timestamp) -> impl Iterator<Item = (HistoryId, Event)> + use<> {
        let title = Title::new(&self.title).expect("the titles of the bootstrap are lines of text");
        let history = HistoryId::new(Aggregate::Key, self.made.key.clone());
        let events = self.made.events(title, self.parent.clone(), now);
        events
            .into_iter()
            .map(move |event| (history.clone(), Event::Key(event)))
    }
}

struct AccountKeys {
    name: &'static str,
    purpose: Purpose,
    identity: Key,
    signing: Vec<(Option<Role>, Key)>,
}

impl AccountKeys {
    fn make(
        custody: &Custody,
        account: &'static str,
        purpose: Purpose,
        roles: &[Option<Role>],
    ) -> Result<Self, InitError> {
        let make = |key: &Name| Key::make(custody, key, NkeyKind::Account, false);
        let title = |what: &str| format!("{what} of NATS account {account}");
        let identity = make(&names::identity_of(account))?.titled(title("identity"), None);
        let mut signing = Vec::new();
        for role in roles {
            let key = make(&names::signing_of(account, *role))?;
            signing.push((*role, key.titled(title("signing key"), Some(&identity))));
        }
        Ok(Self {
            name: account,
            purpose,
            identity,
            signing,
        })
    }

    fn exporter<'a>(&'a self, signer: &'a ClaimsSigner<'a>) -> Exporter<'a> {
        Exporter {
            nkey: self.identity.nkey(),
            signer,
        }
    }

    fn first_signer(&self) -> &NkeySigner {
        let (_, key) = self
            .signing
            .first()
            .expect("every account has a signing key");
        &key.signer
    }

    fn created(&self, prefix: &Prefix, issuer: &Key, body: &AccountBody, now: Timestamp) -> Event {
        let template = |role| {
            serde_json::to_value(templates::role_template(prefix, role))
                .expect("a template has only text keys")
        };
        let signing_keys = self.signing.iter().map(|(role, key)| SigningKey {
            key: key.made.key.clone(),
            nkey: key.nkey().into(),
            role: *role,
            template: role.map(template),
        });
        Event::Account(account::Event::Created(account::Created {
            title: Title::new(self.name).expect("a name is a line of text"),
            purpose: self.purpose,
            nkey: self.identity.nkey().into(),
            key: self.identity.made.key.clone(),
            signing_keys: signing_keys.collect(),
            claims: serde_json::to_value(body).expect("claims have only text keys"),
            issuer: issuer.nkey().into(),
            issued_at: now.seconds(),
        }))
    }
}

/// Everything secret and public that the bootstrap makes.
pub(super) struct Genesis {
    identity: Key,
    signing: Key,
    ledger: Key,
    accounts: [AccountKeys; 4],
    seeds: BTreeMap<&'static str, UserSeed>,
    events: Vec<(HistoryId, Event)>,
}

/// The genesis events as they are stored.
pub(super) struct Written {
    pub(super) ledger: Ledger,
    pub(super) events: Vec<StoredEvent>,
    /// An export of them.
    pub(super) text: String,
}

impl Genesis {
    /// Makes all keys, and the events that tell of them.
    pub(super) fn make(
        custody: &Custody,
        prefix: &Prefix,
        title: Title,
        now: Timestamp,
    ) -> Result<Self, InitError> {
        let operator = |key: &str, offline, title: &str| {
            let key = Key::make(custody, &name(key), NkeyKind::Operator, offline)?;
            Ok::<_, InitError>(key.titled(format!("{title} of the NATS operator"), None))
        };
        let identity = operator(names::OPERATOR, true, "identity")?;
        let signing = operator(names::OPERATOR_SIGNING, false, "signing key")?;
        let signing = Key {
            parent: Some(identity.made.key.clone()),
            ..signing
        };
        // A user's nkey: it vouches for nobody, whatever it is put into.
        let ledger = Key::make(custody, &name(LEDGER_SIGNING_KEY), NkeyKind::User, false)?
            .titled("signing key of the ledger".to_owned(), Some(&identity));
        let roles = Role::ALL.map(Some);
        let accounts = [
            AccountKeys::make(custody, SYSTEM, Purpose::System, &[None])?,
            AccountKeys::make(custody, SERVICE, Purpose::Service, &[None])?,
            // The service's too: nobody else is given users there.
            AccountKeys::make(custody, VIEWS, Purpose::Service, &[None])?,
            AccountKeys::make(custody, ADMIN, Purpose::Client, &roles)?,
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
        genesis.events = genesis.tell(prefix, title, now)?;
        Ok(genesis)
    }

    /// The events, in an order in which each stands on what came before.
    fn tell(
        &self,
        prefix: &Prefix,
        title: Title,
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
            let body = self.body(account, prefix, now)?;
            events.push((history, account.created(prefix, &self.signing, &body, now)));
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

    /// Limits, exports and imports of an account.
    fn body(
        &self,
        account: &AccountKeys,
        prefix: &Prefix,
        now: Timestamp,
    ) -> Result<AccountBody, InitError> {
        let (service, views) = (self.account(SERVICE), self.account(VIEWS));
        let (service_signer, views_signer) = (
            ClaimsSigner(service.first_signer()),
            ClaimsSigner(views.first_signer()),
        );
        let (nkey, at) = (account.identity.nkey(), now.seconds());
        let mut body = AccountBody::new();
        match account.name {
            SERVICE => {
                body.exports = templates::service_exports(prefix);
                body.imports =
                    templates::service_imports(prefix, nkey, views.exporter(&views_signer), at)?;
                body.limits.jetstream = JetStreamLimits::unlimited();
                // Whoever attaches a leaf node speaks for all of its users.
                body.limits.leaf = 0;
            }
            VIEWS => {
                body.exports = templates::views_exports(prefix);
                // One stream, in memory; nobody connects.
                body.limits.jetstream = JetStreamLimits {
                    disk_storage: 0,
                    streams: 1,
                    ..JetStreamLimits::unlimited()
                };
                body.limits.conn = 0;
                body.limits.leaf = 0;
            }
            ADMIN => {
                let service = service.exporter(&service_signer);
                let views = views.exporter(&views_signer);
                body.imports = templates::client_imports(prefix, nkey, service, views, at)?;
            }
            _ => {}
        }
        Ok(body)
    }

    fn issued(&self, plan: &UserPlan, prefix: &Prefix, now: Timestamp) -> Event {
        let boxed = |subjects: Vec<String>| subjects.into_iter().map(Into::into).collect();
        let grants = plan.grants.map(|grants| grants(prefix));
        let (publish, subscribe) = match grants {
            Some(Grants { publish, subscribe }) => (Some(boxed(publish)), Some(boxed(subscribe))),
            None => (None, None),
        };
        let expires_at = plan
            .expires_days
            .map_or(0, |days| now.plus_days(days).seconds());
        Event::User(user::Event::Issued(user::Issued {
            account: name(plan.account),
            nkey: self.seed(plan.name).public_nkey().into(),
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

    /// Seals and signs the events, and proves that they make a ledger that verifies.
    pub(super) fn write(&self, prefix: &Prefix, now: Timestamp) -> Result<Written, InitError> {
        let operator: Arc<str> = self.operator_nkey().into();
        let stamp = Arc::new(Stamp {
            account: Arc::clone(&operator),
            user: operator,
            name: None,
            role: None,
            host: None,
            verified_by: VerifiedBy::Genesis,
        });
        let reason = Reason::new("trust bootstrap").expect("it is a line of text");
        let why = Why {
            reason: Some(reason),
            ticket: None,
        };
        let decision = Decision {
            events: self.events.clone(),
        };
        let ids = Ids::root(Uuid::now_v7());
        let mut ledger = Ledger::new();
        let sealed = ledger.seal(decision, ids, &stamp, &why, now, Uuid::now_v7);
        let mut digest = HeadDigest::new();
        let mut events = Vec::new();
        for (sequence, event) in (1..).zip(&sealed) {
            ledger.apply(&event.record, event.cid, sequence)?;
            digest.push(&event.cid);
            events.push(self.store(event, sequence, prefix));
        }
        let head = SignedHead::unsigned(
            prefix.as_str(),
            &digest,
            events.len() as u64,
            now,
            self.operator_nkey(),
        );
        let signature = self.identity.signer.sign(&head.message());
        let head = head.with_signature(&signature);
        let mut lines = vec![export::Line::Header {
            prefix: prefix.to_string(),
        }];
        lines.extend(events.iter().cloned().map(export::Line::Event));
        lines.push(export::Line::Head(head));
        let text: String = lines
            .iter()
            .map(|line| export::write_line(line) + "\n")
            .collect();
        check(&text, prefix, self.operator_nkey())?;
        Ok(Written {
            ledger,
            events,
            text,
        })
    }

    fn store(&self, event: &Sealed, sequence: u64, prefix: &Prefix) -> StoredEvent {
        let record = &event.record;
        let signature = self.identity.signer.sign(&event.cid.to_bytes());
        let headers = [
            (header::NATS_MSG_ID, record.id.to_string()),
            (header::CORRELATION_ID, record.ids.correlation.to_string()),
            (header::CAUSATION_ID, record.ids.causation.to_string()),
            (header::EVENT_TYPE, record.event.type_name().to_owned()),
            (header::AGGREGATE_ID, record.history.name.to_string()),
            (
                header::SCHEMA_VERSION,
                header::SCHEMA_VERSION_NOW.to_owned(),
            ),
            (header::CID, event.cid.to_string()),
            (header::SIGNATURE, BASE64URL_NOPAD.encode(&signature)),
            (header::SIGNER, self.operator_nkey().to_owned()),
        ];
        StoredEvent {
            sequence,
            subject: prefix.event(&record.history, record.event.past()),
            headers: headers
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect(),
            payload: event.bytes.clone(),
        }
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

/// Verifies an export of genesis events against the operator.
pub(super) fn check(
    text: &str,
    prefix: &Prefix,
    operator: &str,
) -> Result<(), export::ExportError> {
    let mut reader = export::Reader::new(Options {
        prefix: Some(prefix.to_string()),
        expected_operator: Some(operator.to_owned()),
        earlier_heads: Vec::new(),
    });
    for line in text.lines() {
        reader.take(line)?;
    }
    reader.finish().map(|_| ())
}
