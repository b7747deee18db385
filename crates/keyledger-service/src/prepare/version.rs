//! A key's next version, made in custody.

use std::{sync::Arc, time::Duration};

use data_encoding::BASE64;
use keyledger_custody::{MaterialContext, NkeyKind, check_public};
use keyledger_domain::{
    Algorithm, Command, Made, Name, Purposes, Rejection, Timestamp,
    command::Target,
    key::{Custodian, Generate, Material, NewVersion, Public, Rotate, spki},
};
use tokio::sync::SemaphorePermit;
use uuid::Uuid;

use super::{Prepared, custody_failed, try_out};
use crate::{endpoint::Refused, shared::Shared};

/// Makes a new key's first version.
pub(super) async fn first(
    shared: &Shared,
    target: &Target,
    command: &Command,
    generate: &Generate,
    now: Timestamp,
) -> Result<Prepared, Refused> {
    let purposes = generate.purposes.unwrap_or(generate.algorithm.usual());
    try_out(
        shared,
        target,
        command,
        now,
        Made::Key(placeholder(1, false)),
    )?;
    let kind = Kind::Key(generate.algorithm);
    version(shared, &target.name, 1, kind, purposes).await
}

/// Makes a key's next version, if it is in custody; a registered key's comes with the command.
pub(super) async fn next(
    shared: &Shared,
    target: &Target,
    command: &Command,
    rotate: &Rotate,
    now: Timestamp,
) -> Result<Prepared, Refused> {
    let name = &target.name;
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

/// A public key's form is the domain's to check; that its point lies on its curve is custody's.
pub(super) fn check_point(algorithm: Algorithm, text: &str) -> Result<(), Rejection> {
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

fn entry(name: &Name, version: u32) -> String {
    format!("{name}.{version}.{}", Uuid::now_v7().simple())
}
