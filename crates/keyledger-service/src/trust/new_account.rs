//! What a new account is made of: its keys from custody, its claims from the templates.

use std::{collections::HashMap, sync::Arc};

use keyledger_claims::{AccountBody, SignError, account::Import};
use keyledger_custody::{
    Custodian, CustodianError, KeyKind, MaterialContext, NkeyKind, SecretHalf,
};
use keyledger_domain::{
    Ledger, Name, Purpose, Purposes, Rejection, Role, Timestamp,
    account::{self, Account, AccountFacts, Create, NkeyMade, SigningKey},
    key::Material,
};
use keyledger_wire::Prefix;
use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use super::{
    names::{service_account, views_account},
    storage::{self, StorageError},
    templates::{CONNECTIONS, Exporter, client_imports, role_template},
};
use crate::{
    shared::Shared,
    signers::{LedgerKey, Signers},
    signing::SignerError,
};

/// A new account: the facts for the decision, and the sealed seeds to store before it.
#[derive(Debug)]
pub(crate) struct NewAccount {
    /// What the decision must know.
    pub(crate) facts: AccountFacts,
    /// Entries of the material bucket with their sealed seeds.
    pub(crate) materials: Vec<(String, Vec<u8>)>,
}

/// Why no account was made ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NewAccountError {
    /// A rule says no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// A key that must sign for it cannot.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// It cannot be given the storage that it asks for.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The custodian makes no key for it.
    #[error(transparent)]
    Custodian(#[from] CustodianError),
    /// Custody or the ledger does not give what it needs.
    #[error("{0}")]
    Failed(String),
}

fn failed(said: impl std::fmt::Display) -> NewAccountError {
    NewAccountError::Failed(said.to_string())
}

/// Makes a new account's keys and claims.
///
/// An account that imports this service has a scoped key for the role `service`, and an unscoped one for users that
/// know nothing of this service: whoever that one issued commands nothing here.
///
/// # Errors
///
/// [`NewAccountError`].
pub(crate) async fn new_account(
    shared: &Shared,
    name: &Name,
    create: &Create,
    now: Timestamp,
) -> Result<NewAccount, NewAccountError> {
    let Shared {
        custodian,
        signers,
        prefix,
        ..
    } = shared;
    let ledger = &shared.live.ledger;
    let client = create.imports_keyledger.unwrap_or(false);
    let mut materials = Vec::new();
    let identity = make(&**custodian, key_name(name, "")?, &mut materials).await?;
    // No key without a role where this service is imported: whoever is issued by one could answer in the service's place,
    // see every event and ask for every entry.
    let roles: &[Option<Role>] = if client {
        &[Some(Role::Service)]
    } else {
        &[None]
    };
    let (mut signing_keys, mut signing_made) = (Vec::new(), Vec::new());
    for role in roles {
        let suffix = role.map_or("-signing-1".to_owned(), |role| format!("-{role}"));
        let made = make(&**custodian, key_name(name, &suffix)?, &mut materials).await?;
        let template = role.map(|role| serde_json::to_value(role_template(prefix, role)));
        signing_keys.push(SigningKey {
            key: made.key.clone(),
            nkey: made.public.nkey.clone().unwrap_or_default(),
            role: *role,
            template: template.transpose().map_err(failed)?,
        });
        signing_made.push(made);
    }
    let nkey = identity.public.nkey.clone().unwrap_or_default();
    let mut body = AccountBody::new();
    body.limits.conn = CONNECTIONS;
    if client {
        body.imports = imports(&nkey, ledger, signers, prefix, now).await?;
    }
    if let Some(limits) = storage::limits(create)? {
        body.limits.jetstream =
            storage::fits(limits, &ledger.read(), shared.durability.least_room())?;
    }
    let issuer = {
        let ledger = ledger.read();
        let operator = ledger
            .operator()
            .and_then(|(_, o)| o.state.signing_keys.last());
        operator
            .ok_or_else(|| failed("the operator has no signing key"))?
            .nkey
            .clone()
    };
    let purpose = if client {
        account::Purpose::Client
    } else {
        account::Purpose::Plain
    };
    let claims = serde_json::to_value(&body).map_err(failed)?;
    let facts = AccountFacts {
        identity,
        signing_keys,
        signing_made,
        purpose,
        claims,
        issuer,
    };
    Ok(NewAccount { facts, materials })
}

/// The imports of an account whose users command this service.
async fn imports(
    nkey: &str,
    ledger: &RwLock<Ledger>,
    signers: &Arc<Signers>,
    prefix: &Prefix,
    now: Timestamp,
) -> Result<Vec<Import>, NewAccountError> {
    let (service, views) = {
        let ledger = ledger.read();
        (
            service_account(&ledger).cloned(),
            views_account(&ledger).cloned(),
        )
    };
    let (service, service_key) = exporter(service, signers).await?;
    let (views, views_key) = exporter(views, signers).await?;
    // The imports are made twice: first to see what is to be signed, and then with its signatures.
    let (by_service, by_views) = (Given::by(&service_key), Given::by(&views_key));
    let make = || {
        let service = Exporter {
            nkey: &service.nkey,
            signer: &by_service,
        };
        let views = Exporter {
            nkey: &views.nkey,
            signer: &by_views,
        };
        client_imports(prefix, nkey, service, views, now.seconds()).map_err(failed)
    };
    make()?;
    by_service.sign().await?;
    by_views.sign().await?;
    make()
}

/// A signer that gives the signatures which a key of the ledger made before, and notes what has none yet.
struct Given<'a> {
    key: &'a LedgerKey,
    signatures: Mutex<HashMap<Vec<u8>, Option<[u8; 64]>>>,
}

impl<'a> Given<'a> {
    fn by(key: &'a LedgerKey) -> Self {
        Self {
            key,
            signatures: Mutex::default(),
        }
    }

    /// Has the key sign what was noted.
    async fn sign(&self) -> Result<(), SignerError> {
        let noted: Vec<Vec<u8>> = self.signatures.lock().keys().cloned().collect();
        for message in noted {
            let signature = self.key.sign(&message).await?;
            self.signatures.lock().insert(message, Some(signature));
        }
        Ok(())
    }
}

impl keyledger_claims::Signer for Given<'_> {
    fn public_nkey(&self) -> &str {
        self.key.public_nkey()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        let mut signatures = self.signatures.lock();
        let signature = signatures.entry(message.to_vec()).or_default();
        Ok(signature.unwrap_or([0; 64]))
    }
}

async fn exporter(
    account: Option<Account>,
    signers: &Arc<Signers>,
) -> Result<(Account, LedgerKey), NewAccountError> {
    let account = account.ok_or_else(|| failed("an account of the bootstrap is missing"))?;
    let key = account
        .signing_key(None)
        .ok_or_else(|| failed("an account cannot sign"))?;
    let signer = signers.signer(&key.key).await?;
    Ok((account, signer))
}

/// The name of a key behind an account.
fn key_name(account: &Name, suffix: &str) -> Result<Name, Rejection> {
    let fault = "an account's name has at most 40 characters: its keys are named after it";
    Name::new(&format!("nats-account-{account}{suffix}")).map_err(|_| Rejection::BadName {
        fault: fault.to_owned(),
    })
}

async fn make(
    custodian: &dyn Custodian,
    key: Name,
    materials: &mut Vec<(String, Vec<u8>)>,
) -> Result<NkeyMade, NewAccountError> {
    let purposes = Purposes::of(&[Purpose::Certify]);
    let context = MaterialContext {
        key: key.clone(),
        version: 1,
        purposes,
    };
    let kind = KeyKind::Nkey(NkeyKind::Account);
    let made = custodian.generate(kind, &context).await?;
    let material = match made.secret {
        SecretHalf::Sealed(sealed) => {
            // A name that no other attempt has: what is made for a rejected command is erased.
            let entry = format!("{key}.1.{}", Uuid::now_v7().simple());
            let material = Material::Entry(entry.as_str().into());
            materials.push((entry, sealed));
            material
        }
        SecretHalf::Handle(handle) => Material::Handle(handle),
    };
    Ok(NkeyMade {
        key,
        public: made.public,
        material: Some(material),
    })
}
