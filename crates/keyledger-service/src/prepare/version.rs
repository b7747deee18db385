//! A key's next version, made in custody.

use std::sync::Arc;

use data_encoding::BASE64;
use keyledger_custody::{Generated, MaterialContext, NkeyKind, check_public};
use keyledger_domain::{
    Algorithm, Command, Made, Name, Purposes, Rejection, Timestamp,
    command::Target,
    key::{
        self, Certification, Certified, Custodian, Generate, Material, NewVersion, Public, Rotate,
        spki,
    },
};
use uuid::Uuid;

use super::{Prepared, custody_failed, try_out};
use crate::{endpoint::Refused, lanes::Sender, shared::Shared, tokens};

/// For whom a version is made.
pub(super) struct Asked<'a> {
    pub(super) shared: &'a Shared,
    pub(super) target: &'a Target,
    pub(super) command: &'a Command,
    pub(super) id: Uuid,
    pub(super) sender: &'a Sender,
    pub(super) now: Timestamp,
}

/// A key that was made for a command, and is kept while that command is tried again: it is made once, whatever its number becomes.
pub(crate) struct Kept {
    generated: Generated,
    context: MaterialContext,
    algorithm: Algorithm,
}

/// What is to be made.
#[derive(Clone, Copy)]
struct Wanted {
    kind: Kind,
    number: u32,
    purposes: Purposes,
}

/// What is generated.
#[derive(Clone, Copy)]
enum Kind {
    /// A key of this algorithm.
    Key(Algorithm),
    /// An nkey that signs the ledger.
    LedgerNkey,
}

impl Kind {
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

/// Makes a new key's first version.
pub(super) async fn first(
    asked: Asked<'_>,
    generate: &Generate,
    kept: &mut Option<Kept>,
) -> Result<Prepared, Refused> {
    let wanted = Wanted {
        kind: Kind::Key(generate.algorithm),
        number: 1,
        purposes: generate.purposes.unwrap_or(generate.algorithm.usual()),
    };
    asked.version(kept, || Ok(Some(wanted))).await
}

/// Makes a key's next version, if it is in custody; a registered key's comes with the command.
pub(super) async fn next(
    asked: Asked<'_>,
    rotate: &Rotate,
    kept: &mut Option<Kept>,
) -> Result<Prepared, Refused> {
    let (shared, name) = (asked.shared, &asked.target.name);
    let wanted = || {
        let ledger = shared.live.ledger.read();
        let Some(key) = ledger.key(name).map(|e| &e.state) else {
            return Ok(None);
        };
        if let Some(public_key) = &rotate.public_key {
            check_point(key.algorithm, public_key)?;
        }
        if key.custodian != Custodian::Software {
            return Ok(None);
        }
        // Of the keys that are nkeys only the ledger's own is rotated by this command.
        let is_nkey = key.newest().is_some_and(|v| v.nkey.is_some());
        Ok(Some(Wanted {
            kind: match is_nkey {
                true => Kind::LedgerNkey,
                false => Kind::Key(key.algorithm),
            },
            number: key.versions.last().map_or(1, |v| v.number + 1),
            purposes: key.purposes,
        }))
    };
    asked.version(kept, wanted).await
}

impl Asked<'_> {
    /// Makes a version, and writes its sealed material under a name that nobody else can have. Nothing if nothing is wanted.
    ///
    /// `wanted` is asked twice: a command that would be rejected waits for nothing, and one that waited looks again.
    async fn version(
        self,
        kept: &mut Option<Kept>,
        wanted: impl Fn() -> Result<Option<Wanted>, Rejection>,
    ) -> Result<Prepared, Refused> {
        let (shared, name) = (self.shared, &self.target.name);
        let Some(first) = self.allowed(&wanted)? else {
            return Ok(Prepared::nothing());
        };
        // Held until the secret is made. Quick ones do not wait for slow ones, and what is made already waits for nothing.
        let place = match first.kind.is_slow() && kept.is_none() {
            true => Some(shared.families.slow.wait(self.sender, 0).await?),
            false => None,
        };
        // One after the other for each key: two at once would make the same version, and one of them in vain.
        let turn = shared.turns.take(name).await?;
        if shared.live.ledger.read().remembered(&self.id).is_some() {
            return Ok(Prepared::nothing());
        }
        let Some(wanted) = self.allowed(&wanted)? else {
            return Ok(Prepared::nothing());
        };
        let made = match kept {
            Some(made) => {
                made.renumber(shared, wanted.number)?;
                made
            }
            None => kept.insert(generate(shared, name, wanted).await?),
        };
        drop(place);
        // Before anything is written: what cannot be certified leaves no key behind.
        let certified = self.certified(made).await?;
        let entry = entry(name, wanted.number);
        let sealed = made.generated.sealed.clone();
        shared.materials.put(&entry, sealed).await?;
        let version = NewVersion {
            version: wanted.number,
            public: made.generated.public.clone(),
            material: Some(Material {
                entry: entry.as_str().into(),
            }),
        };
        let made = match certified {
            Some(certified) => Made::CertifiedKey(version, Box::new(certified)),
            None => Made::Key(version),
        };
        Ok(Prepared {
            _turn: Some(turn),
            ..Prepared::of(made, vec![entry])
        })
    }

    /// The certificate that the command asks for over the key that was made for it, if its issuer signs here.
    async fn certified(&self, made: &Kept) -> Result<Option<Certified>, Refused> {
        let Some(wanted) = self.certification() else {
            return Ok(None);
        };
        let new = tokens::NewKey {
            algorithm: made.algorithm,
            context: &made.context,
            made: &made.generated,
        };
        Ok(tokens::certify_new(self.shared, new, wanted, self.now).await?)
    }

    /// The certificate with which the command's key comes to be.
    fn certification(&self) -> Option<&Certification> {
        match self.command {
            Command::Key(key::Command::Generate(generate)) => generate.certify.as_deref(),
            _ => None,
        }
    }

    /// What is wanted now, if the command would be accepted now.
    fn allowed(
        &self,
        wanted: impl Fn() -> Result<Option<Wanted>, Rejection>,
    ) -> Result<Option<Wanted>, Refused> {
        let wanted = wanted()?;
        if let Some(wanted) = wanted {
            let made = placeholder(wanted.number, matches!(wanted.kind, Kind::LedgerNkey));
            let made = match self.certification() {
                Some(certify) => {
                    let certified = tokens::placeholder(self.target, certify, self.now)?;
                    Made::CertifiedKey(made, Box::new(certified))
                }
                None => Made::Key(made),
            };
            try_out(self.shared, self.target, self.command, self.now, made)?;
        }
        Ok(wanted)
    }
}

async fn generate(shared: &Shared, name: &Name, wanted: Wanted) -> Result<Kept, Refused> {
    let custody = Arc::clone(&shared.custody);
    let context = MaterialContext {
        key: name.clone(),
        version: wanted.number,
        purposes: wanted.purposes,
    };
    let generate = move || {
        let generated = match wanted.kind {
            Kind::Key(algorithm) => custody.generate(algorithm, &context),
            Kind::LedgerNkey => custody.generate_nkey(NkeyKind::User, &context),
        };
        generated.map(|generated| Kept {
            generated,
            context,
            algorithm: wanted.kind.algorithm(),
        })
    };
    tokio::task::spawn_blocking(generate)
        .await
        .map_err(|e| custody_failed(&e))?
        .map_err(|e| custody_failed(&e))
}

impl Kept {
    fn renumber(&mut self, shared: &Shared, version: u32) -> Result<(), Refused> {
        if self.context.version != version {
            let sealed = &self.generated.sealed;
            let sealed = shared.custody.renumber(sealed, &self.context, version);
            self.generated.sealed = sealed.map_err(|e| custody_failed(&e))?;
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
