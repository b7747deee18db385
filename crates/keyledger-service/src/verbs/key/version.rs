//! A key's versions, made in custody.

use data_encoding::BASE64;
use keyledger_custody::{KeyKind, MadeKey, MaterialContext, NkeyKind, SecretHalf, check_public};
use keyledger_domain::{
    Algorithm, Ledger, Name, Purposes, Rejection,
    key::{Certification, Certified, Material, NewVersion, Public, spki},
    verb::Verb,
};
use uuid::Uuid;

use crate::{
    pki,
    refused::Refused,
    shared::Shared,
    verbs::{Beside, Making, Ready},
};

/// A key that was made for a command. It is kept while the command is tried again, and made only once, even if its version number changes.
pub(crate) struct KeptVersion {
    made: MadeKey,
    context: MaterialContext,
}

/// What is to be made.
#[derive(Clone, Copy)]
pub(super) struct WantedVersion {
    pub(super) kind: VersionKind,
    pub(super) number: u32,
    pub(super) purposes: Purposes,
}

/// What is generated.
#[derive(Clone, Copy)]
pub(super) enum VersionKind {
    /// A key of this algorithm.
    Key(Algorithm),
    /// An nkey that signs the ledger.
    LedgerNkey,
}

impl VersionKind {
    const fn algorithm(self) -> Algorithm {
        match self {
            Self::Key(algorithm) => algorithm,
            Self::LedgerNkey => Algorithm::Ed25519,
        }
    }

    /// True of RSA: finding its primes takes a core half a second and more, where others take microseconds.
    const fn is_slow(self) -> bool {
        self.algorithm().rsa_bits().is_some()
    }
}

/// A verb for which custody makes a version of a key.
pub(super) trait MakesVersion: Verb {
    /// The certificate with which the key comes to be.
    fn certification(&self) -> Option<&Certification>;

    /// What the rule is given of the version, and of the certificate over it.
    fn made(version: NewVersion, certified: Option<Certified>) -> Self::Made;
}

/// Makes a version, and writes its sealed material under a name that nobody else can have. Makes nothing if `wanted` says so.
///
/// `wanted` is asked twice: first so that a command that would be rejected does not wait, and again after the wait.
pub(super) async fn version<V: MakesVersion>(
    verb: &V,
    on: Making<'_>,
    wanted: impl Fn(&Ledger) -> Result<Option<WantedVersion>, Rejection>,
) -> Result<Ready<V::Made>, Refused> {
    let (shared, name) = (on.shared, &on.target.name);
    let Some(first) = allowed(verb, &on, &wanted)? else {
        return Ok(Ready::nothing());
    };
    // The place is held until the secret is made. Only slow kinds of keys take one, and only if the key is not made yet.
    let place = match first.kind.is_slow() && on.kept.is_none() {
        true => Some(shared.families.slow.wait(on.sender, 0).await?),
        false => None,
    };
    // Versions of one key are made one after the other: two commands at once would make the same version, and one would be wasted.
    let turn = shared.turns.take(name).await?;
    if on.is_done() {
        return Ok(Ready::nothing());
    }
    let Some(wanted) = allowed(verb, &on, &wanted)? else {
        return Ok(Ready::nothing());
    };
    let made = match on.kept {
        Some(made) => {
            made.renumber(shared, wanted.number).await?;
            made
        }
        None => on.kept.insert(generate(shared, name, wanted).await?),
    };
    drop(place);
    // The certificate comes before anything is written: if it cannot be made, no key stays behind.
    let certified = match verb.certification() {
        Some(wanted) => {
            let new = pki::NewKey {
                context: &made.context,
                made: &made.made,
            };
            pki::certify_new(shared, new, wanted, on.now).await?
        }
        None => None,
    };
    let (material, entries) = match &made.made.secret {
        SecretHalf::Sealed(sealed) => {
            let entry = entry(name, wanted.number);
            shared.materials.put(&entry, sealed.clone()).await?;
            (Material::Entry(entry.as_str().into()), vec![entry])
        }
        SecretHalf::Handle(handle) => (Material::Handle(handle.clone()), Vec::new()),
    };
    let version = NewVersion {
        version: wanted.number,
        public: made.made.public.clone(),
        material: Some(material),
    };
    Ok(Ready {
        made: V::made(version, certified),
        beside: Beside {
            entries,
            creds: None,
            _turn: Some(turn),
        },
    })
}

/// What is wanted now, if the command would be accepted now.
fn allowed<V: MakesVersion>(
    verb: &V,
    on: &Making<'_>,
    wanted: impl Fn(&Ledger) -> Result<Option<WantedVersion>, Rejection>,
) -> Result<Option<WantedVersion>, Refused> {
    let ledger = on.shared.live.ledger.read();
    let wanted = wanted(&ledger)?;
    if let Some(wanted) = wanted {
        let version = placeholder(
            wanted.number,
            matches!(wanted.kind, VersionKind::LedgerNkey),
        );
        let certified = verb.certification();
        let certified = certified.map(|it| pki::placeholder(&ledger, on.target, it, on.now));
        let made = V::made(version, certified.transpose()?);
        ledger.decide_verb(on.target, verb, &made, on.now).result?;
    }
    Ok(wanted)
}

async fn generate(
    shared: &Shared,
    name: &Name,
    wanted: WantedVersion,
) -> Result<KeptVersion, Refused> {
    let context = MaterialContext {
        key: name.clone(),
        version: wanted.number,
        purposes: wanted.purposes,
    };
    let kind = match wanted.kind {
        VersionKind::Key(algorithm) => KeyKind::Plain(algorithm),
        VersionKind::LedgerNkey => KeyKind::Nkey(NkeyKind::User),
    };
    let made = shared.custodian.generate(kind, &context).await?;
    Ok(KeptVersion { made, context })
}

impl KeptVersion {
    async fn renumber(&mut self, shared: &Shared, version: u32) -> Result<(), Refused> {
        if self.context.version != version {
            let (secret, context) = (&self.made.secret, &self.context);
            let moved = shared.custodian.renumber(secret, context, version).await?;
            self.made.secret = moved;
            self.context.version = version;
        }
        Ok(())
    }
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
