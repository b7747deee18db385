//! An operator, an account and its users, made for one server.

use keyledger_claims::{
    AccountClaims, KeyPairSigner, OperatorClaims, SigningKey, UserClaims, UserScope,
    account::AccountLimits, encode, user::Permission,
};
use keyledger_testkit::Config;
use nkeys::KeyPair;

/// Who signs for whom.
pub(crate) struct Organisation {
    pub(crate) config: Config,
    account: String,
    identity: KeyPairSigner,
    role: KeyPairSigner,
}

const IAT: i64 = 1_790_000_000;

impl Organisation {
    pub(crate) fn new() -> Self {
        let operator = KeyPair::new_operator();
        let (system, account) = (KeyPair::new_account(), KeyPair::new_account());
        let role = KeyPairSigner::new(KeyPair::new_account());
        let (system_nkey, account_nkey) = (system.public_key(), account.public_key());
        let mut claims = OperatorClaims::new(operator.public_key(), IAT);
        claims.nats.system_account = system_nkey.clone();
        let operator = KeyPairSigner::new(operator);
        let operator_jwt = encode(&claims, &operator).unwrap();
        let system_jwt = encode(&AccountClaims::new(&system_nkey, IAT), &operator).unwrap();
        let mut claims = AccountClaims::new(&account_nkey, IAT);
        claims.nats.limits = AccountLimits::unlimited();
        claims.nats.limits.jetstream = keyledger_claims::account::JetStreamLimits::unlimited();
        claims.nats.signing_keys = vec![SigningKey::scoped(agents(
            keyledger_claims::Signer::public_nkey(&role),
        ))];
        let account_jwt = encode(&claims, &operator).unwrap();
        let config = Config::text(&format!(
            "operator: {operator_jwt}\nsystem_account: {system_nkey}\nresolver: MEMORY\n\
             resolver_preload: {{\n  {system_nkey}: {system_jwt}\n  {account_nkey}: {account_jwt}\n}}\n\
             jetstream {{ sync_interval: always, max_memory_store: 64MB, max_file_store: 1GB }}\n"
        ));
        Self {
            config,
            account: account_nkey,
            identity: KeyPairSigner::new(account),
            role,
        }
    }

    /// The JWT of an agent: what it may do comes from the scoped signing key.
    pub(crate) fn agent_jwt(&self, nkey: &str) -> String {
        let claims = UserClaims::scoped(nkey, &self.account, IAT);
        encode(&claims, &self.role).unwrap()
    }

    /// Somebody who may do everything in the account: the service, and a forger.
    pub(crate) async fn connect(&self, url: &str) -> async_nats::Client {
        let user = std::sync::Arc::new(KeyPair::new_user());
        let claims = UserClaims::new(user.public_key(), IAT);
        let jwt = encode(&claims, &self.identity).unwrap();
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

/// The role of agents: its own consumer, its own reports, its own inboxes, nothing else.
fn agents(key: &str) -> UserScope {
    let mut scope = UserScope::new(key, "agent");
    let allow = |subjects: &[&str]| Permission {
        allow: subjects.iter().map(|s| (*s).to_owned()).collect(),
        ..Permission::default()
    };
    scope.template.publish = allow(&[
        "$JS.API.CONSUMER.MSG.NEXT.KEYS_TASKS.{{subject()}}",
        "$JS.API.CONSUMER.INFO.KEYS_TASKS.{{subject()}}",
        "$JS.ACK.KEYS_TASKS.{{subject()}}.>",
        "keys.reports.{{subject()}}.>",
    ]);
    scope.template.subscribe = allow(&["_INBOX.agent.{{subject()}}.>"]);
    scope
}
