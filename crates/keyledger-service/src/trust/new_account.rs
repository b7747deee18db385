//! What a new account is made of: its keys from custody, and what it is to be.

use keyledger_custody::{
    Custodian, CustodianError, KeyKind, MaterialContext, NkeyKind, SecretHalf,
};
use keyledger_domain::{
    Name, Purpose, Purposes, Rejection, Role,
    account::{self, AccountFacts, Create, NkeyMade, SigningKey, intent::Intent},
    key::Material,
};
use uuid::Uuid;

use super::{
    storage::{self, StorageError},
    templates,
};
use crate::shared::Shared;

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
    /// It cannot be given the storage that it asks for.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The custodian makes no key for it.
    #[error(transparent)]
    Custodian(#[from] CustodianError),
    /// The ledger was not set up: run `keyledger setup`.
    #[error("the operator has no signing key")]
    NoSigningKey,
}

/// Makes a new account's keys, and says what it is to be.
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
) -> Result<NewAccount, NewAccountError> {
    let custodian = &shared.custodian;
    let ledger = &shared.live.ledger;
    let client = create.imports_keyledger.unwrap_or(false);
    // All that may stand in the way comes before the first key is made.
    let mut intent = Intent::new(templates::newest());
    if let Some(storage) = storage::limits(create)? {
        let room = shared.durability.least_room();
        intent.limits.storage = storage::fits(storage, &ledger.read(), room)?;
    }
    let issuer = {
        let ledger = ledger.read();
        let operator = ledger
            .operator()
            .and_then(|(_, o)| o.state.signing_keys.last());
        operator.ok_or(NewAccountError::NoSigningKey)?.nkey.clone()
    };
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
        signing_keys.push(SigningKey {
            key: made.key.clone(),
            nkey: made.public.nkey.clone().unwrap_or_default(),
            role: *role,
            scope: None,
        });
        signing_made.push(made);
    }
    let purpose = if client {
        account::Purpose::Client
    } else {
        account::Purpose::Plain
    };
    let facts = AccountFacts {
        identity,
        signing_keys,
        signing_made,
        purpose,
        intent,
        issuer,
    };
    Ok(NewAccount { facts, materials })
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
