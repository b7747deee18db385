//! An operator, two accounts and their users, made for one server.

use keyledger_claims::{
    AccountClaims, KeyPairSigner, OperatorClaims, SigningKey, UserClaims, UserScope,
    account::{AccountLimits, Export, ExportType, Import, JetStreamLimits, ResponseType},
    encode,
    user::Permission,
};
use keyledger_testkit::Config;
use nkeys::KeyPair;

/// The keys, and which of them signs for which.
pub(crate) struct Organisation {
    pub(crate) config: Config,
    /// The account of the agents. It imports what they need from the service's account.
    agents: String,
    /// The service's account.
    service: KeyPairSigner,
    role: KeyPairSigner,
}

const IAT: i64 = 1_790_000_000;

impl Organisation {
    pub(crate) fn new() -> Self {
        let operator = KeyPair::new_operator();
        let (system, service) = (KeyPair::new_account(), KeyPair::new_account());
        let agents = KeyPair::new_account();
        let role = KeyPairSigner::new(KeyPair::new_account());
        let (system_nkey, service_nkey) = (system.public_key(), service.public_key());
        let agents_nkey = agents.public_key();
        let mut claims = OperatorClaims::new(operator.public_key(), IAT);
        claims.nats.system_account = system_nkey.clone();
        let operator = KeyPairSigner::new(operator);
        let operator_jwt = encode(&claims, &operator).unwrap();
        let system_jwt = encode(&AccountClaims::new(&system_nkey, IAT), &operator).unwrap();
        let mut claims = AccountClaims::new(&service_nkey, IAT);
        claims.nats.limits = AccountLimits::unlimited();
        claims.nats.limits.jetstream = JetStreamLimits::unlimited();
        claims.nats.exports = SHARED.map(|(subject, _)| export(subject)).into();
        let service_jwt = encode(&claims, &operator).unwrap();
        let mut claims = AccountClaims::new(&agents_nkey, IAT);
        claims.nats.limits = AccountLimits::unlimited();
        claims.nats.imports = SHARED
            .map(|(subject, local)| import(&service_nkey, subject, local))
            .into();
        claims.nats.signing_keys = vec![SigningKey::scoped(scope(
            keyledger_claims::Signer::public_nkey(&role),
        ))];
        let agents_jwt = encode(&claims, &operator).unwrap();
        let config = Config::text(&format!(
            "operator: {operator_jwt}\nsystem_account: {system_nkey}\nresolver: MEMORY\n\
             resolver_preload: {{\n  {system_nkey}: {system_jwt}\n  {service_nkey}: {service_jwt}\n  {agents_nkey}: {agents_jwt}\n}}\n\
             jetstream {{ sync_interval: always, max_memory_store: 64MB, max_file_store: 1GB }}\n"
        ));
        Self {
            config,
            agents: agents_nkey,
            service: KeyPairSigner::new(service),
            role,
        }
    }

    /// The JWT of an agent. Its permissions come from the scoped signing key.
    pub(crate) fn agent_jwt(&self, nkey: &str) -> String {
        let claims = UserClaims::scoped(nkey, &self.agents, IAT);
        encode(&claims, &self.role).unwrap()
    }

    /// A user who may do everything in the account: the service, or a forger.
    pub(crate) async fn connect(&self, url: &str) -> async_nats::Client {
        let user = std::sync::Arc::new(KeyPair::new_user());
        let claims = UserClaims::new(user.public_key(), IAT);
        let jwt = encode(&claims, &self.service).unwrap();
        async_nats::ConnectOptions::with_jwt(jwt, move |nonce| {
            let user = std::sync::Arc::clone(&user);
            async move { user.sign(&nonce).map_err(async_nats::AuthError::new) }
        })
        .retry_on_initial_connect()
        .connect(url)
        .await
        .unwrap()
    }
}

/// The exports of the service's account, and their names in the agents' account.
const SHARED: [(&str, &str); 5] = [
    ("keys.reports.>", "keys.reports.>"),
    (
        "$JS.API.CONSUMER.MSG.NEXT.KEYS_TASKS.*",
        "$JS.keys.API.CONSUMER.MSG.NEXT.KEYS_TASKS.$1",
    ),
    (
        "$JS.API.CONSUMER.INFO.KEYS_TASKS.*",
        "$JS.keys.API.CONSUMER.INFO.KEYS_TASKS.$1",
    ),
    (
        "$JS.ACK.KEYS_TASKS.*.*.*.*.*.*",
        "$JS.ACK.KEYS_TASKS.*.*.*.*.*.*",
    ),
    (
        "$JS.ACK.*.*.KEYS_TASKS.*.*.*.*.*.>",
        "$JS.ACK.*.*.KEYS_TASKS.*.*.*.*.*.>",
    ),
];

fn export(subject: &str) -> Export {
    Export {
        name: subject.to_owned(),
        subject: subject.to_owned(),
        kind: ExportType::Service,
        response_type: ResponseType::Stream,
        ..Export::default()
    }
}

fn import(account: &str, subject: &str, local: &str) -> Import {
    Import {
        name: subject.to_owned(),
        subject: subject.to_owned(),
        account: account.to_owned(),
        local_subject: if local == subject {
            String::new()
        } else {
            local.to_owned()
        },
        kind: ExportType::Service,
        ..Import::default()
    }
}

/// The role of agents: its own consumer, its own reports, its own inboxes, nothing else.
fn scope(key: &str) -> UserScope {
    let mut scope = UserScope::new(key, "agent");
    let allow = |subjects: &[&str]| Permission {
        allow: subjects.iter().map(|s| (*s).to_owned()).collect(),
        ..Permission::default()
    };
    scope.template.publish = allow(&[
        "$JS.keys.API.CONSUMER.MSG.NEXT.KEYS_TASKS.{{subject()}}",
        "$JS.keys.API.CONSUMER.INFO.KEYS_TASKS.{{subject()}}",
        "$JS.ACK.KEYS_TASKS.{{subject()}}.*.*.*.*.*",
        "$JS.ACK.*.*.KEYS_TASKS.{{subject()}}.*.*.*.*.>",
        "keys.reports.{{subject()}}.>",
    ]);
    scope.template.subscribe = allow(&["_INBOX.agent.{{subject()}}.>"]);
    scope
}
