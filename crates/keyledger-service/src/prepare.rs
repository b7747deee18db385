//! What custody makes for a command before it is decided; and what is delivered after.
//!
//! Material is written before the event that names it. If the event does not come, the material is erased.

use std::{sync::Arc, time::Duration};

use data_encoding::BASE64;
use keyledger_custody::{MaterialContext, NkeyKind, UserSeed, check_public};
use keyledger_domain::{
    Algorithm, Command, Facts, Ledger, Made, Name, Purposes, Rejection, Timestamp, account,
    command::Target,
    key::{self, Custodian, Material, NewVersion, Public, spki},
    name::Aggregate,
    principal, token, user,
};
use keyledger_wire::Sealed;
use tokio::sync::SemaphorePermit;
use uuid::Uuid;

use crate::{
    endpoint::Refused,
    handler::{Done, Failure, Order},
    shared::Shared,
    tokens, trust,
};

/// What was made for a command.
pub(crate) struct Prepared {
    /// The facts for the decision.
    pub(crate) made: Made,
    /// Entries written for it.
    entries: Vec<String>,
    /// The creds, sealed to the requester.
    creds: Option<Sealed>,
}

/// What goes back to the requester beside the acknowledgement.
#[derive(Default)]
pub(crate) struct Delivery {
    pub(crate) jwt: Option<String>,
    pub(crate) creds: Option<Sealed>,
    pub(crate) secrets: Vec<Sealed>,
}

impl Prepared {
    pub(crate) const fn of(made: Made, entries: Vec<String>) -> Self {
        Self {
            made,
            entries,
            creds: None,
        }
    }

    pub(crate) const fn nothing() -> Self {
        Self {
            made: Made::Nothing,
            entries: Vec::new(),
            creds: None,
        }
    }

    /// Erases what was made for nothing. An event names it nevertheless where its acknowledgement was lost and it was
    /// found again.
    pub(crate) async fn discard(&self, shared: &Shared) {
        for entry in &self.entries {
            if is_named(&shared.live.ledger.read(), entry) {
                continue;
            }
            if let Err(error) = shared.materials.erase(entry).await {
                tracing::warn!(%error, %entry, "unused material was not erased");
            }
        }
    }

    /// Erases what was made for a command that certainly wrote nothing.
    pub(crate) async fn forget(&self, shared: &Shared, failure: &Failure) {
        // Where nobody knows whether the event is stored, the material that it names must stay.
        if matches!(failure, Failure::Rejected(_) | Failure::Full(_)) {
            self.discard(shared).await;
        }
    }
}

/// Makes what a command needs from custody. A command that would be rejected anyway gets nothing made.
pub(crate) async fn prepare(
    shared: &Shared,
    target: &Target,
    command: &Command,
    id: Uuid,
    now: Timestamp,
) -> Result<Prepared, Refused> {
    let name = &target.name;
    if shared.live.ledger.read().remembered(&id).is_some() {
        return Ok(Prepared::nothing());
    }
    match command {
        Command::Key(key::Command::Generate(generate)) => {
            let purposes = generate.purposes.unwrap_or(generate.algorithm.usual());
            try_out(
                shared,
                target,
                command,
                now,
                Made::Key(placeholder(1, false)),
            )?;
            let kind = Kind::Key(generate.algorithm);
            version(shared, name, 1, kind, purposes).await
        }
        Command::Key(key::Command::Register(register)) => {
            check_point(register.algorithm, &register.public_key)?;
            Ok(Prepared::nothing())
        }
        Command::Key(key::Command::Rotate(rotate)) => {
            let key = shared.live.ledger.read().key(name).map(|e| {
                let next = e.state.versions.last().map_or(1, |v| v.number + 1);
                let nkey = e.state.newest().is_some_and(|v| v.nkey.is_some());
                (
                    e.state.algorithm,
                    e.state.purposes,
                    e.state.custodian,
                    next,
                    nkey,
                )
            });
            let Some((algorithm, purposes, custodian, next, nkey)) = key else {
                return Ok(Prepared::nothing());
            };
            if let Some(public_key) = &rotate.public_key {
                check_point(algorithm, public_key)?;
            }
            if custodian != Custodian::Software {
                return Ok(Prepared::nothing());
            }
            try_out(
                shared,
                target,
                command,
                now,
                Made::Key(placeholder(next, nkey)),
            )?;
            // Of the keys that are nkeys only the ledger's own is rotated by this command.
            let kind = if nkey {
                Kind::LedgerNkey
            } else {
                Kind::Key(algorithm)
            };
            version(shared, name, next, kind, purposes).await
        }
        Command::User(user::Command::Issue(issue)) => {
            let Some(seal_to) = &issue.seal_to else {
                return Ok(Prepared::nothing());
            };
            creds(shared, target, command, seal_to, id, now).await
        }
        Command::Account(account::Command::Create(create)) => {
            account(shared, name, create, now).await
        }
        Command::Key(key::Command::Certify(certify)) => {
            let certified = tokens::certify(shared, name, certify, now).await?;
            Ok(Prepared::of(
                Made::Certificate(Box::new(certified)),
                Vec::new(),
            ))
        }
        Command::Principal(principal::Command::Publish(publish)) => {
            let published = tokens::published(shared, name, &publish.openpgp)?;
            let made = published.map_or(Made::Nothing, |p| Made::Openpgp(Box::new(p)));
            Ok(Prepared::of(made, Vec::new()))
        }
        Command::Principal(principal::Command::RecoverKey(recover)) => {
            // Refused before it is recorded that it was given.
            tokens::recover(shared, name, recover.key.as_ref(), &recover.seal_to).await?;
            Ok(Prepared::nothing())
        }
        Command::Token(command) if command.task().is_some() => {
            Ok(Prepared::of(tokens::task(shared, id)?, Vec::new()))
        }
        Command::Token(token::Command::Release(release)) => {
            // Refused before it is recorded that they were given.
            tokens::release(shared, name, &release.seal_to).await?;
            Ok(Prepared::nothing())
        }
        _ => Ok(Prepared::nothing()),
    }
}

/// What goes to the requester beside the acknowledgement: for an issue, the JWT or the sealed creds.
pub(crate) async fn deliver(
    shared: &Shared,
    order: &Order,
    done: &Done,
    prepared: Prepared,
) -> Result<Delivery, Refused> {
    if let Command::Token(token::Command::Release(release)) = &order.command {
        let secrets = tokens::release(shared, &done.history.name, &release.seal_to).await?;
        return Ok(Delivery {
            secrets,
            ..Delivery::default()
        });
    }
    if let Command::Principal(principal::Command::RecoverKey(recover)) = &order.command {
        let principal = &done.history.name;
        let key = recover.key.as_ref();
        let secrets = tokens::recover(shared, principal, key, &recover.seal_to).await?;
        return Ok(Delivery {
            secrets: vec![secrets],
            ..Delivery::default()
        });
    }
    let Command::User(user::Command::Issue(issue)) = &order.command else {
        return Ok(Delivery::default());
    };
    if issue.seal_to.is_none() {
        let jwt = jwt(shared, &done.history.name).await?;
        return Ok(Delivery {
            jwt: Some(jwt),
            ..Delivery::default()
        });
    }
    if done.fresh {
        return Ok(Delivery {
            creds: prepared.creds,
            ..Delivery::default()
        });
    }
    // A retry: what was sealed then lies in the bucket.
    let nkey = {
        let ledger = shared.live.ledger.read();
        let user = ledger
            .user(&done.history.name)
            .map(|e| e.state.nkey.clone());
        user.unwrap_or_default()
    };
    let entry = creds_entry(order.ids.command, &nkey);
    let stored = shared
        .materials
        .read(&entry)
        .await
        .map_err(|e| custody_failed(&e))?;
    let stored = stored.ok_or_else(|| {
        Refused::Fault(
            "custody_failed",
            "the sealed creds are gone: revoke the user and issue another".to_owned(),
        )
    })?;
    let creds = serde_json::from_slice(&stored).map_err(|e| custody_failed(&e))?;
    Ok(Delivery {
        creds: Some(creds),
        ..Delivery::default()
    })
}

/// Decides against the ledger as it is now, with made-up facts: a command that would be rejected costs nothing.
fn try_out(
    shared: &Shared,
    target: &Target,
    command: &Command,
    now: Timestamp,
    made: Made,
) -> Result<(), Refused> {
    let decision = shared
        .live
        .ledger
        .read()
        .decide(target, command, &Facts { now, made });
    decision.map(|_| ()).map_err(Refused::from)
}

fn placeholder(version: u32, nkey: bool) -> NewVersion {
    let public = Public {
        public_key: None,
        nkey: nkey.then(Box::default),
        check_value: None,
    };
    NewVersion {
        version,
        public,
        material: None,
    }
}

/// How long a slow generation waits for those before it.
const SLOW_PATIENCE: Duration = Duration::from_secs(20);

/// What is generated.
#[derive(Clone, Copy)]
enum Kind {
    /// A key of this algorithm.
    Key(Algorithm),
    /// An nkey that signs the ledger.
    LedgerNkey,
}

impl Kind {
    /// True of RSA: finding its primes takes a core half a second, where others take microseconds.
    const fn is_slow(self) -> bool {
        matches!(self, Self::Key(Algorithm::Rsa3072))
    }
}

impl Shared {
    /// A place to generate something slow in: one core stays free, and nobody waits for ever.
    async fn slow_generation(&self) -> Result<SemaphorePermit<'_>, Refused> {
        let place = tokio::time::timeout(SLOW_PATIENCE, self.slow.acquire()).await;
        place.ok().and_then(Result::ok).ok_or_else(|| {
            let said = "more RSA keys are asked for than can be made: try again later".to_owned();
            Refused::Fault("not_ready", said)
        })
    }
}

/// Generates a version, and writes its sealed material under a name that nobody else can have.
async fn version(
    shared: &Shared,
    name: &Name,
    number: u32,
    kind: Kind,
    purposes: Purposes,
) -> Result<Prepared, Refused> {
    let custody = Arc::clone(&shared.custody);
    let context = MaterialContext {
        key: name.clone(),
        version: number,
        purposes,
    };
    let generate = move || match kind {
        Kind::Key(algorithm) => custody.generate(algorithm, &context),
        Kind::LedgerNkey => custody.generate_nkey(NkeyKind::User, &context),
    };
    // Held until the secret is made. Quick ones do not wait for slow ones.
    let _place = match kind.is_slow() {
        true => Some(shared.slow_generation().await?),
        false => None,
    };
    // Somebody else may have taken the name while this one waited.
    if number == 1 && shared.live.ledger.read().key(name).is_some() {
        return Ok(Prepared::nothing());
    }
    let generated = tokio::task::spawn_blocking(generate)
        .await
        .map_err(|e| custody_failed(&e))?
        .map_err(|e| custody_failed(&e))?;
    let entry = entry(name, number);
    shared
        .materials
        .put(&entry, generated.sealed)
        .await
        .map_err(|e| custody_failed(&e))?;
    let material = Some(Material {
        entry: entry.as_str().into(),
    });
    let made = NewVersion {
        version: number,
        public: generated.public,
        material,
    };
    Ok(Prepared {
        made: Made::Key(made),
        entries: vec![entry],
        creds: None,
    })
}

/// Makes a new account's keys, and writes their sealed seeds.
async fn account(
    shared: &Shared,
    name: &Name,
    create: &account::Create,
    now: Timestamp,
) -> Result<Prepared, Refused> {
    let target = Target::new(Aggregate::Account, name.clone());
    if shared.live.ledger.read().head(&target).is_some() {
        return Err(Rejection::NameTaken(target).into());
    }
    let Shared {
        live,
        custody,
        signers,
        prefix,
        ..
    } = shared;
    let made = trust::new_account(name, create, &live.ledger, custody, signers, prefix, now).await;
    let made = made.map_err(|e| match e {
        trust::NewAccountError::Rejected(rejection) => rejection.into(),
        trust::NewAccountError::Failed(said) => custody_failed(&said),
    })?;
    let mut entries = Vec::new();
    for (entry, sealed) in made.materials {
        shared
            .materials
            .put(&entry, sealed)
            .await
            .map_err(|e| custody_failed(&e))?;
        entries.push(entry);
    }
    Ok(Prepared {
        made: Made::Account(Box::new(made.facts)),
        entries,
        creds: None,
    })
}

/// Generates a user and seals its creds to the requester; the seed is never anywhere in clear.
async fn creds(
    shared: &Shared,
    target: &Target,
    command: &Command,
    seal_to: &str,
    id: Uuid,
    now: Timestamp,
) -> Result<Prepared, Refused> {
    let seed = UserSeed::generate().map_err(|e| custody_failed(&e))?;
    let made = Made::User(seed.public_nkey().to_owned(), now);
    let facts = Facts {
        now,
        made: made.clone(),
    };
    let decision = shared.live.ledger.read().decide(target, command, &facts)?;
    let issued = decision.events.iter().find_map(|(_, event)| match event {
        keyledger_domain::Event::User(event) => user::User::create(event),
        _ => None,
    });
    let Some(user) = issued else {
        return Ok(Prepared::nothing());
    };
    let jwt = sign_user(shared, &target.name, &user).await?;
    let delivery = seed
        .seal_creds(&jwt, seal_to)
        .map_err(|e| Rejection::BadValue {
            field: "seal_to",
            fault: e.to_string(),
        })?;
    let creds = Sealed {
        sender: delivery.sender,
        sealed: BASE64.encode(&delivery.ciphertext),
    };
    let entry = creds_entry(id, seed.public_nkey());
    let stored = serde_json::to_vec(&creds).map_err(|e| custody_failed(&e))?;
    shared
        .materials
        .put(&entry, stored)
        .await
        .map_err(|e| custody_failed(&e))?;
    Ok(Prepared {
        made,
        entries: vec![entry],
        creds: Some(creds),
    })
}

/// The JWT of a user in the ledger: a function of its events and its account's signing key.
async fn jwt(shared: &Shared, name: &Name) -> Result<String, Refused> {
    let user = shared
        .live
        .ledger
        .read()
        .user(name)
        .map(|e| e.state.clone());
    let user =
        user.ok_or_else(|| Refused::Fault("not_ready", format!("user {name} is not folded")))?;
    sign_user(shared, name, &user).await
}

async fn sign_user(shared: &Shared, name: &Name, user: &user::User) -> Result<String, Refused> {
    let (account, key) = {
        let ledger = shared.live.ledger.read();
        let account = ledger.account(&user.account).map(|e| e.state.clone());
        let account = account.ok_or_else(|| custody_failed(&"its account is not folded"))?;
        let key = account.signing_keys.iter().find(|k| k.nkey == user.issuer);
        let key = key.ok_or_else(|| custody_failed(&"its issuer is not a key of its account"))?;
        let key = key.key.clone();
        (account, key)
    };
    let signer = shared
        .signers
        .signer(&key)
        .await
        .map_err(|e| custody_failed(&e))?;
    trust::user_jwt(name, user, &account, &signer).map_err(|e| custody_failed(&e))
}

/// A public key's form is the domain's to check; that its point lies on its curve is custody's.
fn check_point(algorithm: Algorithm, text: &str) -> Result<(), Rejection> {
    let bad = |fault: String| Rejection::BadValue {
        field: "public_key",
        fault,
    };
    let der = spki::normalised(algorithm, text)?;
    let der = BASE64
        .decode(der.as_bytes())
        .map_err(|e| bad(e.to_string()))?;
    check_public(algorithm, &der).map_err(|e| bad(e.to_string()))
}

/// True of an entry that an event names, or whose user an event tells of.
fn is_named(ledger: &Ledger, entry: &str) -> bool {
    match entry.split_once('.') {
        Some(("creds", tail)) => tail
            .rsplit_once('.')
            .is_some_and(|(_, nkey)| ledger.user_of_nkey(nkey).is_some()),
        Some(("token", tail)) => tail
            .split_once('.')
            .and_then(|(token, _)| ledger.token(&Name::new(token).ok()?))
            .is_some_and(|token| token.state.names(entry)),
        Some((key, _)) => Name::new(key)
            .ok()
            .and_then(|key| ledger.key(&key))
            .is_some_and(|key| key.state.entries().any(|named| named == entry)),
        None => false,
    }
}

fn entry(name: &Name, version: u32) -> String {
    format!("{name}.{version}.{}", Uuid::now_v7().simple())
}

/// Where a command's sealed creds lie: by the user that was generated too, since a command that comes twice at once is
/// prepared twice.
fn creds_entry(id: Uuid, nkey: &str) -> String {
    format!("creds.{}.{nkey}", id.simple())
}

pub(crate) fn custody_failed(said: &dyn std::fmt::Display) -> Refused {
    tracing::error!(%said, "custody failed");
    Refused::Fault("custody_failed", said.to_string())
}
